package edge

import (
	"bytes"

	"runnel/edge/codec"
	"runnel/edge/wamp"
)

// reroute is what it takes to ask another callee when one answers wamp.error.unavailable (advanced/rpc_call_rerouting.md),
// or when a link answers that it is down. It is kept for callees that announced call_reroute, and for links that are not
// the only one to offer the procedure. Guarded by pending.mu.
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

// reroutes reports whether a call is kept for the case that its callee can't attend to it.
func (reg *registration) reroutes(seat *calleeSeat) bool {
	return seat.session.features.has(calleeReroute) || seat.fallback && len(reg.callees) > 1
}

// mayReroute reports whether its callee's ERROR hands the call to another. Of a link it does if the call has not gone
// anywhere: what a session at the centre took with it may have been done.
func (c *call) mayReroute(m *codec.Message) bool {
	switch {
	case c.reroute == nil || c.killed:
		return false
	case c.callee.features.has(calleeReroute):
		return string(m.Text) == string(wamp.Unavailable)
	}
	return string(m.Text) == string(wamp.NetworkFailure) && isUnsent(m.Dict)
}

func isUnsent(details codec.Dict) bool {
	if details.Empty() {
		return false
	}
	for f := details.Fields(); nextOption(&f); {
		if string(f.Key()) == wamp.KeyUnsent {
			unsent, _ := f.Value().Bool()
			return unsent
		}
	}
	return false
}

// rerouteCall hands c to the next callee of its registration, or tells the caller that there is none. c stays in the
// caller's map all the while, so that a CANCEL finds it. Holds mu.
func (p *pending) rerouteCall(t *turn, c *call) {
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
		if p.reinvoke(t, c, reg, seat) {
			return
		}
	}
	p.remove(c)
	if c.callee.features.has(calleeReroute) {
		p.fail(t, c, wamp.NoAvailableCallee)
	} else {
		p.fail(t, c, refusal{wamp.NetworkFailure, "all links that lead to the procedure are down"})
	}
}

// reinvoke gives c to another callee. Holds mu.
func (p *pending) reinvoke(t *turn, c *call, reg *registration, seat *calleeSeat) bool {
	again, callee := c.reroute, seat.session
	if seat.gone || seat.busy() || callee.accepts(again.options) != nil {
		return false
	}
	payload, err := t.translate(again.payload, callee.serializer)
	if err != nil {
		return false
	}
	invocation := codec.Message{Type: wamp.Invocation, ID: reg.id, Payload: payload}
	invocation.Dict = t.invocationDetails(c.caller, again.procedure, again.dict, seat, again.options)
	delete(c.callee.invocations, c.invocation)
	before := c.seat
	if p.place(t, c, seat, &invocation) != nil {
		return false
	}
	before.calls.Add(-1)
	if !callee.features.has(calleeReroute) && !seat.fallback {
		c.reroute = nil // its answer stands
	}
	return true
}
