package config

import (
	"net/url"
	"os"
	"slices"
	"strings"

	"runnel/cmd/runnel/internal/config/spelling"
	"runnel/edge/wamp"
	"runnel/transport"
)

// checker finds the problems that the syntax does not show: names that refer to nothing, values that contradict each other,
// and features that this version does not have.
type checker struct {
	*Problems
	c    *Config
	open map[string]bool // world-readable files with a secret; each gets one warning
}

// check fills in derived values and reports what is wrong.
func (c *Config) check(problems *Problems) {
	k := checker{problems, c, map[string]bool{}}
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
	k.metrics(&c.Metrics)
	k.openListeners()
	k.duplicates()
	k.addresses()
	k.devices()
	k.rivals()
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
		k.add(at, "role", "missing; an authid needs a role")
	case k.c.Realms[i].Anonymous == "":
		k.add(at, "role", "missing, and realm %q has no anonymous role; write the role", realm)
	}
}

// duplicates reports names that are defined twice, in one file or in several.
func (k checker) duplicates() {
	names := map[string]Place{}
	for _, r := range k.c.Realms {
		k.once(names, r.Place, "name", "realm", r.Name)
		k.realmDuplicates(r)
	}
	for _, l := range k.c.Listens {
		k.once(names, l.Place, "url", "listener", l.URL)
	}
	for _, s := range k.c.Serials {
		k.once(names, s.Place, "name", "serial line", s.Name)
		k.once(names, s.Place, "device", "serial line for", string(s.Device))
	}
	for _, u := range k.c.Uplinks {
		k.once(names, u.Place, "name", "uplink", u.Name)
	}
}

// once reports a name that names already holds, and adds it otherwise.
func (k checker) once(names map[string]Place, at Place, key, kind, name string) {
	if name == "" {
		return
	}
	id := kind + " " + name
	if first, taken := names[id]; taken {
		k.add(at, key, "%s %q is already defined at %s", kind, strings.TrimSpace(name), first)
		return
	}
	names[id] = at
}

// ping turns ping_interval = "0s", which means never, into -1, so that it differs from an unset key, which means the default.
func (k checker) ping(at Place, d *Duration) {
	if *d == 0 && at.Has("ping_interval") {
		*d = -1
	}
}

// choice reports a value that is not one of names. An empty value is the default.
func (k checker) choice(at Place, key, value string, names ...string) {
	if value != "" && !slices.Contains(names, value) {
		k.add(at, key, "%q is not known; use %s", value, OneOf(names...))
	}
}

func (k checker) required(at Place, key, value string) {
	if value == "" {
		k.add(at, key, "missing; write %s = \"...\"", key)
	}
}

func (k checker) uri(at Place, key, uri string, match wamp.Match) {
	if uri == "" && !at.Has(key) {
		k.required(at, key, uri)
	} else if !wamp.ValidURI(uri, match, false) {
		if meant, how := meantPattern(uri); how != "" {
			k.add(at, key, "%q is not a WAMP URI; write %s = %q with match = %q", uri, key, meant, how)
			return
		}
		k.add(at, key, "%q is not a WAMP URI (match = %q); write components with dots between, like \"com.example.weather\"", uri, match)
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
		k.required(at, key, name)
	case slices.Contains(names, name):
	case near != "":
		k.add(at, key, "realm %q has no role %q; did you mean %q?", r.Name, name, near)
	default:
		k.add(at, key, "realm %q has no role %q; add [[realm.role]] with name = %q", r.Name, name, name)
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
		k.required(at, key, name)
	case !slices.Contains(names, name):
		k.add(at, key, "there is no realm %q; use %s", name, OneOf(names...))
	}
	return name
}

func (k checker) url(at Place, key, text string, schemes ...string) *url.URL {
	if text == "" {
		k.add(at, key, "missing; write %s = \"%s://...\"", key, schemes[0])
		return nil
	}
	u, err := url.Parse(text)
	if err != nil {
		k.add(at, key, "%.80q is not a URL; write it like \"%s://...\"", transport.RedactURL(text), schemes[0])
		return nil
	}
	if !slices.Contains(schemes, u.Scheme) {
		k.add(at, key, "%.80q: unknown scheme; use %s", transport.RedactURL(text), OneOf(schemes...))
		return nil
	}
	return u
}

// mayPass reports a problem of the machine that may pass, such as a missing file or address. A node that starts leaves out the
// part concerned and retries it, so there it is a warning.
func (k checker) mayPass(at Place, key, format string, args ...any) {
	if k.c.starting {
		k.c.Warn(at, key, format, args...)
		return
	}
	k.add(at, key, format, args...)
}

// file reports a file that can't be read. An empty path is valid: the key is unset.
func (k checker) file(at Place, key string, path Path) {
	if path == "" {
		return
	}
	if path.isContent() {
		k.add(at, key, "this is the content of a file; store it in a file that only the router can read, and write the file's name here")
		return
	}
	f, err := os.Open(string(path))
	if err != nil {
		k.mayPass(at, key, "%v", err)
		return
	}
	f.Close()
}

// secret reads a secret once, so that a missing file is reported before the secret is needed.
func (k checker) secret(at Place, key string, s Secret) {
	if !s.Set() {
		return
	}
	if _, err := s.Value(); err != nil {
		k.add(at, key, "%v", err)
		return
	}
	k.private(at, key, s.file(at.File))
}

// private warns about a file with a secret that every user of this machine can read.
func (k checker) private(at Place, key, file string) {
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm()&0o004 == 0 || k.open[file] {
		return
	}
	k.open[file] = true
	k.c.Warn(at, key, "%s holds a secret, but every user of this machine can read it; run chmod o-r on it", file)
}
