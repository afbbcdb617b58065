package mqtt

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"runnel/edge/client"
	"runnel/edge/codec"
	"runnel/edge/wamp"
	"runnel/transport/mqtt/packet"
)

// A call is a message to the procedure's topic with the last level "request". The answer goes to the level "response" and the
// id of the call:
//
//	com/example/pump/set/request      {"id": "7", "args": [0.5], "kwargs": {"unit": "bar"}, "timeout": 5000}
//	com/example/pump/set/response/7   {"id": "7", "args": [true]}
//	com/example/pump/set/response/7   {"id": "7", "error": "wamp.error.no_such_procedure", "args": [...]}
//
// Only the id is required. A request can't choose the topic of its answer, because every caller could then publish wherever
// the gateway may.
//
// Requests and responses use QoS 0 and are not stored. A call without an answer in time is lost. One that waited in a queue
// for hours would open a valve when no caller expects it any more. For the same reason retained requests are ignored.

const (
	// maxCalls bounds the calls under way.
	maxCalls = 128

	// callTime is the default timeout of a call.
	callTime = 30 * time.Second

	// longestCall bounds the timeout of a call.
	longestCall = time.Hour

	// maxCallID bounds an id, in bytes.
	maxCallID = 64

	// A request with the id of a call that was answered less than repeatTime ago is a repetition. maxRepeats are remembered.
	repeatTime = 5 * time.Second
	maxRepeats = 1024
)

// calls holds the calls under way, and the recently answered ones: some brokers send a message once for each subscription
// that it matches, and a call must be made once.
type calls struct {
	work sync.WaitGroup

	mu sync.Mutex
	// Guarded by mu.
	known map[string]time.Time // time of the answer by the response's topic; zero: under way
	ended []string             // topics of the answered ones, oldest first
}

func (c *calls) wait() { c.work.Wait() }

// begin notes a call. again says that it is a repetition, full that too many calls are under way.
func (c *calls) begin(reply string) (again, full bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.ended) > 0 && (len(c.ended) > maxRepeats || time.Since(c.known[c.ended[0]]) > repeatTime) {
		delete(c.known, c.ended[0])
		c.ended = append(c.ended[:0], c.ended[1:]...)
	}
	if _, known := c.known[reply]; known {
		return true, false
	}
	if len(c.known)-len(c.ended) >= maxCalls {
		return false, true
	}
	if c.known == nil {
		c.known = make(map[string]time.Time)
	}
	c.known[reply] = time.Time{}
	return false, false
}

func (c *calls) end(reply string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.known[reply] = time.Now()
	c.ended = append(c.ended, reply)
}

// request is a call from the broker.
type request struct {
	id        codec.Value
	reply     string // topic of the answer
	procedure string
	timeout   time.Duration
	payload   codec.Payload
}

// called reports whether a message is a call, and if so makes the call.
func (l *Link) called(ctx context.Context, uri string, p *packet.Publish) bool {
	procedure, ok := strings.CutSuffix(uri, "."+requestLevel)
	if !ok {
		return false
	}
	r, _ := l.offered.Best(procedure)
	if r == nil {
		return false
	}
	if p.Retain {
		l.refuse(&l.status.CallsDown, "call not made", p.Topic, errors.New("a retained request"))
		return true
	}
	q, err := l.opts.Format.request(p.Payload)
	if err != nil {
		l.refuse(&l.status.CallsDown, "call not made", p.Topic, err)
		return true
	}
	q.procedure = r.ToLocal(procedure)
	q.reply = strings.TrimSuffix(p.Topic, requestLevel) + responseLevel + "/" + q.reply
	again, full := l.calls.begin(q.reply)
	switch {
	case full:
		l.refuse(&l.status.CallsDown, "call not made", p.Topic, errors.New("too many calls are under way"))
		l.respond(q, client.Body{}, client.NewError(wamp.Unavailable.Error(), "too many calls are under way"))
	case !again:
		l.calls.work.Go(func() {
			defer l.calls.end(q.reply)
			l.call(ctx, q)
		})
	}
	return true
}

