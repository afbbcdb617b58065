package edge

import (
	"bytes"

	"runnel/edge/codec"
	"runnel/edge/wamp"
)

// reroute is what it takes to ask another callee when one answers wamp.error.unavailable (advanced/rpc_call_rerouting.md).
// It is kept for callees that announced call_reroute. Guarded by pending.mu.
type reroute struct {
	procedure []byte
	dict      codec.Dict
	options   callOptions
	payload   codec.Payload
	tried     []*calleeSeat
}

func newReroute(m *codec.Message, seat *calleeSeat, o callOptions) *reroute {
	return &reroute{bytes.Clone(m.Text), m.Dict.Clone(), o, m.Payload.Clone(), []*calleeSeat{seat}}
}

// callAnother hands c to the next callee of its registration, or tells the caller that there is none. c stays in the
// caller's map all the while, so that a CANCEL finds it. Holds mu.
func (p *pending) callAnother(t *turn, c *call) {
	again := c.reroute
	for {
		reg, ok := c.caller.realm.procedure(again.procedure)
		if !ok {
			break
		}
		seat := reg.chooseAfter(again.tried)
		if seat == nil {
			break
		}
		again.tried = append(again.tried, seat)
		if p.hand(t, c, reg, seat) {
			return
		}
	}
	p.remove(c)
	p.fail(t, c, wamp.NoAvailableCallee)
}

// hand gives c to another callee. Holds mu.
func (p *pending) hand(t *turn, c *call, reg *registration, seat *calleeSeat) bool {
	again, callee := c.reroute, seat.session
	if seat.gone || callee.takes(again.options) != nil {
		return false
	}
	payload, err := t.translate(again.payload, callee.serializer)
	if err != nil {
		return false
	}
	invocation := codec.Message{Type: wamp.Invocation, ID: reg.id, Payload: payload}
	invocation.Dict = t.invocationDetails(c.caller, again.procedure, again.dict, seat, again.options)
	delete(c.callee.invocations, c.invocation)
	if p.place(t, c, callee, &invocation) != nil {
		return false
	}
	if !callee.features.has(calleeReroute) {
		c.reroute = nil // its answer stands
	}
	return true
}
