package edge

import (
	"runnel/edge/wamp"
)

func (r *registration) details() map[string]any {
	return map[string]any{
		"id": r.id, "created": timestamp(r.created), "uri": r.uri, "match": r.match.String(), "invoke": r.invoke.String(),
	}
}

// announceRegister publishes the meta events of a new callee; created says that it is the registration's first.
func (r *realm) announceRegister(t *turn, s *session, reg *registration, created bool) {
	if created {
		r.announce(t, "wamp.registration.on_create", s.id, reg.details())
	}
	r.announce(t, "wamp.registration.on_register", s.id, reg.id)
}

// announceUnregister publishes the meta events of a callee that has left; deleted says that it was the last one.
func (r *realm) announceUnregister(t *turn, s *session, reg *registration, deleted bool) {
	r.announce(t, "wamp.registration.on_unregister", s.id, reg.id)
	if deleted {
		r.announce(t, "wamp.registration.on_delete", s.id, reg.id)
	}
}

func (c *metaCall) registrationList() ([]any, error) {
	wanted, err := c.overlaps()
	if err != nil {
		return nil, err
	}
	if wanted != nil {
		return overlapping(wanted, func(r *registration) wamp.Pattern { return wamp.Pattern{URI: r.uri, Match: r.match} },
			c.registrationDetails, c.realm.procedures.Load(), c.realm.fallbacks.Load())
	}
	return []any{lists(func(r *registration) (wamp.Match, wamp.ID) { return r.match, r.id }, c.realm.procedures.Load(), c.realm.fallbacks.Load())}, nil
}

func (c *metaCall) registrationLookup() ([]any, error) {
	procedure, err := c.text(0)
	if err != nil {
		return nil, err
	}
	match, err := c.match(1)
	if err != nil {
		return nil, err
	}
	if reg, ok := c.realm.registered(match, procedure); ok {
		return []any{reg.id}, nil
	}
	return []any{nil}, nil
}

func (c *metaCall) registrationMatch() ([]any, error) {
	procedure, err := c.text(0)
	if err != nil {
		return nil, err
	}
	if reg, ok := c.realm.procedure([]byte(procedure)); ok {
		return []any{reg.id}, nil
	}
	return []any{nil}, nil
}

// registration returns the registration whose id is the call's first argument.
func (c *metaCall) registration() (*registration, error) {
	id, err := c.id(0)
	if err != nil {
		return nil, err
	}
	var found *registration
	for _, table := range []*procedures{c.realm.procedures.Load(), c.realm.fallbacks.Load()} {
		table.All(func(r *registration) bool {
			if r.id == id {
				found = r
			}
			return found == nil
		})
	}
	if found == nil {
		return nil, wamp.NoSuchRegistration
	}
	return found, nil
}

func (c *metaCall) registrationGet() ([]any, error) {
	reg, err := c.registration()
	if err != nil {
		return nil, err
	}
	return []any{reg.details()}, nil
}

func (c *metaCall) registrationListCallees() ([]any, error) {
	reg, err := c.registration()
	if err != nil {
		return nil, err
	}
	list := []any{}
	for _, seat := range reg.callees {
		list = append(list, seat.session.id)
	}
	return []any{list}, nil
}

func (c *metaCall) registrationCountCallees() ([]any, error) {
	reg, err := c.registration()
	if err != nil {
		return nil, err
	}
	return []any{len(reg.callees)}, nil
}
