package edge

import (
	"bytes"

	"runnel/edge/codec"
	"runnel/edge/wamp"
)

// reroute holds the data that is needed to ask another callee when one answers wamp.error.unavailable
// (advanced/rpc_call_rerouting.md), or when a fallback answers that it cannot reach its router (wamp.KeyUnsent). It is kept for
// callees that announced call_reroute, and for fallback registrations with several callees. Guarded by pending.mu.
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

// reroutes reports whether a call is kept in case its callee cannot handle it.
func (reg *registration) reroutes(seat *calleeSeat) bool {
	return seat.session.features.has(calleeReroute) || seat.fallback && len(reg.callees) > 1
}

// mayReroute reports whether the callee's ERROR lets another callee be asked. A fallback's does only if the call was not
// sent anywhere: otherwise the procedure may have run already.
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

// rerouteCall passes c to the next callee of its registration, or answers the caller if there is none. Meanwhile c stays in the
// caller's map, so that a CANCEL finds it. The caller holds mu.
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
		p.fail(t, c, refusal{wamp.NetworkFailure, "no router that offers the procedure can be reached"})
	}
}

// reinvoke sends the INVOCATION of c to another callee. The caller holds mu.
func (p *pending) reinvoke(t *turn, c *call, reg *registration, seat *calleeSeat) bool {
	again, callee := c.reroute, seat.session
	if seat.gone || seat.busy() || callee.accepts(again.options, len(again.payload.Raw)) != nil {
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
	if p.invoke(t, c, seat, &invocation) != nil {
		return false
	}
	before.calls.Add(-1)
	if !callee.features.has(calleeReroute) && !seat.fallback {
		c.reroute = nil // its answer is final
	}
	return true
}
