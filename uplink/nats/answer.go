package nats

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"runnel/edge/client"
	"runnel/edge/codec"
	"runnel/edge/wamp"
	"runnel/uplink/nats/conn"
	"runnel/uplink/nats/payload"
	"runnel/uplink/nats/subject"
)

// called starts the call that a request from the cluster asks for. The goroutine that reads calls it.
func (s *session) called(m *conn.Msg) {
	kind := string(m.Header.Get(payload.TypeField))
	if len(m.Reply) == 0 || kind != "" && kind != payload.Call {
		return // no call
	}
	c := &incoming{link: s.link, reply: string(m.Reply), plain: kind == ""}
	ctx, ok := s.link.calls.begin(c.reply)
	if !ok {
		c.fail(s, client.NewError(wamp.Unavailable.Error(), "too many calls are under way"))
		return
	}
	m = m.Clone()
	s.link.calls.work.Go(func() {
		defer s.link.calls.end(c.reply)
		c.make(ctx, m)
	})
}

// begin records a call from the cluster. ok is false if there are too many calls, or if the caller uses the reply
// subject of another call.
func (c *calls) begin(reply string) (ctx context.Context, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, known := c.running[reply]; known || len(c.running) >= maxCalls {
		return nil, false
	}
	ctx, cancel := context.WithCancelCause(c.ctx)
	c.running[reply] = cancel
	return ctx, true
}

func (c *calls) end(reply string) {
	c.mu.Lock()
	cancel := c.running[reply]
	delete(c.running, reply)
	c.mu.Unlock()
	cancel(nil)
}

// cancel cancels a call from the cluster if it is still in progress.
func (c *calls) cancel(reply string, mode wamp.CancelMode) {
	c.mu.Lock()
	cancel := c.running[reply]
	c.mu.Unlock()
	if cancel != nil {
		cancel(&client.Interrupt{Mode: mode, Reason: wamp.Canceled.Error()})
	}
}

// control handles a cancellation or a probe, which asks whether topics cover the subject of a call. All links get both.
func (s *session) control(m *conn.Msg) {
	about := string(m.Header.Get(payload.CallField))
	switch string(m.Header.Get(payload.TypeField)) {
	case payload.Cancel:
		if mode, ok := wamp.ParseCancelMode(string(m.Header.Get(payload.ModeField))); ok {
			s.link.calls.cancel(about, mode)
		}
	case payload.Probe:
		uri, _ := subject.URI(about)
		if _, covers := s.link.imported.Best(uri); covers && len(m.Reply) > 0 {
			s.conn.Publish(conn.Out{Subject: string(m.Reply), Header: conn.Header(nil).Add(payload.TypeField, payload.Covered)})
		}
	}
}

// incoming is a call from the cluster.
type incoming struct {
	link  *Link
	reply string // subject of the answers
	plain bool   // the caller is a plain program
}

// make calls the procedure in the local realm and sends the answer.
func (c *incoming) make(ctx context.Context, m *conn.Msg) {
	l := c.link
	procedure, o, p, err := c.read(m)
	if err != nil {
		l.status.CallsDown.Forward()
		c.respond(ctx, payload.Error, codec.Payload{}, asError(err))
		return
	}
	if c.plain {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, plainTime)
		defer cancel()
	} else {
		defer c.live().Stop()
	}
	result, err := l.local.Call(ctx, procedure, o, client.Raw(p))
	if err == nil {
		l.status.CallsDown.Forward()
		c.respond(ctx, payload.Result, result.Payload, nil)
		return
	}
	if errors.Is(err, wamp.NetworkFailure) {
		l.status.CallsDown.Drop()
	} else {
		l.status.CallsDown.Forward() // an error is an answer
	}
	c.respond(ctx, payload.Error, codec.Payload{}, asError(err))
}

// asError returns the error that the caller gets.
func asError(err error) *client.Error {
	var e *client.Error
	switch {
	case errors.As(err, &e):
		return e
	case errors.Is(err, context.DeadlineExceeded):
		return client.NewError(wamp.Timeout.Error(), fmt.Sprintf("no answer for %v", plainTime))
	}
	return client.NewError(wamp.Canceled.Error(), err.Error())
}

