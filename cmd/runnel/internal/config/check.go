package config

import (
	"slices"

	"runnel/cmd/runnel/internal/config/check"
	"runnel/cmd/runnel/internal/config/line"
	"runnel/cmd/runnel/internal/config/spelling"
)

// checker finds the problems that the syntax does not show: names that refer to nothing, values that contradict each other,
// and features that this version does not have.
type checker struct {
	check.Keys
	c *Config
}

// check fills in derived values and reports problems.
func (c *Config) check(problems *Problems) {
	k := checker{check.New(problems, &c.Warnings, c.starting), c}
	k.nodeID()
	c.expandNode()
	k.merge()
	if len(c.Realms) == 0 && len(*problems) == 0 {
		*problems = append(*problems, Problem{File: c.Name, Key: "realm", Text: "there is no realm; add [[realm]] with name = \"realm1\""})
	}
	for i := range c.Realms {
		k.realm(&c.Realms[i])
	}
	for i := range c.Listens {
		k.listen(&c.Listens[i])
	}
	c.shareSockets()
	for i := range c.Serials {
		k.serial(&c.Serials[i])
	}
	for i := range c.Uplinks {
		k.uplink(&c.Uplinks[i])
	}
	for i := range c.Webhooks {
		k.webhook(&c.Webhooks[i])
	}
	k.metrics(&c.Metrics)
	k.openListeners()
	k.duplicates()
	k.addresses()
	line.CheckPorts(k.Keys, k.c.Serials)
	k.checkClientIDs()
	k.hints()
	c.fillDerived()
}

// identity checks the role that a listener or a serial line assigns. Without a role its peers are anonymous sessions.
func (k checker) identity(at Place, realm, role, authid string) {
	i := slices.IndexFunc(k.c.Realms, func(r Realm) bool { return r.Name == realm })
	switch {
	case i < 0: // realmName has reported it
	case role != "":
		k.role(at, "role", &k.c.Realms[i], role)
	case authid != "":
		k.Add(at, "role", "missing; an authid needs a role")
	case k.c.Realms[i].Anonymous == "":
		k.Add(at, "role", "missing, and realm %q has no anonymous role; write the role", realm)
	}
}

// duplicates reports names that are defined twice, in one file or in several.
func (k checker) duplicates() {
	names := map[string]Place{}
	for _, r := range k.c.Realms {
		k.Once(names, r.Place, "name", "realm", r.Name)
		k.realmDuplicates(r)
	}
	for _, l := range k.c.Listens {
		k.Once(names, l.Place, "url", "listener", l.URL)
	}
	for _, s := range k.c.Serials {
		k.Once(names, s.Place, "name", "serial line", s.Name)
		k.Once(names, s.Place, "device", "serial line for", string(s.Device))
	}
	for _, u := range k.c.Uplinks {
		k.Once(names, u.Place, "name", "uplink", u.Name)
	}
	for _, w := range k.c.Webhooks {
		k.Once(names, w.Place, "name", "webhook", w.Name)
	}
}

// role reports a role that the realm does not have.
func (k checker) role(at Place, key string, r *Realm, name string) {
	var names []string
	for _, role := range r.Roles {
		names = append(names, role.Name)
	}
	switch near := spelling.Nearest(name, names); {
	case name == "":
		k.Required(at, key, name)
	case slices.Contains(names, name):
	case near != "":
		k.Add(at, key, "realm %q has no role %q; did you mean %q?", r.Name, name, near)
	default:
		k.Add(at, key, "realm %q has no role %q; add [[realm.role]] with name = %q", r.Name, name, name)
	}
}

// realmName returns the realm's name. The default is the only realm of the configuration.
func (k checker) realmName(at Place, key, name string) string {
	var names []string
	for _, r := range k.c.Realms {
		names = append(names, r.Name)
	}
	switch {
	case name == "" && len(names) == 1:
		return names[0]
	case k.c.lostRealm():
	case name == "":
		k.Required(at, key, name)
	case !slices.Contains(names, name):
		k.Add(at, key, "there is no realm %q; use %s", name, OneOf(names...))
	}
	return name
}
