package config

import (
	"slices"

	"runnel/edge/wamp"
)

// Hints are warnings about valid settings that are most likely mistakes: patterns in the notation of other routers and
// brokers, permissions that never decide, and roles and realms that no session can reach.

func (k checker) hints() {
	for i := range k.c.Realms {
		r := &k.c.Realms[i]
		k.realmHints(r)
		for j := range r.Roles {
			k.roleHints(r, &r.Roles[j])
		}
		for _, d := range r.Durables {
			k.Pattern(d.Place, "uri", d.URI, wamp.Match(d.Match))
			k.Prefix(d.Place, "uri", d.URI, wamp.Match(d.Match))
		}
		for _, h := range r.Histories {
			k.Pattern(h.Place, "uri", h.URI, wamp.Match(h.Match))
			k.Prefix(h.Place, "uri", h.URI, wamp.Match(h.Match))
		}
	}
	for _, u := range k.c.Uplinks {
		for _, s := range slices.Concat(u.Exports, u.Imports) {
			if s.Topic != nil {
				k.Pattern(s.Place, "topic", *s.Topic, wamp.Match(s.Match))
				k.Prefix(s.Place, "topic", *s.Topic, wamp.Match(s.Match))
			}
			if s.Procedure != nil {
				k.Pattern(s.Place, "procedure", *s.Procedure, wamp.Match(s.Match))
				k.Prefix(s.Place, "procedure", *s.Procedure, wamp.Match(s.Match))
			}
		}
	}
}

// realmHints warns about a realm that no client can join.
func (k checker) realmHints(r *Realm) {
	led := func(l Listen) bool { return l.Realm == "" || l.Realm == r.Name }
	serial := slices.ContainsFunc(k.c.Serials, func(s Serial) bool { return s.Realm == r.Name })
	switch {
	case serial:
	case len(k.c.Listens) > 0 && !slices.ContainsFunc(k.c.Listens, led):
		k.Warn(r.Place, "name", "no listener and no serial line leads to the realm %q; add one, or remove realm from a listener", r.Name)
	case r.Anonymous == "" && len(r.Principals)+len(r.Authenticators) == 0 && !slices.ContainsFunc(k.c.Listens, func(l Listen) bool {
		return led(l) && r.unproved(&l) != nil
	}):
		k.Warn(r.Place, "name", "no client can join the realm %q; write anonymous = \"ROLE\", or add a [[realm.principal]] for each client", r.Name)
	}
}

func (k checker) roleHints(r *Realm, role *Role) {
	allows := slices.ContainsFunc(role.Permissions, func(p Permission) bool { return len(p.Allow) > 0 })
	if !allows && role.Authorizer == "" && role.Name != "" {
		k.Warn(role.Place, "name", "the role %q allows nothing; add [[realm.role.permission]] with allow", role.Name)
	}
	// With a conf.d, later files may add principals and lines for a role.
	waiting := k.c.dropInDir
	// Links get their role from a fleet token, so roles with forward need no principal.
	if !waiting && len(r.Authenticators) == 0 && role.Name != "" && !role.Forward && !k.isGiven(r, role.Name) {
		k.Warn(role.Place, "name", "no session can have the role %q; give it to a principal, a listener or a serial line, or to anonymous sessions", role.Name)
	}
	compiled := role.Compile()
	for _, p := range role.Permissions {
		k.Pattern(p.Place, "uri", p.URI, wamp.Match(p.Match))
		if len(p.Allow) > 0 { // a prefix that denies may end within a component on purpose
			k.Prefix(p.Place, "uri", p.URI, wamp.Match(p.Match))
		}
		decides, ok, _ := compiled.ExplainPattern(p.URI, wamp.Match(p.Match))
		if ok && (decides.URI != p.URI || decides.Match != wamp.Match(p.Match)) {
			k.Warn(p.Place, "uri", "this permission never decides: the one for %s %q is more specific and matches all of its URIs", decides.Match, decides.URI)
		}
	}
}

// isGiven reports whether a session can have the role.
func (k checker) isGiven(r *Realm, name string) bool {
	return r.Anonymous == name ||
		slices.ContainsFunc(r.Principals, func(p Principal) bool { return p.Role == name }) ||
		slices.ContainsFunc(k.c.Listens, func(l Listen) bool {
			return (l.Realm == "" || l.Realm == r.Name) && (l.Role == name || l.Anonymous == name)
		}) ||
		slices.ContainsFunc(k.c.Serials, func(s Serial) bool { return s.Realm == r.Name && s.Role == name })
}
