package auth

// WithForward returns a copy of the role whose sessions belong to other routers: they may set the origin of their
// publications and calls. Package edge enforces it.
func (r *Role) WithForward() *Role {
	next := *r
	next.forward = true
	return &next
}

// Forwards reports whether the role's sessions may forward the events and calls of other peers.
func (r *Role) Forwards() bool { return r.forward }
