package auth

import "runnel/edge/wamp"

// WithAuthorizer returns a copy of the role with an authorizer: a procedure that decides where no permission does.
// Package edge calls it. The Role itself denies in these cases.
func (r *Role) WithAuthorizer(procedure string) *Role {
	next := *r
	next.authorizer = procedure
	return &next
}

// Authorizer returns the procedure that decides where no permission does; "" if there is none.
func (r *Role) Authorizer() string { return r.authorizer }

// Covers reports whether a single permission matches every URI of the pattern, whatever it allows. Then the results of
// Decide and DecidePattern are final, and the authorizer is not asked.
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

// Forbids reports whether the permission that decides about a URI does not allow the action. Without such a permission
// it returns false. It does not allocate.
func (r *Role) Forbids(a Action, uri []byte) bool {
	if p, ok := r.exact[string(uri)]; ok {
		return p.Allow&a == 0
	}
	p := r.pattern(uri)
	return p != nil && p.Allow&a == 0
}
