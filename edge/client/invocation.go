package client

import (
	"context"
	"errors"
	"sync"
	"time"

	"runnel/edge/codec"
	"runnel/edge/wamp"
)

// Handler handles the calls of a procedure and returns the result. If the error is or wraps an *Error or a
// wamp.Failure, the caller receives its URI. It receives any other error as "wamp.error.runtime_error" with its text.
//
// ctx is done when the call was canceled (then its cause is an *Interrupt), has timed out, or when the session has ended.
type Handler func(ctx context.Context, inv *Invocation) (Payload, error)

// Invocation is one call of a registered procedure.
type Invocation struct {
	Body
	Registration *Registration

	session *session
	chunks  *chunks // for chunked arguments; otherwise nil
	id      wamp.ID // INVOCATION.Request
	ctx     context.Context
	cancel  context.CancelCauseFunc

	mu       sync.Mutex
	answered bool        // the final answer was sent. Guarded by mu.
	timer    *time.Timer // nil without a timeout. Guarded by mu.
}

// Interrupt is the cause of a Handler's context after the call was canceled.
type Interrupt struct {
	Mode   wamp.CancelMode // says whether the caller still waits for the answer
	Reason string          // URI sent by the router; may be empty
}

func (i *Interrupt) Error() string { return "interrupted (" + i.Mode.String() + ")" }
func (i *Interrupt) Unwrap() error { return wamp.Canceled }

// Procedure returns the procedure that was called. It differs from the registered one if that is a pattern.
func (inv *Invocation) Procedure() string {
	if procedure := inv.text("procedure"); procedure != "" {
		return procedure
	}
	return inv.Registration.pattern.uri
}

// ReceiveProgress reports whether the caller wants progressive results.
func (inv *Invocation) ReceiveProgress() bool { return inv.flag("receive_progress") }

// Caller returns the caller's session; 0 if it was not disclosed.
func (inv *Invocation) Caller() wamp.ID { return inv.sessionID("caller") }

// CallerAuthid returns the caller's authid; "" if it was not disclosed.
func (inv *Invocation) CallerAuthid() string { return inv.text("caller_authid") }

// CallerAuthrole returns the caller's role; "" if it was not disclosed.
func (inv *Invocation) CallerAuthrole() string { return inv.text("caller_authrole") }

// Timeout returns how long the caller waits for the result, and for each progressive result. It is 0 if there is no limit, or
// if the router measures it. When it has passed, the client answers wamp.Timeout and cancels the handler's context.
func (inv *Invocation) Timeout() time.Duration {
	ms, _ := inv.Detail("timeout").Uint()
	return time.Duration(min(ms, uint64(maxTimeout/time.Millisecond))) * time.Millisecond
}

const maxTimeout = 365 * 24 * time.Hour // longer timeouts would overflow, and never pass anyway

// Progress sends a progressive result. It does nothing if the caller did not request any. It blocks while the outgoing
// buffer is full.
func (inv *Invocation) Progress(p Payload) error {
	if !inv.ReceiveProgress() {
		return nil
	}
	inv.mu.Lock()
	defer inv.mu.Unlock()
	if inv.ctx.Err() != nil {
		return context.Cause(inv.ctx)
	}
	if inv.timer != nil && inv.timer.Stop() {
		inv.timer.Reset(inv.Timeout())
	}
	return inv.yield(inv.ctx, p, true)
}

// invocation handles INVOCATION: it starts the handler, or passes a further chunk to the running one.
func (s *session) invocation(m *codec.Message) error {
	if s.continueStream(m) {
		return nil
	}
	s.client.mu.Lock()
	r := s.registrations[m.ID]
	s.client.mu.Unlock()
	inv := &Invocation{
		Body:         Body{Details: m.Dict.Clone(), Payload: m.Payload.Clone()},
		Registration: r, session: s, id: m.Request,
	}
	if inProgress(m) {
		inv.chunks = &chunks{arrived: make(chan struct{}, 1), room: make(chan struct{}, 1), open: true}
	}
	if r == nil {
		inv.error(&Error{URI: wamp.NoSuchRegistration.Error()})
		return nil
	}
	if !s.addInvocation(inv) {
		return violated("received INVOCATION %d twice", m.Request)
	}
	inv.startClock()
	if !s.client.calls.submit(inv) {
		inv.finish(Payload{}, wamp.Unavailable)
	}
	return nil
}

// addInvocation adds inv to the running invocations. It returns false if the id is in use.
func (s *session) addInvocation(inv *Invocation) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.invocations[inv.id] != nil {
		return false
	}
	inv.ctx, inv.cancel = context.WithCancelCause(context.Background())
	s.invocations[inv.id] = inv
	return true
}

func (inv *Invocation) startClock() {
	inv.mu.Lock()
	defer inv.mu.Unlock()
	if d := inv.Timeout(); d > 0 {
		inv.timer = time.AfterFunc(d, func() { inv.finish(Payload{}, wamp.Timeout) })
	}
}

