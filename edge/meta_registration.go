package edge

import (
	"runnel/edge/wamp"
)

func (r *registration) pattern() wamp.Pattern { return wamp.Pattern{URI: r.uri, Match: r.match} }

func (r *registration) identity() wamp.ID { return r.id }

func (r *registration) count() int { return len(r.callees) }

func (r *registration) members() []any {
	list := []any{}
	for _, seat := range r.callees {
		list = append(list, seat.session.id)
	}
	return list
}

func (r *registration) details() map[string]any {
	return map[string]any{
		"id": r.id, "created": timestamp(r.created), "uri": r.uri, "match": r.match.String(), "invoke": r.invoke.String(),
	}
}

// announceRegister publishes the meta events of a new callee; created says that it is the registration's first.
func (r *realm) announceRegister(t *turn, s *session, reg *registration, created bool) {
	if created && r.watched("wamp.registration.on_create") {
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
	return listing(c, (*registration).details, &c.realm.procedures, &c.realm.fallbacks)
}

func (c *metaCall) registrationLookup() ([]any, error) {
	p, err := c.pattern()
	if err != nil {
		return nil, err
	}
	if reg, ok := c.realm.registered(p.Match, p.URI); ok {
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
	return byID(c, wamp.NoSuchRegistration, &c.realm.procedures, &c.realm.fallbacks)
}