// read returns the call in a request.
func (c *incoming) read(m *conn.Msg) (procedure string, o client.CallOptions, p codec.Payload, err error) {
	l := c.link
	uri, ok := subject.URI(string(m.Subject))
	r, found := l.calls.offered.Best(uri)
	if !ok || !found || wamp.Reserved(r.ToLocal(uri)) || wamp.OfNode(r.ToLocal(uri)) && !wamp.OfNode(r.Procedure) {
		return "", o, p, client.NewError(wamp.NoSuchProcedure.Error(), "no rule of the uplink exports it")
	}
	hops, ok := payload.ParseHops(string(m.Header.Get(payload.HopsField)))
	if !ok {
		return "", o, p, client.NewError(wamp.InvalidArgument.Error(), "its header "+payload.HopsField+" is damaged")
	}
	if o.ForwardFor, ok = l.arrive(hops); !ok {
		return "", o, p, client.NewError(wamp.NoSuchProcedure.Error(), "the call has passed this realm already, or too many links")
	}
	if p, err = decode(m); err != nil {
		return "", o, p, client.NewError(wamp.InvalidArgument.Error(), err.Error())
	}
	o.Timeout = payload.ParseTimeout(string(m.Header.Get(payload.TimeoutField)))
	if !c.plain && string(m.Header.Get(payload.ProgressField)) == "true" {
		o.Progress = func(r *client.Result) { c.respond(l.calls.ctx, payload.Progress, r.Payload, nil) }
	}
	return r.ToLocal(uri), o, p, nil
}

// live sends signs of life. If nobody listens for answers any longer, it cancels the call.
func (c *incoming) live() *time.Timer {
	l := c.link
	var timer *time.Timer
	started := make(chan struct{})
	timer = time.AfterFunc(l.calls.times.aliveFirst, func() {
		<-started
		if s := l.current.Load(); s != nil {
			sign := conn.Out{Subject: c.reply, Header: conn.Header(nil).Add(payload.TypeField, payload.Alive)}
			s.conn.Send(sign, l.calls.times.aliveEvery, func(_ *conn.Msg, err error) {
				if errors.Is(err, conn.ErrNoResponders) {
					l.calls.cancel(c.reply, wamp.KillNoWait)
				}
			})
		}
		if l.calls.has(c.reply) {
			timer.Reset(l.calls.times.aliveEvery)
		}
	})
	close(started)
	return timer
}

func (c *calls) has(reply string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.running[reply] != nil
}

// answerTime bounds the wait for a connection to send an answer. A link is back at another server within that time.
const answerTime = 15 * time.Second

// respond sends an answer, over the next connection if necessary.
func (c *incoming) respond(ctx context.Context, kind string, p codec.Payload, failure *client.Error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), answerTime)
	defer cancel()
	stop := context.AfterFunc(c.link.calls.ctx, cancel)
	defer stop()
	for ctx.Err() == nil {
		if s := c.link.current.Load(); s != nil && s.conn.Room(ctx) == nil && c.send(s, kind, p, failure) == nil {
			return
		}
		client.Sleep(ctx, 50*time.Millisecond)
	}
}

// send sends an answer. It replaces an answer that cannot be sent by an error.
func (c *incoming) send(s *session, kind string, p codec.Payload, failure *client.Error) error {
	l := c.link
	if failure != nil {
		p = failure.Payload
	}
	data, err := payload.Encode(p, l.opts.Serializer)
	if err != nil {
		return c.fail(s, client.NewError(wamp.InvalidArgument.Error(), "the answer can't be sent over NATS: "+err.Error()))
	}
	out := conn.Out{Subject: c.reply, Data: data}
	out.Header = out.Header.Add(payload.TypeField, kind).Add(payload.ContentTypeField, payload.ContentType(l.opts.Serializer))
	if failure != nil {
		out.Header = out.Header.Add(payload.ErrorField, failure.URI).
			Add(payload.ServiceError, failure.Error()).Add(payload.ServiceErrorCode, serviceCode(failure))
	}
	var large *conn.TooLarge
	if len(data) <= l.opts.MaxMessage {
		err = s.conn.Publish(out)
	}
	if errors.As(err, &large) || len(data) > l.opts.MaxMessage {
		return c.fail(s, client.NewError(wamp.PayloadSizeExceeded.Error(), "the answer is too large for NATS"))
	}
	if errors.Is(err, conn.ErrSubject) {
		return nil // the caller cannot be reached
	}
	return err
}

// fail answers with a small error.
func (c *incoming) fail(s *session, failure *client.Error) error {
	return c.send(s, payload.Error, codec.Payload{}, failure)
}

// serviceCode returns the code of an error for programs that only know the errors of NATS micro services.
func serviceCode(e *client.Error) string {
	for failure, code := range serviceCodes {
		if e.URI == string(failure) {
			return strconv.Itoa(code)
		}
	}
	return "500"
}

var serviceCodes = map[wamp.Failure]int{
	wamp.InvalidArgument: 400, wamp.NotAuthorized: 403, wamp.NoSuchProcedure: 404, wamp.Timeout: 408, wamp.PayloadSizeExceeded: 413, wamp.Unavailable: 503,
}
