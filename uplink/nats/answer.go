package nats

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"runnel/edge/client"
	"runnel/edge/codec"
	"runnel/edge/wamp"
	"runnel/uplink/nats/conn"
	"runnel/uplink/nats/payload"
	"runnel/uplink/nats/subject"
)

// called starts the call in a request from the cluster. The connection's reading goroutine calls it.
func (s *session) called(m *conn.Msg) {
	if key := callKey(m); key != "" {
		if to, known := s.link.chosen(string(m.Subject), key); known && to.link != "" {
			s.conn.Publish(conn.Out{Subject: linkSubject + to.link + "." + string(m.Subject), Reply: string(m.Reply), Header: m.Header, Data: m.Data})
			return
		}
	}
	s.accept(m, string(m.Subject), false)
}

// calledHere makes the call in a request that was sent to this link, or takes a part of its arguments.
func (s *session) calledHere(m *conn.Msg) {
	if string(m.Header.Get(payload.TypeField)) != payload.Part {
		s.accept(m, string(m.Subject[len(linkSubject)+len(s.link.calls.name)+1:]), true)
	} else if c := s.link.calls.find(string(m.Header.Get(payload.CallField))); c != nil && c.parts != nil && string(m.Subject) == c.subject {
		c.parts.put(m)
	}
}

// callKey returns the resource key of a call.
func callKey(m *conn.Msg) string {
	key, err := url.PathUnescape(string(m.Header.Get(payload.KeyField)))
	if err != nil {
		return ""
	}
	return key
}

// accept makes the call of a procedure in a request.
func (s *session) accept(m *conn.Msg, name string, here bool) {
	kind := string(m.Header.Get(payload.TypeField))
	if len(m.Reply) == 0 || kind != "" && kind != payload.Call {
		return // not a call
	}
	c := &incoming{link: s.link, key: string(m.Reply), reply: string(m.Reply), subject: string(m.Subject), plain: kind == ""}
	if c.plain {
		c.id = string(m.Header.Get(payload.CallField))
	} else if here && hasMore(m) {
		c.parts = &inflow{wake: make(chan struct{}, 1), next: 1}
	}
	ctx, ok := s.link.calls.begin(c)
	if !ok {
		c.fail(s, client.NewError(wamp.Unavailable.Error(), "too many calls are in progress, or one with this reply subject is"))
		return
	}
	m = m.Clone()
	s.link.calls.work.Go(func() {
		defer s.link.calls.finish(c)
		c.make(ctx, m, name)
	})
}

// begin records a call from the cluster. ok is false if there are too many calls, or if the caller is a link that uses
// the reply subject of another call. Plain programs may use one reply subject for several calls.
func (c *calls) begin(in *incoming) (ctx context.Context, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if in.plain {
		c.plain++
		in.key += " " + strconv.FormatUint(c.plain, 36)
	}
	if c.running[in.key] != nil || len(c.running) >= maxCalls {
		return nil, false
	}
	ctx, in.cancel = context.WithCancelCause(c.ctx)
	c.running[in.key] = in
	return ctx, true
}

func (c *calls) finish(in *incoming) {
	c.mu.Lock()
	delete(c.running, in.key)
	c.mu.Unlock()
	in.cancel(nil)
}

// find returns a call from the cluster that is in progress; nil: there is none.
func (c *calls) find(key string) *incoming {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.running[key]
}

// cancel cancels a call from the cluster if it is still in progress.
func (c *calls) cancel(key string, mode wamp.CancelMode) {
	if in := c.find(key); in != nil {
		in.cancel(&client.Interrupt{Mode: mode, Reason: wamp.Canceled.Error()})
	}
}

// control handles a cancellation, a question about the subject of a call, or the nodes of another link. All links get
// these messages.
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
	case payload.Ask:
		s.asked(m, about)
	case payload.Nodes:
		s.learnNodes(m)
	}
}

// asked answers the question of another link: which links offer a subject, or without a subject, the nodes of this
// link.
func (s *session) asked(m *conn.Msg, about string) {
	hops, ok := payload.ParseHops(string(m.Header.Get(payload.HopsField)))
	switch reply := string(m.Reply); {
	case !ok || reply == "" || visited(hops, s.link.place()):
	case about == "":
		s.announce(reply)
	case s.link.calls.offers.Load().has(about):
		s.conn.Publish(conn.Out{Subject: reply, Header: s.link.signed(payload.Offer)})
	}
}

