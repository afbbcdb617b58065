package edge

import (
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"runnel/edge/auth"
	"runnel/edge/patterns"
	"runnel/edge/wamp"
)

// procedures is the immutable table of registrations by procedure and pattern.
type procedures = patterns.Table[*registration]

// registration is a procedure or pattern that callees offer. It is immutable but for turn: each REGISTER and UNREGISTER
// makes a new one under the same id.
type registration struct {
	id      wamp.ID
	uri     string
	match   wamp.Match
	invoke  wamp.Invoke
	created time.Time
	callees []*calleeSeat  // in order of registration; never empty
	turn    *atomic.Uint64 // of roundrobin; shared by all versions
}

// calleeSeat is one session's place in a registration.
type calleeSeat struct {
	// Static after construction.
	session        *session
	registration   wamp.ID
	uri            string
	match          wamp.Match
	node           string     // see shard.go
	role           *auth.Role // by which the session registered
	granted        bool       // by the role's authorizer
	forwardTimeout bool       // the callee minds CALL.Options.timeout itself
	discloseCaller bool       // the callee is told who calls
	concurrency    int        // how many calls it takes at a time; 0: any number
	fallback       bool       // see fallback.go

	gone  bool         // no INVOCATION any more. Guarded by realm.pending.mu.
	calls atomic.Int32 // under way; changed under realm.pending.mu
}

// busy reports whether the callee has as many calls as it takes at a time.
func (s *calleeSeat) busy() bool { return s.concurrency > 0 && int(s.calls.Load()) >= s.concurrency }

// choose picks the callee for a call (advanced/rpc_shared_registration.md).
func (r *registration) choose(o callOptions) *calleeSeat {
	n := len(r.callees)
	switch {
	case o.resource != "":
		return r.chooseFor(o.resource)
	case n == 1 || r.invoke == wamp.First:
		return r.callees[0]
	case r.invoke == wamp.Last:
		return r.callees[n-1]
	case r.invoke == wamp.Random:
		return r.firstFree(rand.IntN(n))
	}
	return r.firstFree(int((r.turn.Add(1) - 1) % uint64(n)))
}

// firstFree returns the first callee from the one at start that is not busy; if all are, that one.
func (r *registration) firstFree(start int) *calleeSeat {
	for i := range r.callees {
		if seat := r.callees[(start+i)%len(r.callees)]; !seat.busy() {
			return seat
		}
	}
	return r.callees[start]
}

// chooseAfter picks the callee to ask when those in tried, the last of them just now, can't attend to a call; nil if
// there is none left (advanced/rpc_call_rerouting.md, "Rerouting Rules").
func (r *registration) chooseAfter(tried []*calleeSeat) *calleeSeat {
	n := len(r.callees)
	start, step := slices.Index(r.callees, tried[len(tried)-1]), 1
	switch r.invoke {
	case wamp.Last:
		step = n - 1 // backwards
	case wamp.Random:
		start = rand.IntN(n)
	}
	for range n {
		start = (start + step) % n
		if seat := r.callees[max(start, 0)]; !slices.Contains(tried, seat) {
			return seat
		}
	}
	return nil
}

// with returns the registration with one more callee.
func (r *registration) with(seat *calleeSeat) *registration {
	next := *r
	next.callees = append(slices.Clone(r.callees), seat)
	return &next
}

// without returns the registration with one callee less.
func (r *registration) without(seat *calleeSeat) *registration {
	next := *r
	next.callees = slices.DeleteFunc(slices.Clone(r.callees), func(c *calleeSeat) bool { return c == seat })
	return &next
}
