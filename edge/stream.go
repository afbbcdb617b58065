package edge

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"runnel/edge/codec"
	"runnel/edge/wamp"
)

// stream holds the first CALL of a call with chunked arguments. All its options but progress also apply to the further
// chunks (advanced/rpc_progressive_call_invocations.md). Guarded by pending.mu.
type stream struct {
	open      bool // more chunks will follow
	procedure []byte
	dict      codec.Dict
	options   callOptions
	seat      *calleeSeat
}

func newStream(m *codec.Message, seat *calleeSeat, o callOptions) *stream {
	return &stream{open: true, procedure: bytes.Clone(m.Text), dict: m.Dict.Clone(), options: o, seat: seat}
}

// maxUnfinished bounds session.unfinished.
const maxUnfinished = 64

// noteUnfinished remembers a call that ended before its last chunk. The peer cannot know that yet, and may send more. The caller
// holds pending.mu.
func (s *session) noteUnfinished(request wamp.ID) {
	if len(s.unfinished) == maxUnfinished {
		s.unfinished = s.unfinished[1:]
	}
	s.unfinished = append(s.unfinished, request)
}

// mayContinue reports whether another CALL with the id of an earlier one is valid.
func (s *session) mayContinue(request wamp.ID) bool {
	s.realm.pending.mu.Lock()
	defer s.realm.pending.mu.Unlock()
	c := s.calls[request]
	return c != nil && c.stream != nil || slices.Contains(s.unfinished, request)
}

// continueStream handles a CALL with a known id. A further chunk goes to the same callee with the same
// INVOCATION.Request. A chunk of a call that has ended is dropped. It returns false if m is a new call.
func (s *session) continueStream(t *turn, m *codec.Message, o callOptions) (bool, error) {
	if o.progress && !s.features.has(callerProgressiveInvocations) {
		return false, violation("progressive CALL, which the caller did not announce")
	}
	p := &s.realm.pending
	p.mu.Lock()
	defer p.mu.Unlock()
	c := s.calls[m.Request]
	switch {
	case c == nil:
		return s.dropLateChunk(m.Request, o.progress), nil
	case c.stream == nil || !c.stream.open:
		return false, violation(fmt.Sprintf("CALL.Request %d is already in progress", m.Request))
	case !bytes.Equal(c.stream.procedure, m.Text):
		return false, violation(fmt.Sprintf("CALL.Request %d is one of %s, not of %s", m.Request, c.stream.procedure, m.Text))
	}
	return true, p.forward(t, c, m.Payload, o.progress)
}

// dropLateChunk reports whether a CALL is a chunk of a call that has ended. With the last chunk it forgets that call.
// The caller holds pending.mu.
func (s *session) dropLateChunk(request wamp.ID, more bool) bool {
	i := slices.Index(s.unfinished, request)
	if i >= 0 && !more {
		s.unfinished = slices.Delete(s.unfinished, i, i+1)
	}
	return i >= 0
}

// forward sends a further chunk to the callee. A call whose callee cannot get it ends, because the arguments would have a gap. The
// caller holds mu.
func (p *pending) forward(t *turn, c *call, payload codec.Payload, more bool) error {
	c.stream.open = more
	err := p.sendChunk(t, c, payload, more)
	if failure := wamp.Failure(""); errors.As(err, &failure) {
		p.stop(t, c, err)
		return nil
	}
	return err
}

// sendChunk sends a further chunk to the callee, if it keeps up. The caller holds mu.
func (p *pending) sendChunk(t *turn, c *call, payload codec.Payload, more bool) error {
	st := c.stream
	if c.callee.out.congested(len(payload.Raw)) {
		return refusal{wamp.Unavailable, "the callee does not keep up with the parts of the arguments"}
	}
	payload, err := t.translate(payload, c.callee.serializer)
	if err != nil {
		return err
	}
	options := st.options
	options.progress = more
	chunk := codec.Message{Type: wamp.Invocation, Request: c.invocation, ID: st.seat.registration, Payload: payload}
	chunk.Dict = t.invocationDetails(c.caller, st.procedure, st.dict, st.seat, options)
	return t.send(c.callee, &chunk)
}
