package client

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"runnel/edge/codec"
	"runnel/edge/wamp"
)

// CallOptions say how to call a procedure.
type CallOptions struct {
	// Timeout is the longest wait for the result, and for each progressive result. When it has passed, the call ends with
	// wamp.Timeout. The router or the callee measures it; if the router does not announce that feature, the client does.
	Timeout time.Duration

	// Progress requests progressive results and is called with each, by the goroutine that called Call. If more than
	// Options.EventBuffer bytes of results wait for longer than Options.HandlerWait, the client cancels the call.
	Progress func(*Result)

	// Input makes this a call with chunked arguments; the payload given to Call is the first chunk. A goroutine of the call
	// calls Input for each further chunk until more is false. An error cancels the call. ctx is done when the call ends.
	Input func(ctx context.Context) (p Payload, more bool, err error)

	DiscloseMe bool // disclose the caller's identity to the callee

	// ForwardFor lists the links that the call has crossed, oldest hop first. Routers accept it only from sessions that
	// may forward.
	ForwardFor []Hop

	// CancelMode says how the call is canceled when ctx is done. With wamp.KillNoWait, the default, and with wamp.Skip, Call
	// returns ctx's error at once. With wamp.Kill it waits for the callee's answer, at most Options.RequestTimeout. Then it
	// returns the result if there still is one, and otherwise an error that wraps both ctx's and the callee's.
	//
	// If ctx belongs to an Invocation that was interrupted, the mode of the interrupt applies instead.
	CancelMode wamp.CancelMode

	Extra map[string]any // further fields of CALL.Options
}

// Result is a final or progressive result of a call. The application may keep it.
type Result struct {
	Body
}

// Call calls a procedure and returns its result. An error answered by the router or the callee is an *Error. When ctx
// is done, the call is canceled.
func (c *Client) Call(ctx context.Context, procedure string, o CallOptions, p Payload) (*Result, error) {
	s, err := c.session()
	if err != nil {
		return nil, err
	}
	m := outbound{Message: codec.Message{Type: wamp.Call}, text: procedure}
	if m.Payload, err = p.encode(s.out.serializer); err != nil {
		return nil, err
	}
	if m.Dict, err = o.dict(s.out.serializer); err != nil {
		return nil, err
	}
	if o.Input != nil && !s.welcome.Feature("dealer", "progressive_call_invocations") {
		return nil, errNoStreams
	}
	k := &call{session: s, changed: make(chan struct{}, 1), room: make(chan struct{}, 1)}
	m.request = k
	if err := s.out.send(ctx, &m, immediate); err != nil {
		return nil, err
	}
	k.id = m.Request
	if o.Input != nil {
		return k.withInput(ctx, procedure, &o)
	}
	return k.wait(ctx, &o)
}

func (o *CallOptions) dict(s wamp.Serializer) (codec.Dict, error) {
	if o.Timeout <= 0 && o.Progress == nil && o.Input == nil && !o.DiscloseMe && o.ForwardFor == nil && o.Extra == nil {
		return codec.Dict{}, nil
	}
	var b codec.Builder
	b.Reset(s, make([]byte, 0, 64))
	if o.Timeout > 0 {
		b.Uint("timeout", milliseconds(o.Timeout))
	}
	setFlag(&b, "receive_progress", o.Progress != nil)
	setFlag(&b, "progress", o.Input != nil)
	setFlag(&b, "disclose_me", o.DiscloseMe)
	setHops(&b, o.ForwardFor)
	return finish(&b, o.Extra)
}

// milliseconds rounds up, because 0 means no timeout.
func milliseconds(d time.Duration) uint64 {
	return uint64((d + time.Millisecond - 1) / time.Millisecond)
}

// call is a CALL in progress.
type call struct {
	session *session
	id      wamp.ID       // set before wait is called; the read loop uses the message's id
	changed chan struct{} // room for one: a field guarded by mu has changed
	room    chan struct{} // room for one: progressed was emptied

	mu sync.Mutex
	// Guarded by mu.
	progressed []*Result
	size       int // bytes of progressed
	over       bool
	result     *Result
	err        error
}

func (k *call) kind() (sent, reply wamp.Type) { return wamp.Call, wamp.Result }

func (k *call) answer(m *codec.Message) { k.finish(newResult(m), nil) }
func (k *call) fail(err error)          { k.finish(nil, err) }

func (k *call) finish(r *Result, err error) {
	k.mu.Lock()
	k.over, k.result, k.err = true, r, err
	k.mu.Unlock()
	wake(k.changed)
	wake(k.room)
}

func newResult(m *codec.Message) *Result {
	return &Result{Body{Details: m.Dict.Clone(), Payload: m.Payload.Clone()}}
}

// inProgress reports whether a message has the detail progress, so that further ones follow.
func inProgress(m *codec.Message) bool {
	set, _ := field(m.Dict, "progress").Bool()
	return set
}

