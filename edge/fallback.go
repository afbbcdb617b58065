package edge

import "runnel/edge/wamp"

// Local first: procedures that an internal session offers on behalf of another router (wamp.KeyFallback) have their own table.
// A call uses this table only if none of the realm's own registrations matches. So a local callee always wins, whatever the
// patterns, and neither keeps the other from registering. The registration meta API shows both tables as one.

// table returns the table of a seat's registration.
func (r *realm) table(seat *calleeSeat) *procedures {
	if seat.fallback {
		return &r.fallbacks
	}
	return &r.procedures
}

// procedure returns the registration that answers a call of uri.
func (r *realm) procedure(uri []byte) (*registration, bool) {
	if reg, ok := r.procedures.Best(uri); ok && reg.answersFor(uri) {
		return reg, true
	}
	return r.fallbacks.Best(uri)
}

// registered returns the registration of exactly this URI or pattern.
func (r *realm) registered(match wamp.Match, uri string) (*registration, bool) {
	if reg, ok := r.procedures.Get(match, uri); ok {
		return reg, true
	}
	return r.fallbacks.Get(match, uri)
}
