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

// procedures is the table of registrations by procedure and pattern.
type procedures = patterns.Table[*registration]

// registration is a registered procedure or pattern with its callees. It is immutable, except for turn: each REGISTER
// and UNREGISTER makes a new version with the same id.
type registration struct {
	id      wamp.ID
	uri     string
	match   wamp.Match
	invoke  wamp.Invoke
	created time.Time
	callees []*calleeSeat  // in order of registration; never empty
	turn    *atomic.Uint64 // for roundrobin; shared by all versions
	sharded *atomic.Bool   // a callee has named its node, or a call a resource key; shared by all versions
}

// calleeSeat is one session's place in a registration.
type calleeSeat struct {
	// Static after construction.
	session        *session
	registration   wamp.ID
	uri            string
	match          wamp.Match
	node           string                 // see shard.go
	far            atomic.Pointer[string] // the nodes at other routers that the session reaches; nil: none are known
	role           *auth.Role             // the session's role when it registered
	granted        bool                   // by the role's authorizer
	forwardTimeout bool                   // the callee enforces CALL.Options.timeout itself
	discloseCaller bool                   // the caller is disclosed to the callee
	concurrency    int                    // limit of concurrent calls; 0: none
	fallback       bool                   // see fallback.go

	gone  bool         // gets no more INVOCATIONs. Guarded by realm.pending.mu.
	calls atomic.Int32 // running calls; changed under realm.pending.mu
}

// busy reports whether the callee has reached its limit of concurrent calls.
func (s *calleeSeat) busy() bool { return s.concurrency > 0 && int(s.calls.Load()) >= s.concurrency }

// choose returns the callee for a call (advanced/rpc_shared_registration.md).
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

// firstFree returns the first callee, from start on, that is not busy. If all are, it returns the one at start.
func (r *registration) firstFree(start int) *calleeSeat {
	for i := range r.callees {
		if seat := r.callees[(start+i)%len(r.callees)]; !seat.busy() {
			return seat
		}
	}
	return r.callees[start]
}

// chooseAfter returns the callee to try next, after those in tried could not handle a call. It returns nil if all were
// tried (advanced/rpc_call_rerouting.md, "Rerouting Rules").
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

// without returns the registration without a callee.
func (r *registration) without(seat *calleeSeat) *registration {
	next := *r
	next.callees = slices.DeleteFunc(slices.Clone(r.callees), func(c *calleeSeat) bool { return c == seat })
	return &next
}