// handle runs the handler, unless the call has ended.
func (inv *Invocation) handle() {
	if inv.ctx.Err() != nil {
		inv.finish(Payload{}, context.Cause(inv.ctx))
		return
	}
	p, err := inv.Registration.handler(inv.ctx, inv)
	inv.finish(p, err)
}

// finish sends the final answer: the handler's or, if the timeout was first, an error. Only the first call has an effect.
func (inv *Invocation) finish(p Payload, err error) {
	inv.mu.Lock()
	defer inv.mu.Unlock()
	if inv.answered {
		return
	}
	inv.answered = true
	if inv.timer != nil {
		inv.timer.Stop()
	}
	inv.session.removeInvocation(inv)
	inv.cancel(err)
	if err == nil {
		err = inv.yield(context.Background(), p, false)
	}
	if err != nil && !isClosed(inv.session.ended) {
		inv.error(asError(err))
	}
}

func (s *session) removeInvocation(inv *Invocation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.invocations, inv.id)
	if inv.chunks != nil {
		s.noteUnfinished(inv)
	}
}

// yield sends YIELD for a progressive or final result.
func (inv *Invocation) yield(ctx context.Context, p Payload, progress bool) error {
	s := inv.session
	m := outbound{Message: codec.Message{Type: wamp.Yield, Request: inv.id}}
	var err error
	if m.Payload, err = p.encode(s.out.serializer); err != nil {
		return err
	}
	if progress || p.Extra != nil {
		var b codec.Builder
		b.Reset(s.out.serializer, make([]byte, 0, 32))
		setFlag(&b, "progress", progress)
		if m.Dict, err = finish(&b, p.Extra); err != nil {
			return err
		}
	}
	return s.out.send(ctx, &m, immediate)
}

// error sends ERROR. It does not wait for room, because the read loop calls it, too. If the error is too large, it is
// sent without details and payload.
func (inv *Invocation) error(e *Error) {
	m := outbound{text: e.URI, Message: codec.Message{
		Type: wamp.Error, ErrorType: wamp.Invocation, Request: inv.id, Dict: e.Details, Payload: e.Payload,
	}}
	err := inv.session.out.send(context.Background(), &m, control)
	if err != nil && !errors.Is(err, wamp.NetworkFailure) {
		m.Dict, m.Payload = codec.Dict{}, codec.Payload{}
		inv.session.out.send(context.Background(), &m, control)
	}
}

// interrupt handles INTERRUPT: it cancels the handler's context. An invocation that was answered is ignored.
func (s *session) interrupt(m *codec.Message) {
	s.mu.Lock()
	inv := s.invocations[m.Request]
	s.mu.Unlock()
	if inv == nil {
		return
	}
	mode, _ := field(m.Dict, "mode").Text()
	reason, _ := field(m.Dict, "reason").Text()
	parsed, _ := wamp.ParseCancelMode(string(mode))
	inv.cancel(&Interrupt{Mode: parsed, Reason: string(reason)})
}

// cancelInvocations cancels all running invocations, because the session has ended.
func (s *session) cancelInvocations(cause error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, inv := range s.invocations {
		inv.cancel(cause)
	}
}

// handlerPool runs the handlers of invocations, up to limit concurrently. Further invocations wait in order.
type handlerPool struct {
	limit int // of concurrent handlers
	bytes int // of waiting invocations
	work  sync.WaitGroup

	mu sync.Mutex
	// Guarded by mu.
	running int
	queue   []*Invocation
	size    int // bytes of queue
}

func newHandlerPool(o Options) *handlerPool {
	return &handlerPool{limit: o.Invocations, bytes: o.EventBuffer}
}

// submit runs inv's handler now or later. It returns false if the queue is full.
func (p *handlerPool) submit(inv *Invocation) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running < p.limit {
		p.running++
		p.work.Go(func() { p.run(inv) })
		return true
	}
	if p.size+inv.size() > p.bytes {
		return false
	}
	p.queue = append(p.queue, inv)
	p.size += inv.size()
	return true
}

func (inv *Invocation) size() int {
	return len(inv.Details.Raw) + len(inv.Payload.Raw) + invocationCost
}

const invocationCost = 512 // memory of a waiting invocation besides its bytes

func (p *handlerPool) run(inv *Invocation) {
	for ; inv != nil; inv = p.next() {
		inv.handle()
	}
}

// next returns the oldest waiting invocation; nil tells the goroutine to end.
func (p *handlerPool) next() *Invocation {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.queue) == 0 {
		p.running--
		p.queue = nil
		return nil
	}
	inv := p.queue[0]
	p.queue[0] = nil
	p.queue = p.queue[1:]
	p.size -= inv.size()
	return inv
}

func (p *handlerPool) wait() { p.work.Wait() }
