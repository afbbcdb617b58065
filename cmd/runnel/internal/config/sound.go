package config

import (
	"slices"
	"strings"

	"runnel/cmd/runnel/internal/config/decode"
)

// Sound returns a copy of an invalid configuration without the listeners, serial lines, uplinks and single tables
// that have problems. Unknown keys, and tables that are missing because of a syntax error, affect no other key. The
// remaining parts can be examined, but not run: parts to which they refer may be missing.
func Sound(c *Config, problems Problems) *Config {
	next := *c
	if len(problems) == 0 {
		return &next
	}
	starts := c.tables()
	bad := func(at Place) bool {
		return slices.ContainsFunc(problems, func(p Problem) bool {
			return at.Contains(p, starts) && !strings.HasPrefix(p.Text, decode.UnknownKey) && !strings.HasPrefix(p.Text, decode.InvalidTOML)
		})
	}
	next.Listens = Without(c.Listens, func(l Listen) bool { return bad(l.Place) })
	next.Serials = Without(c.Serials, func(s Serial) bool { return bad(s.Place) })
	next.Uplinks = Without(c.Uplinks, func(u Uplink) bool { return bad(u.Place) })
	next.Webhooks = Without(c.Webhooks, func(w Webhook) bool { return bad(w.Place) })
	if bad(c.Node.Place) {
		next.Node = Node{ID: c.Node.ID}
	}
	if bad(c.Metrics.Place) {
		next.Metrics = Metrics{}
	}
	return &next
}

// Without returns a copy of a list without the parts that drop selects.
func Without[T any](list []T, drop func(T) bool) []T {
	return slices.DeleteFunc(slices.Clone(list), drop)
}

// tables lists the top-level tables.
func (c *Config) tables() (list []Place) {
	for _, r := range c.Realms {
		list = append(list, r.Place)
	}
	for _, l := range c.Listens {
		list = append(list, l.Place)
	}
	for _, s := range c.Serials {
		list = append(list, s.Place)
	}
	for _, u := range c.Uplinks {
		list = append(list, u.Place)
	}
	for _, w := range c.Webhooks {
		list = append(list, w.Place)
	}
	return append(list, c.Node.Place, c.Limits.Place, c.Metrics.Place)
}

// lostRealm reports whether a syntax error hides realms or parts of them. Then references to them cannot be checked.
func (c *Config) lostRealm() bool { return slices.Contains(c.lost, "realm") }
