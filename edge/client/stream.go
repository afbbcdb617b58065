package client

import (
	"context"
	"slices"
	"sync"
	"time"

	"runnel/edge/codec"
	"runnel/edge/wamp"
)

// Calls whose arguments come in chunks (advanced/rpc_progressive_call_invocations.md): CallOptions.Input makes one,
// Invocation.Input takes it. The chunks of a call are CALL messages, and INVOCATION messages, with one id.

// stream sends the further chunks of a call as Input has them, until the last one, or until ctx is done.
func (k *call) stream(ctx context.Context, procedure string, o *CallOptions) error {
	for {
		p, more, err := o.Input(ctx)
		if err != nil {
			return err
		}
		m := outbound{Message: codec.Message{Type: wamp.Call, Request: k.id}, text: procedure, hasID: true}
		if m.Payload, err = p.encode(k.session.out.serializer); err != nil {
			return err
		}
		if more {
			var b codec.Builder
			b.Reset(k.session.out.serializer, make([]byte, 0, 16))
			b.Bool("progress", true)
			m.Dict = b.Dict()
		}
		if err := k.session.out.send(ctx, &m, immediate); err != nil || !more {
			return err
		}
	}
}

// withInput waits for the call while its chunks are sent. Where they fail to come, the call is canceled.
func (k *call) withInput(ctx context.Context, procedure string, o *CallOptions) (*Result, error) {
	streaming, stop := context.WithCancelCause(ctx)
	var work sync.WaitGroup
	var failed error
	work.Go(func() {
		if err := k.stream(streaming, procedure, o); err != nil && streaming.Err() == nil {
			failed = err
			stop(err)
		}
	})
	r, err := k.wait(streaming, o)
	stop(nil)
	work.Wait()
	if failed != nil && err != nil {
		return nil, failed
	}
	return r, err
}

var errNoStreams = &Error{
	URI:  wamp.FeatureNotSupported.Error(),
	Body: Body{Payload: mustPayload("the router does not know calls whose arguments come in chunks")},
}

func mustPayload(text string) codec.Payload {
	p, err := codec.NewPayload(wamp.CBOR, []any{text}, nil)
	if err != nil {
		panic(err) // it is a constant
	}
	return p
}

// chunks is what has come of an invocation's arguments and was not taken yet.
type chunks struct {
	arrived chan struct{} // room for one
	room    chan struct{} // room for one

	mu sync.Mutex
	// Guarded by mu.
	list []codec.Payload
	size int
	open bool // more are to come
}

// More reports whether the invocation's arguments come in chunks, of which its payload is the first.
func (inv *Invocation) More() bool { return inv.chunks != nil }

// Input waits for the next chunk of arguments, and reports whether it is not the last. After the last it must not be called
// again. It fails when ctx is done, or the invocation is over.
func (inv *Invocation) Input(ctx context.Context) (p codec.Payload, more bool, err error) {
	for c := inv.chunks; ; {
		c.mu.Lock()
		if len(c.list) > 0 {
			p, c.list = c.list[0], c.list[1:]
			c.size -= len(p.Raw) + eventCost
			more = c.open || len(c.list) > 0
			c.mu.Unlock()
			wake(c.room)
			return p, more, nil
		}
		c.mu.Unlock()
		select {
		case <-c.arrived:
		case <-ctx.Done():
			return p, false, context.Cause(ctx)
		case <-inv.ctx.Done():
			return p, false, context.Cause(inv.ctx)
		}
	}
}

// feed takes a further chunk. It runs in the read loop, and waits a bounded time for a handler that does not keep up.
func (inv *Invocation) addChunk(m *codec.Message) {
	c, size := inv.chunks, len(m.Payload.Raw)+eventCost
	if !inv.waitForRoom(size) {
		inv.finish(Payload{}, wamp.Unavailable)
		return
	}
	c.mu.Lock()
	c.list = append(c.list, m.Payload.Clone())
	c.size += size
	c.open = inProgress(m)
	c.mu.Unlock()
	wake(c.arrived)
}

func (inv *Invocation) waitForRoom(size int) bool {
	timer := time.NewTimer(inv.session.client.opts.HandlerWait)
	defer timer.Stop()
	for inv.full(size) {
		select {
		case <-inv.chunks.room:
		case <-inv.ctx.Done():
			return true // nobody wants it
		case <-timer.C:
			return false
		}
	}
	return true
}

func (inv *Invocation) full(size int) bool {
	c := inv.chunks
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.size > 0 && c.size+size > inv.session.client.opts.EventBuffer
}

// maxCutStreams is for how many invocations, answered before their last chunk, a session remembers that more may come.
const maxUnfinished = 64

// cut notes that an invocation is over before its last chunk. s.mu is held.
func (s *session) noteUnfinished(inv *Invocation) {
	c := inv.chunks
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.open {
		return
	}
	if len(s.unfinished) == maxUnfinished {
		s.unfinished = s.unfinished[1:]
	}
	s.unfinished = append(s.unfinished, inv.id)
}

// resume takes an INVOCATION that is not the first of its id: a further chunk, or one that comes too late.
func (s *session) continueStream(m *codec.Message) bool {
	s.mu.Lock()
	inv := s.invocations[m.Request]
	late := slices.Index(s.unfinished, m.Request)
	if late >= 0 && !inProgress(m) {
		s.unfinished = slices.Delete(s.unfinished, late, late+1)
	}
	s.mu.Unlock()
	if inv == nil || inv.chunks == nil || !inv.open() {
		return inv == nil && late >= 0
	}
	inv.addChunk(m)
	return true
}

func (inv *Invocation) open() bool {
	inv.chunks.mu.Lock()
	defer inv.chunks.mu.Unlock()
	return inv.chunks.open
}
