package mqtt

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"runnel/edge/client"
	"runnel/edge/codec"
	"runnel/edge/wamp"
	"runnel/transport/mqtt/naming"
	"runnel/transport/mqtt/packet"
)

// A call is a message to the procedure's topic with the last level "request". The answer goes to the level "response" and the
// id of the call:
//
//	com/example/pump/set/request      {"id": "7", "args": [0.5], "kwargs": {"unit": "bar"}, "timeout": 5000}
//	com/example/pump/set/response/7   {"id": "7", "args": [true]}
//	com/example/pump/set/response/7   {"id": "7", "error": "wamp.error.no_such_procedure", "args": [...]}
//
// Only the id is required. A request cannot choose an arbitrary topic for its answer, because every caller could then
// publish wherever the gateway may.
//
// With MQTT 5 a request may have a response topic and correlation data. The answer goes there with the same data, and the request
// needs no id. The response topic must have a level "response".
//
// Requests and responses use QoS 0 and are not stored. A call without an answer in time is lost. A request that has
// waited in a queue for hours would open a valve when no caller expects it any longer. For the same reason retained
// requests are ignored.

const (
	// maxCalls bounds the calls in progress.
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

// calls holds the calls in progress and the recently answered ones. Some brokers send a message once for each
// matching subscription, but a call must be made once.
type calls struct {
	work sync.WaitGroup

	mu sync.Mutex
	// Guarded by mu.
	known map[string]time.Time // time of the answer by the response's topic; zero: in progress
	ended []string             // topics of the answered ones, oldest first
}

func (c *calls) wait() { c.work.Wait() }

// begin records a call. again means that it is a repetition, and full that too many calls are in progress.
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

func (c *calls) finish(reply string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.known[reply] = time.Now()
	c.ended = append(c.ended, reply)
}

// request is a call from the broker.
type request struct {
	id        codec.Value
	reply     string            // topic of the answer
	answer    packet.Properties // of the answer
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
	q, err := l.opts.Format.request(p.Payload, p.Properties)
	if err != nil {
		l.refuse(&l.status.CallsDown, "call not made", p.Topic, err)
		return true
	}
	q.procedure = r.ToLocal(procedure)
	if !p.Properties.Has(packet.ResponseTopic) {
		q.reply = strings.TrimSuffix(p.Topic, requestLevel) + responseLevel + "/" + q.reply
	}
	key := q.reply + "\x00" + string(q.id.Raw) + q.answer.Text(packet.CorrelationData)
	again, full := l.calls.begin(key)
	switch {
	case full:
		l.refuse(&l.status.CallsDown, "call not made", p.Topic, errors.New("too many calls are in progress"))
		l.respond(q, client.Body{}, client.NewError(wamp.Unavailable.Error(), "too many calls are in progress"))
	case !again:
		l.calls.work.Go(func() {
			defer l.calls.finish(key)
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
	p := newPublish(q.reply, payload, 0)
	p.Properties = l.opts.Format.describe(q.answer, payload)
	if err == nil && len(payload) > l.opts.MaxMessage {
		err = packet.ErrTooLarge
	}
	if err == nil {
		err = s.tooLong(p)
	}
	if err != nil {
		failure = client.NewError(wamp.PayloadSizeExceeded.Error(), "cannot send the answer over MQTT: "+err.Error())
		p.Payload, err = l.opts.Format.response(q, failure.Body, failure)
	}
	if err == nil {
		s.send(p)
	}
}

// request decodes a call.
func (f Format) request(message []byte, how packet.Properties) (q request, err error) {
	q.timeout = min(callTime, time.Duration(how.Number(packet.MessageExpiry, math.MaxUint32))*time.Second)
	if err = q.answerBy(how); err != nil {
		return q, err
	}
	if len(message) == 0 && q.reply != "" {
		return q, q.identified()
	}
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
			var level string
			q.id = v
			if level, ok = callID(v); q.reply == "" {
				q.reply = level
			}
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
	if err := q.identified(); err != nil {
		return q, err
	}
	if args.Raw != nil || kwargs.Raw != nil {
		q.payload = join(args, kwargs)
	}
	_, _, err = q.payload.Split()
	return q, err
}

// answerBy takes the topic of the answer and its properties from those of the request.
func (q *request) answerBy(how packet.Properties) error {
	if !how.Has(packet.ResponseTopic) {
		return nil
	}
	q.reply = how.Text(packet.ResponseTopic)
	if !slices.Contains(strings.Split(q.reply, "/"), responseLevel) || q.reply[0] == '$' || len(q.reply) > naming.MaxTopic || naming.Check(q.reply, "+#") != nil {
		return errResponse
	}
	if how.Has(packet.CorrelationData) {
		q.answer = packet.Properties{{ID: packet.CorrelationData, Text: how.Text(packet.CorrelationData)}}
	}
	return nil
}

// identified returns an error for a request that can't be told from a repetition of another one.
func (q *request) identified() error {
	if q.id.Raw == nil && q.answer == nil {
		return errNoID
	}
	return nil
}

// callID returns the topic level for an id.
func callID(v codec.Value) (level string, ok bool) {
	if n, isNumber := v.Uint(); isNumber {
		return strconv.FormatUint(n, 10), true
	}
	text, ok := v.Text()
	return string(text), ok && len(text) > 0 && len(text) <= maxCallID && naming.Check(string(text), "/+#") == nil
}

// response encodes the answer to a call.
func (f Format) response(q request, body client.Body, failure *client.Error) ([]byte, error) {
	args, kwargs, err := body.Payload.Split()
	if err != nil {
		return nil, err
	}
	var b codec.Builder
	b.Reset(f.serializer(), nil)
	if q.id.Raw != nil {
		b.Value("id", q.id)
	}
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
