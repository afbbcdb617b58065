package config

import (
	"slices"
	"strings"

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
			k.pattern(d.Place, "uri", d.URI, wamp.Match(d.Match))
			k.prefix(d.Place, "uri", d.URI, wamp.Match(d.Match))
		}
		for _, h := range r.Histories {
			k.pattern(h.Place, "uri", h.URI, wamp.Match(h.Match))
			k.prefix(h.Place, "uri", h.URI, wamp.Match(h.Match))
		}
	}
	for _, u := range k.c.Uplinks {
		for _, s := range slices.Concat(u.Exports, u.Imports) {
			if s.Topic != nil {
				k.pattern(s.Place, "topic", *s.Topic, wamp.Match(s.Match))
				k.prefix(s.Place, "topic", *s.Topic, wamp.Match(s.Match))
			}
			if s.Procedure != nil {
				k.pattern(s.Place, "procedure", *s.Procedure, wamp.Match(s.Match))
				k.prefix(s.Place, "procedure", *s.Procedure, wamp.Match(s.Match))
			}
		}
	}
}

// pattern warns about a URI with wildcard characters, which would be matched literally.
func (k checker) pattern(at Place, key, uri string, match wamp.Match) {
	if !wamp.ValidURI(uri, match, false) {
		return // uri has reported it
	}
	if meant, how := meantPattern(uri); how != "" {
		k.c.Warn(at, key, "%q is matched character by character and most likely matches nothing; write %s = %q with match = %q", uri, key, meant, how)
		return
	}
}

// prefix warns about a prefix that ends within a component.
func (k checker) prefix(at Place, key, uri string, match wamp.Match) {
	if _, how := meantPattern(uri); match == wamp.Prefix && uri != "" && how == "" && !strings.HasSuffix(uri, ".") {
		k.c.Warn(at, key, "the prefix %q also matches URIs like %q; write %q to match only what is below it", uri, uri+"2", uri+".")
	}
}

// meantPattern translates a pattern in the notation of Crossbar, Autobahn or MQTT. It returns the URI and the matching policy;
// how is "" if the URI is not such a pattern.
func meantPattern(uri string) (meant, how string) {
	separator := "."
	if strings.Contains(uri, "/") && !strings.Contains(uri, ".") {
		separator = "/"
	}
	components := strings.Split(uri, separator)
	last := len(components) - 1
	wild := slices.IndexFunc(components, isWild)
	switch {
	case wild < 0 && strings.HasSuffix(components[last], "*"):
		return strings.TrimRight(strings.Join(components, "."), "*"), "prefix"
	case wild < 0:
		return "", ""
	case wild == last && components[last] != "+" && !strings.HasPrefix(components[last], "<"):
		components[last] = ""
		return strings.Join(components, "."), "prefix"
	}
	for i := range components {
		if isWild(components[i]) {
			components[i] = ""
		}
	}
	return strings.Join(components, "."), "wildcard"
}

// isWild reports whether a component is a wildcard in one of these notations.
func isWild(component string) bool {
	return slices.Contains([]string{"*", "**", "#", "+", ">"}, component) || strings.HasPrefix(component, "<") && strings.HasSuffix(component, ">")
}

// realmHints warns about a realm that no client can join.
func (k checker) realmHints(r *Realm) {
	led := func(l Listen) bool { return l.Realm == "" || l.Realm == r.Name }
	serial := slices.ContainsFunc(k.c.Serials, func(s Serial) bool { return s.Realm == r.Name })
	switch {
	case serial:
	case len(k.c.Listens) > 0 && !slices.ContainsFunc(k.c.Listens, led):
		k.c.Warn(r.Place, "name", "no listener and no serial line leads to the realm %q; add one, or remove realm from a listener", r.Name)
	case r.Anonymous == "" && len(r.Principals)+len(r.Authenticators) == 0 && !slices.ContainsFunc(k.c.Listens, func(l Listen) bool {
		return led(l) && r.unproved(&l) != nil
	}):
		k.c.Warn(r.Place, "name", "no client can join the realm %q; write anonymous = \"ROLE\", or add a [[realm.principal]] for each client", r.Name)
	}
}

func (k checker) roleHints(r *Realm, role *Role) {
	allows := slices.ContainsFunc(role.Permissions, func(p Permission) bool { return len(p.Allow) > 0 })
	if !allows && role.Authorizer == "" && role.Name != "" {
		k.c.Warn(role.Place, "name", "the role %q allows nothing; add [[realm.role.permission]] with allow", role.Name)
	}
	// With a conf.d, roles wait for the principals and lines of files to come.
	waiting := k.c.dropInDir
	// Links get their role by a token of the fleet, so roles with forward need no principal.
	if !waiting && len(r.Authenticators) == 0 && role.Name != "" && !role.Forward && !k.isGiven(r, role.Name) {
		k.c.Warn(role.Place, "name", "no session can have the role %q; give it to a principal, a listener or a serial line, or to anonymous sessions", role.Name)
	}
	compiled := role.Compile()
	for _, p := range role.Permissions {
		k.pattern(p.Place, "uri", p.URI, wamp.Match(p.Match))
		if len(p.Allow) > 0 { // a prefix that denies may end within a component on purpose
			k.prefix(p.Place, "uri", p.URI, wamp.Match(p.Match))
		}
		decides, ok, _ := compiled.ExplainPattern(p.URI, wamp.Match(p.Match))
		if ok && (decides.URI != p.URI || decides.Match != wamp.Match(p.Match)) {
			k.c.Warn(p.Place, "uri", "this permission never decides: the one for %s %q is more specific and matches all of its URIs", decides.Match, decides.URI)
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