// progress takes a progressive result. The read loop calls it; it waits up to HandlerWait for a slow caller.
func (k *call) progress(m *codec.Message) {
	r := newResult(m)
	size := len(r.Details.Raw) + len(r.Payload.Raw) + eventCost
	if !k.waitForRoom(size) {
		k.session.cancelSlow(m.Request, k)
		return
	}
	k.mu.Lock()
	k.progressed = append(k.progressed, r)
	k.size += size
	k.mu.Unlock()
	wake(k.changed)
}

func (k *call) waitForRoom(size int) bool {
	if !k.full(size) {
		return true
	}
	timer := time.NewTimer(k.session.client.opts.HandlerWait)
	defer timer.Stop()
	for k.full(size) {
		select {
		case <-k.room:
		case <-timer.C:
			return false
		}
	}
	return true
}

func (k *call) full(size int) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.size > 0 && k.size+size > k.session.client.opts.EventBuffer && !k.over
}

// cancelSlow cancels a call whose caller does not take its progressive results.
func (s *session) cancelSlow(id wamp.ID, k *call) {
	if s.forget(id) {
		s.sendCancel(id, wamp.KillNoWait)
		k.fail(&Error{URI: wamp.Canceled.Error(), cause: errProgressNotTaken})
	}
}

var errProgressNotTaken = errors.New("progressive results were not read in time")

// take returns the progressive results since the last time, and whether the call has ended.
func (k *call) take() (progressed []*Result, over bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	progressed, k.progressed, k.size = k.progressed, nil, 0
	wake(k.room)
	return progressed, k.over
}

// wait passes progressive results on until the call has ended or is canceled. The calling goroutine runs it.
func (k *call) wait(ctx context.Context, o *CallOptions) (*Result, error) {
	expired, restart, stop := k.startTimeout(o)
	defer stop()
	for {
		select {
		case <-k.changed:
		case <-expired:
			return k.timedOut(o.Timeout)
		case <-ctx.Done():
			return k.cancel(ctx, o)
		}
		progressed, over := k.take()
		for _, r := range progressed {
			if o.Progress != nil && ctx.Err() == nil {
				o.Progress(r)
			}
		}
		if over {
			return k.result, k.err
		}
		if len(progressed) > 0 {
			restart() // advanced/rpc_progressive_call_results.md: the timeout is between results
		}
	}
}

// startTimeout starts the client's own timer for the call, unless the call has no timeout or the router measures it.
func (k *call) startTimeout(o *CallOptions) (expired <-chan time.Time, restart, stop func()) {
	if o.Timeout <= 0 || k.session.welcome.Feature("dealer", "call_timeout") {
		return nil, func() {}, func() {}
	}
	t := time.NewTimer(o.Timeout)
	return t.C, func() { t.Reset(o.Timeout) }, func() { t.Stop() }
}

func (k *call) timedOut(after time.Duration) (*Result, error) {
	if !k.session.forget(k.id) {
		return k.awaitEnd(context.Background()) // the answer arrived at the same time
	}
	k.session.sendCancel(k.id, wamp.KillNoWait)
	return nil, &Error{URI: wamp.Timeout.Error(), cause: fmt.Errorf("no answer for %v", after)}
}

// cancel ends a call whose ctx is done.
func (k *call) cancel(ctx context.Context, o *CallOptions) (*Result, error) {
	mode := o.CancelMode
	var interrupt *Interrupt
	if errors.As(context.Cause(ctx), &interrupt) {
		mode = interrupt.Mode
	}
	if mode != wamp.Kill {
		if k.session.forget(k.id) {
			k.session.sendCancel(k.id, mode)
		}
		return nil, ctx.Err()
	}
	k.session.sendCancel(k.id, mode)
	waiting, stop := context.WithTimeout(context.WithoutCancel(ctx), k.session.client.opts.RequestTimeout)
	defer stop()
	result, err := k.awaitEnd(waiting)
	if err == nil {
		return result, nil
	}
	return nil, &canceledError{ctx.Err(), err}
}

// awaitEnd waits for the end of a call and discards its progressive results.
func (k *call) awaitEnd(ctx context.Context) (*Result, error) {
	for {
		select {
		case <-k.changed:
		case <-ctx.Done():
			k.session.forget(k.id)
			return nil, ctx.Err()
		}
		if _, over := k.take(); over {
			return k.result, k.err
		}
	}
}

// canceledError is the error of a canceled call that the callee has answered.
type canceledError struct{ ctx, answer error }

func (e *canceledError) Error() string   { return e.answer.Error() }
func (e *canceledError) Unwrap() []error { return []error{e.answer, e.ctx} }

// sendCancel asks the router to cancel a call. If sending fails, the session has ended, and so has the call.
func (s *session) sendCancel(id wamp.ID, mode wamp.CancelMode) {
	var b codec.Builder
	b.Reset(s.out.serializer, make([]byte, 0, 32))
	b.String("mode", mode.String())
	s.out.send(context.Background(), &outbound{
		Message: codec.Message{Type: wamp.Cancel, Request: id, Dict: b.Dict()},
	}, control)
}
