package auth

import "runnel/edge/wamp"

// WithAuthorizer returns a copy of the role that leaves what no permission decides to a procedure. Package edge asks it;
// a Role itself still denies.
func (r *Role) WithAuthorizer(procedure string) *Role {
	next := *r
	next.authorizer = procedure
	return &next
}

// Authorizer returns the procedure that decides where no permission does; "" if there is none.
func (r *Role) Authorizer() string { return r.authorizer }

// Covers reports whether one permission, whatever it says, matches every URI of the pattern: then what Decide and
// DecidePattern say is not for an authorizer to change.
func (r *Role) Covers(pattern string, match wamp.Match) bool {
	if match == wamp.Exact {
		_, ok := r.Explain(pattern)
		return ok
	}
	for _, p := range r.patterns {
		if covers(p, pattern, match) {
			return true
		}
	}
	return false
}

// Forbids reports whether the permission that decides about one URI leaves the action out. Where none decides it is
// false. It does not allocate.
func (r *Role) Forbids(a Action, uri []byte) bool {
	if p, ok := r.exact[string(uri)]; ok {
		return p.Allow&a == 0
	}
	p := r.pattern(uri)
	return p != nil && p.Allow&a == 0
}