// call makes a call in the realm and answers it. The call is canceled when the connection ends.
func (l *Link) call(ctx context.Context, q request) {
	ctx, cancel := context.WithTimeout(ctx, q.timeout)
	defer cancel()
	result, err := l.local.Call(ctx, q.procedure, client.CallOptions{}, client.Raw(q.payload))
	if err == nil {
		l.status.CallsDown.Forward()
		l.respond(q, result.Body, nil)
		return
	}
	var failure *client.Error
	switch {
	case errors.As(err, &failure):
	case errors.Is(err, context.DeadlineExceeded):
		failure = client.NewError(wamp.Timeout.Error(), fmt.Sprintf("no answer for %v", q.timeout))
	default:
		failure = client.NewError(wamp.Canceled.Error(), err.Error())
	}
	if errors.Is(err, wamp.NetworkFailure) {
		l.status.CallsDown.Drop()
	} else {
		l.status.CallsDown.Forward() // an error is an answer
	}
	l.respond(q, failure.Body, failure)
}

// respond sends the answer if there is a connection.
func (l *Link) respond(q request, body client.Body, failure *client.Error) {
	s := l.current.Load()
	if s == nil {
		return
	}
	if failure != nil {
		body = failure.Body
	}
	payload, err := l.opts.Format.response(q, body, failure)
	if err == nil && len(payload) > l.opts.MaxMessage {
		err = packet.ErrTooLarge
	}
	if err != nil {
		failure = client.NewError(wamp.PayloadSizeExceeded.Error(), "the answer can't be sent over MQTT: "+err.Error())
		payload, err = l.opts.Format.response(q, failure.Body, failure)
	}
	if err == nil {
		s.send(newPublish(q.reply, payload, 0))
	}
}

// request decodes a call.
func (f Format) request(message []byte) (q request, err error) {
	q.timeout = callTime
	raw, err := codec.Transcode(nil, wamp.CBOR, f.serializer(), message)
	if err != nil {
		return q, err
	}
	dict, ok := codec.Value{Serializer: wamp.CBOR, Raw: raw}.Dict()
	if !ok {
		return q, errNotMap
	}
	var args, kwargs codec.Value
	for d := dict.Fields(); d.Next(); {
		v, ok := d.Value(), true
		switch key := string(d.Key()); key {
		case "id":
			q.id = v
			q.reply, ok = callID(v)
		case "args":
			_, ok = v.Items()
			args = v
		case "kwargs":
			_, ok = v.Dict()
			kwargs = v
		case "timeout":
			var ms uint64
			ms, ok = v.Uint()
			q.timeout = time.Duration(min(ms, uint64(longestCall/time.Millisecond))) * time.Millisecond
		default:
			return q, fmt.Errorf("%.40q is not a known key of a request; use id, args, kwargs, timeout", key)
		}
		if !ok {
			return q, fmt.Errorf("%s has the wrong type", d.Key())
		}
	}
	if q.reply == "" {
		return q, errNoID
	}
	if args.Raw != nil || kwargs.Raw != nil {
		q.payload = join(args, kwargs)
	}
	_, _, err = q.payload.Split()
	return q, err
}

// callID returns the topic level for an id.
func callID(v codec.Value) (level string, ok bool) {
	if n, isNumber := v.Uint(); isNumber {
		return strconv.FormatUint(n, 10), true
	}
	text, ok := v.Text()
	return string(text), ok && len(text) > 0 && len(text) <= maxCallID && checkText(string(text), "/+#") == nil
}

// response encodes the answer to a call.
func (f Format) response(q request, body client.Body, failure *client.Error) ([]byte, error) {
	args, kwargs, err := body.Payload.Split()
	if err != nil {
		return nil, err
	}
	var b codec.Builder
	b.Reset(f.serializer(), nil)
	b.Value("id", q.id)
	if failure != nil {
		b.String("error", failure.URI)
	}
	if args.Raw != nil {
		b.Value("args", args)
	}
	if kwargs.Raw != nil {
		b.Value("kwargs", kwargs)
	}
	return b.Dict().Raw, b.Err()
}
