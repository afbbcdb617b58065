package client

import (
	"context"
	"slices"
	"sync"
	"time"

	"runnel/edge/codec"
	"runnel/edge/wamp"
)

// Calls with chunked arguments (advanced/rpc_progressive_call_invocations.md). CallOptions.Input sends the chunks,
// Invocation.Input receives them. All chunks of a call are CALL messages, and INVOCATION messages, with the same id.

// stream sends the chunks that o.Input returns, until the last one or until ctx is done.
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

// withInput sends the chunks and waits for the result. If o.Input fails, the call is canceled.
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
	Body: Body{Payload: mustPayload("the router does not support calls with chunked arguments")},
}

func mustPayload(text string) codec.Payload {
	p, err := codec.NewPayload(wamp.CBOR, []any{text}, nil)
	if err != nil {
		panic(err) // the argument is a constant
	}
	return p
}

// chunks holds the chunks of an invocation's arguments that the handler has not taken yet.
type chunks struct {
	arrived chan struct{} // room for one
	room    chan struct{} // room for one

	mu sync.Mutex
	// Guarded by mu.
	list []codec.Payload
	size int
	open bool // more chunks will arrive
}

// More reports whether the arguments are chunked. Then the invocation's payload is the first chunk.
func (inv *Invocation) More() bool { return inv.chunks != nil }

// Input waits for the next chunk of arguments. more is false for the last one; Input must not be called after it. Input
// fails when ctx is done or the invocation has ended.
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

// addChunk takes a further chunk. The read loop calls it; it waits up to HandlerWait for a slow handler.
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
			return true // the invocation has ended, and nothing reads the chunk
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

// maxUnfinished bounds session.unfinished.
const maxUnfinished = 64

// noteUnfinished records that further chunks may arrive for an invocation that has ended. The caller holds s.mu.
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

// continueStream handles an INVOCATION with a known id: a further chunk, or a late one. It returns false for a new id.
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
