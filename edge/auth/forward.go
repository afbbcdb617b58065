package auth

// WithForward returns a copy of the role whose sessions may say where what they publish and call has come from: they are
// links of other routers. Package edge heeds it.
func (r *Role) WithForward() *Role {
	next := *r
	next.forward = true
	return &next
}

// Forwards reports whether the role's sessions may pass on what others have published and called.
func (r *Role) Forwards() bool { return r.forward }