// incoming is a call from the cluster.
type incoming struct {
	// Static after begin.
	link    *Link
	key     string // in calls.running
	reply   string // subject of the answers
	subject string // of the request
	plain   bool   // the caller is a plain program
	id      string // for the answers; only for a plain program
	cancel  context.CancelCauseFunc

	parts *inflow // has its own lock; nil: the arguments do not come in parts
}

// make calls the procedure in the local realm, and sends the answer.
func (c *incoming) make(ctx context.Context, m *conn.Msg, name string) {
	l := c.link
	procedure, o, p, err := c.read(m, name)
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
		l.status.CallsDown.Forward() // an error is an answer, too
	}
	c.respond(ctx, payload.Error, codec.Payload{}, asError(err))
}

// asError returns the error for the caller.
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
func (c *incoming) read(m *conn.Msg, name string) (procedure string, o client.CallOptions, p codec.Payload, err error) {
	l := c.link
	uri, ok := subject.URI(name)
	r, found := l.calls.offered.Best(uri)
	if !ok || !found || wamp.Reserved(r.ToLocal(uri)) || wamp.OfNode(r.ToLocal(uri)) && !wamp.OfNode(r.Procedure) {
		return "", o, p, client.NewError(wamp.NoSuchProcedure.Error(), "no rule of the uplink exports it")
	}
	hops, ok := payload.ParseHops(string(m.Header.Get(payload.HopsField)))
	if !ok {
		return "", o, p, client.NewError(wamp.InvalidArgument.Error(), "its header "+payload.HopsField+" is damaged")
	}
	if o.ForwardFor, ok = l.wayIn(hops); !ok {
		return "", o, p, client.NewError(wamp.NoSuchProcedure.Error(), "the call has already passed this realm, or too many links")
	}
	if p, err = decode(m); err != nil {
		return "", o, p, client.NewError(wamp.InvalidArgument.Error(), err.Error())
	}
	o.Extra = wamp.Sharding(callKey(m))
	if c.parts != nil {
		o.Input = c.input
	}
	o.Timeout = payload.ParseTimeout(string(m.Header.Get(payload.TimeoutField)))
	if !c.plain && string(m.Header.Get(payload.ProgressField)) == "true" {
		o.Progress = func(r *client.Result) { c.respond(l.calls.ctx, payload.Progress, r.Payload, nil) }
	}
	return r.ToLocal(uri), o, p, nil
}

// live sends signs of life. It sends the first one at once if the arguments come in parts. It cancels the call when the
// caller's link no longer listens for answers.
func (c *incoming) live() *time.Timer {
	l := c.link
	first := l.calls.times.aliveFirst
	if c.parts != nil {
		first = 0
	}
	var timer *time.Timer
	started := make(chan struct{})
	timer = time.AfterFunc(first, func() {
		<-started
		if s := l.current.Load(); s != nil {
			taken := int64(0)
			if c.parts != nil {
				taken = c.parts.all()
			}
			s.conn.Send(c.sign(taken), l.calls.times.aliveEvery, func(_ *conn.Msg, err error) {
				if errors.Is(err, conn.ErrNoResponders) {
					l.calls.cancel(c.key, wamp.KillNoWait)
				}
			})
		}
		if l.calls.find(c.key) != nil {
			timer.Reset(l.calls.times.aliveEvery)
		}
	})
	close(started)
	return timer
}

// sign returns a sign of life. taken is the number of consumed bytes of parts.
func (c *incoming) sign(taken int64) conn.Out {
	h := conn.Header(nil).Add(payload.TypeField, payload.Alive)
	if c.parts != nil {
		h = h.Add(payload.TakenField, strconv.FormatInt(taken, 10))
	}
	return conn.Out{Subject: c.reply, Header: h}
}

// answerTime bounds the wait for a connection to send an answer. A link usually reaches another server within that
// time.
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

// send sends an answer. If the answer cannot be sent, it sends an error instead.
func (c *incoming) send(s *session, kind string, p codec.Payload, failure *client.Error) error {
	l := c.link
	if failure != nil {
		p = failure.Payload
	}
	data, err := payload.Encode(p, l.opts.Serializer)
	if err != nil {
		return c.fail(s, client.NewError(wamp.InvalidArgument.Error(), "cannot send the answer over NATS: "+err.Error()))
	}
	out := conn.Out{Subject: c.reply, Data: data}
	out.Header = out.Header.Add(payload.TypeField, kind).Add(payload.ContentTypeField, payload.ContentType(l.opts.Serializer))
	if c.id != "" {
		out.Header = out.Header.Add(payload.CallField, c.id)
	}
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

// serviceCode returns the code of an error for programs that know only the errors of NATS micro services.
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
