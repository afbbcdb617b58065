package config

import (
	"slices"

	"runnel/edge/wamp"
)

// Realms of the same name in several files form one realm with all roles, principals, permissions and histories. Each
// device or gateway can therefore have its own file in conf.d, with its principal. Two files may define the same item
// if the definitions are equal; otherwise the error names both. Within one file every name is unique.

// merge merges the realms of the same name.
func (k checker) merge() {
	var merged []Realm
	seen := map[[2]string]bool{} // name and file
	for _, r := range k.c.Realms {
		id := [2]string{r.Name, r.Place.File}
		i := slices.IndexFunc(merged, func(m Realm) bool { return m.Name == r.Name && r.Name != "" })
		if i < 0 || seen[id] { // duplicates reports a second one in the same file
			merged = append(merged, r)
		} else {
			k.mergeRealm(&merged[i], r)
		}
		seen[id] = true
	}
	k.c.Realms = merged
}

func (k checker) mergeRealm(into *Realm, from Realm) {
	what := `the realm "` + from.Name + `"`
	adopt(k, what, &into.Place, "anonymous", &into.Anonymous, from.Place, from.Anonymous)
	adopt(k, what, &into.Place, "strict", &into.Strict, from.Place, from.Strict)
	adopt(k, what, &into.Place, "durable_size", &into.DurableSize, from.Place, from.DurableSize)
	into.Durables = append(into.Durables, from.Durables...)
	k.mergeAuthenticators(into, from)
	for _, role := range from.Roles {
		if i := other(into.Roles, role.Place, func(r Role) (Place, bool) { return r.Place, r.Name == role.Name }); i >= 0 {
			k.mergeRole(&into.Roles[i], role)
		} else {
			into.Roles = append(into.Roles, role)
		}
	}
	for _, p := range from.Principals {
		i := other(into.Principals, p.Place, func(q Principal) (Place, bool) { return q.Place, q.Authid == p.Authid })
		switch {
		case i < 0:
			into.Principals = append(into.Principals, p)
		case !Equal(into.Principals[i], p):
			k.Add(p.Place, "authid", "the principal %q is defined differently at %s; write it in one of the two files", p.Authid, into.Principals[i].Place)
		}
	}
	for _, h := range from.Histories {
		i := other(into.Histories, h.Place, func(g History) (Place, bool) { return g.Place, g.URI == h.URI && g.Match == h.Match })
		switch {
		case i < 0:
			into.Histories = append(into.Histories, h)
		case !Equal(into.Histories[i], h):
			k.Add(h.Place, "uri", "the history of %s %q is defined differently at %s; write it in one of the two files", h.Match, h.URI, into.Histories[i].Place)
		}
	}
}

func (k checker) mergeAuthenticators(into *Realm, from Realm) {
	if into.Authenticators == nil && len(from.Authenticators) > 0 {
		into.Authenticators = map[string]string{}
		into.Place = into.Place.Adopting("authenticator", from.Place)
	}
	for method, procedure := range from.Authenticators {
		if known, ok := into.Authenticators[method]; ok && known != procedure {
			k.Add(from.Place.Under("authenticator", -1), method, "the realm %q has another authenticator at %s; write it in one of the two files", from.Name, into.Place.Of("authenticator"))
		}
		into.Authenticators[method] = procedure
	}
}

func (k checker) mergeRole(into *Role, from Role) {
	what := `the role "` + from.Name + `"`
	adopt(k, what, &into.Place, "authorizer", &into.Authorizer, from.Place, from.Authorizer)
	adopt(k, what, &into.Place, "forward", &into.Forward, from.Place, from.Forward)
	adopt(k, what, &into.Place, "durable", &into.Durable, from.Place, from.Durable)
	for _, p := range from.Permissions {
		i := other(into.Permissions, p.Place, func(q Permission) (Place, bool) {
			return q.Place, q.URI == p.URI && q.Match == p.Match && q.Place.Has("uri") && p.Place.Has("uri")
		})
		switch {
		case i < 0:
			into.Permissions = append(into.Permissions, p)
		case !Equal(into.Permissions[i], p):
			k.Add(p.Place, "uri", "%s has another permission for %s %q at %s; write it in one of the two files", what, wamp.Match(p.Match), p.URI, into.Permissions[i].Place)
		}
	}
}

// other returns the index of the table for which meant is true and which is in another file than at, or -1.
func other[T any](list []T, at Place, meant func(T) (Place, bool)) int {
	return slices.IndexFunc(list, func(item T) bool {
		place, ok := meant(item)
		return ok && place.File != at.File
	})
}

// adopt takes over a key that only the second file sets. If both set it, the values must be equal.
func adopt[T comparable](k checker, what string, into *Place, key string, value *T, at Place, next T) {
	if k.adopts(what, into, key, at, *value != next) {
		*value = next
	}
}

// adopts copies the place of a key from at to into if only at has the key, and then returns true. If both have it, a
// difference is a problem.
func (k checker) adopts(what string, into *Place, key string, at Place, differs bool) bool {
	switch {
	case !at.Has(key):
	case !into.Has(key):
		*into = into.Adopting(key, at)
		return true
	case differs:
		k.Add(at, key, "%s has another %s at %s; write it in one of the two files", what, key, into.Of(key))
	}
	return false
}
