package auth

// WithDurable returns a copy of the role whose sessions may create durable subscriptions. Package edge enforces it.
func (r *Role) WithDurable() *Role {
	next := *r
	next.durable = true
	return &next
}

// Durable reports whether the role's sessions may create durable subscriptions.
func (r *Role) Durable() bool { return r.durable }
