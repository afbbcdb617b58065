package edge

import (
	"sync/atomic"

	"runnel/edge/wamp"
)

// Local first: what an uplink offers here in the name of another router stands in a table of its own, which a call comes
// to only where the realm's own callees offer nothing that matches. So a local callee always wins, whatever the patterns,
// and neither keeps the other from registering. REGISTER.Options._away says so; it is heeded for internal sessions
// only. To the registration meta API both tables are one.

// table returns the table that a seat's registration stands in.
func (r *realm) table(seat *calleeSeat) *atomic.Pointer[procedures] {
	if seat.away {
		return &r.away
	}
	return &r.procedures
}

// procedure returns the registration that a call of uri goes to.
func (r *realm) procedure(uri []byte) (*registration, bool) {
	if reg, ok := r.procedures.Load().Best(uri); ok && reg.answersFor(uri) {
		return reg, true
	}
	return r.away.Load().Best(uri)
}

// registered returns the registration that stands under exactly this URI or pattern.
func (r *realm) registered(match wamp.Match, uri string) (*registration, bool) {
	if reg, ok := r.procedures.Load().Get(match, uri); ok {
		return reg, true
	}
	return r.away.Load().Get(match, uri)
}
