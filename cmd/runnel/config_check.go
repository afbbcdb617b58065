package main

import (
	"cmp"
	"errors"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"runnel/edge"
	"runnel/edge/auth"
	"runnel/edge/wamp"
	"runnel/transport"
)

// checker looks for what the file's shape can't show: names that refer to nothing, values that make no sense together,
// and what this version can't do.
type checker struct {
	*Problems
	c    *Config
	open map[string]bool // files that everybody may read, of which a warning tells
}

// check fills in what follows from the rest and notes what is wrong.
func (c *Config) check(problems *Problems) {
	k := checker{problems, c, map[string]bool{}}
	if len(c.Realms) == 0 && len(*problems) == 0 {
		*problems = append(*problems, Problem{File: c.Name, Key: "realm", Text: "there is no realm; write [[realm]] and its name = \"realm1\""})
	}
	for i := range c.Realms {
		k.realm(&c.Realms[i])
	}
	for i := range c.Listens {
		k.listen(&c.Listens[i])
	}
	for i := range c.Serials {
		k.serial(&c.Serials[i])
	}
	for i := range c.Uplinks {
		k.uplink(&c.Uplinks[i])
	}
	k.duplicates()
}

func (k checker) realm(r *Realm) {
	before := len(*k.Problems)
	k.uri(r.Place, "name", r.Name, wamp.Exact)
	if r.Anonymous != "" {
		k.role(r.Place, "anonymous", r, r.Anonymous)
	}
	for _, role := range r.Roles {
		k.required(role.Place, "name", role.Name)
		if strings.HasPrefix(role.Name, ownRoles) {
			k.add(role.Place, "name", "%q is one of the router's own roles; choose a name that does not begin with %q", role.Name, ownRoles)
		}
		if role.Authorizer != "" {
			k.uri(role.Place, "authorizer", role.Authorizer, wamp.Exact)
		}
		for _, p := range role.Permissions {
			k.permission(p)
		}
	}
	for method, procedure := range r.Authenticators {
		at := r.Place.under("authenticator", -1)
		k.choice(at, method, method, "anonymous", "ticket", "wampcra", "scram", "wamp-scram", "cryptosign")
		k.uri(at, method, procedure, wamp.Exact)
	}
	for _, h := range r.Histories {
		k.uri(h.Place, "uri", h.URI, wamp.Match(h.Match))
	}
	for _, p := range r.Principals {
		k.required(p.Place, "authid", p.Authid)
		k.role(p.Place, "role", r, p.Role)
		k.principal(p)
	}
	if len(*k.Problems) > before {
		return
	}
	if err := tryRealm(*r); err != nil {
		k.add(r.Place, "", "%v", err)
	}
}

// tryRealm says what a router has against the realm.
func tryRealm(r Realm) error {
	err := edge.NewRouter(edge.Options{}).AddRealm(edge.RealmOptions{
		Name: r.Name, Strict: r.Strict, Anonymous: r.Anonymous, Roles: roles(r), Authenticators: r.Authenticators, History: histories(r),
	})
	return cmp.Or(errors.Unwrap(err), err) // the problem's place says which realm it is
}

// principal checks what somebody authenticates with, by making of it what the router will.
func (k checker) principal(p Principal) {
	before := len(*k.Problems)
	k.secret(p.Place, "ticket", p.Ticket)
	if p.Wampcra != nil {
		k.secret(p.Wampcra.Place, "secret", p.Wampcra.Secret)
	}
	if p.Scram != nil {
		k.secret(p.Scram.Place, "secret", p.Scram.Secret)
		k.choice(p.Scram.Place, "kdf", p.Scram.KDF, "argon2id13", "pbkdf2", "argon2id-13")
	}
	for _, key := range p.AuthorizedKeys {
		if _, err := auth.ParseKey(key); err != nil {
			k.add(p.Place, "authorized_keys", "%v", err)
		}
	}
	if len(*k.Problems) > before || p.Authid == "" || p.Role == "" {
		return
	}
	if err := tryPrincipal(p); err != nil {
		k.add(p.Place, "", "%v", err)
	}
}

var actions = []string{"publish", "subscribe", "call", "register"}

func (k checker) permission(p Permission) {
	if !p.Place.has("uri") {
		k.add(p.Place, "uri", "missing; write the URI, or uri = \"\" with match = \"prefix\" for all of them")
	} else {
		k.uri(p.Place, "uri", p.URI, wamp.Match(p.Match))
	}
	if !p.Place.has("allow") {
		k.add(p.Place, "allow", "missing; write allow = [] with any of %s", oneOf(actions...))
	}
	for _, a := range p.Allow {
		k.choice(p.Place, "allow", a, actions...)
	}
}

func (k checker) listen(l *Listen) {
	u := k.url(l.Place, "url", l.URL, "tcp", "tls", "unix", "ws", "wss")
	if u == nil {
		return
	}
	k.onlyFor(l.Place, u.Scheme, []string{"tls", "wss"}, "certificate", "key", "client_ca")
	k.onlyFor(l.Place, u.Scheme, []string{"unix"}, "mode", "owner", "group")
	k.onlyFor(l.Place, u.Scheme, []string{"tcp", "tls", "ws", "wss"}, "origins")
	switch u.Scheme {
	case "unix":
		l.URL = k.unix(l.Place, u)
	case "tls", "wss":
		k.required(l.Place, "certificate", string(l.Certificate))
		k.required(l.Place, "key", string(l.Key))
		k.file(l.Place, "certificate", l.Certificate)
		k.file(l.Place, "key", l.Key)
		k.file(l.Place, "client_ca", l.ClientCA)
		k.private(l.Place, "key", string(l.Key))
		k.serverFiles(l)
		fallthrough
	default:
		k.address(l.Place, u)
	}
	k.ping(l.Place, &l.PingInterval)
	if l.Role != "" || l.Realm != "" || l.Authid != "" {
		l.Realm = k.realmName(l.Place, "realm", l.Realm)
		k.identity(l.Place, l.Realm, l.Role, l.Authid)
	}
}

// serverFiles checks that the certificate and the key can be read and fit each other. Files that are not there have been
// told of.
func (k checker) serverFiles(l *Listen) {
	if _, err := transport.ServerFiles(string(l.Certificate), string(l.Key), string(l.ClientCA)); err != nil && !errors.Is(err, fs.ErrNotExist) &&
		l.Certificate != "" && l.Key != "" {
		k.add(l.Place, "certificate", "%v", err)
	}
}

// address checks the host and port of a listener.
func (k checker) address(at Place, u *url.URL) {
	if _, port, err := net.SplitHostPort(u.Host); err != nil || port == "" {
		k.add(at, "url", "%q has no port; write it like \"%s://127.0.0.1:8080\"", u, u.Scheme)
	}
	if (u.Scheme == "tcp" || u.Scheme == "tls") && u.Path != "" && u.Path != "/" {
		k.add(at, "url", "a %s listener has no path; WebSocket is at /ws of the same port", u.Scheme)
	}
}

// unix makes the socket's path absolute. unix:// alone stands for the default place, chosen at start.
func (k checker) unix(at Place, u *url.URL) string {
	if u.Host+u.Path == "" {
		return "unix://"
	}
	path := absolute(filepath.Dir(at.File), u.Host+u.Path) // unix://runnel.sock is a relative path
	if len(path) > 107 {
		k.add(at, "url", "the path is longer than the 107 octets that a Unix socket's address holds; choose a shorter one")
	}
	return "unix://" + path
}

func (k checker) serial(s *Serial) {
	k.required(s.Place, "name", s.Name)
	s.Realm = k.realmName(s.Place, "realm", s.Realm)
	k.device(s)
	k.choice(s.Place, "mode", s.Mode, "wamp", "lines", "modbus")
	if s.Mode == "lines" || s.Mode == "modbus" {
		k.add(s.Place, "mode", "mode = %q is not in this version; mode = \"wamp\" is", s.Mode)
		return
	}
	for _, key := range []string{"format", "columns", "pattern", "topic"} {
		if s.Place.has(key) {
			k.add(s.Place, key, "only for mode = \"lines\"; remove it")
		}
	}
	s.Framing = cmp.Or(s.Framing, "hdlc")
	k.choice(s.Place, "framing", s.Framing, "hdlc", "none")
	k.ping(s.Place, &s.PingInterval)
	if err := s.port().Validate(); err != nil && s.USB == nil && s.Device != "" {
		k.add(s.Place, "", "%v", err)
	}
	k.choice(s.Place, "parity", s.Parity, "none", "odd", "even", "mark", "space")
	k.choice(s.Place, "dtr", s.DTR, "keep", "on", "off")
	k.choice(s.Place, "rts", s.RTS, "keep", "on", "off")
	k.identity(s.Place, s.Realm, s.Role, s.Authid)
	if s.Role != "" && s.Authid == "" {
		s.Authid = s.Name
	}
}

func (k checker) device(s *Serial) {
	if s.Device == "" && s.USB == nil {
		k.add(s.Place, "device", "missing; write device = \"/dev/tty...\", or usb = { vid = \"...\", pid = \"...\" } (runnel serial ls shows both)")
		return
	}
	if s.Device != "" && s.USB != nil {
		k.add(s.Place, "usb", "device is set as well; write one of the two")
	}
	if s.USB == nil {
		return
	}
	k.hex(s.USB.Place, "vid", s.USB.VID)
	k.hex(s.USB.Place, "pid", s.USB.PID)
}

func (k checker) hex(at Place, key, id string) {
	if len(id) != 4 || strings.Trim(strings.ToLower(id), "0123456789abcdef") != "" {
		k.add(at, key, "%q is not a USB id; write four hexadecimal digits, like \"2341\"", id)
	}
}

// identity looks for the role that a listener or a line gives. Without one its peers are anonymous sessions.
func (k checker) identity(at Place, realm, role, authid string) {
	i := slices.IndexFunc(k.c.Realms, func(r Realm) bool { return r.Name == realm })
	switch {
	case i < 0: // said already
	case role != "":
		k.role(at, "role", &k.c.Realms[i], role)
	case authid != "":
		k.add(at, "role", "missing; with an authid goes a role")
	case k.c.Realms[i].Anonymous == "":
		k.add(at, "role", "missing, and realm %q has no anonymous role; write the role", realm)
	}
}

func (k checker) uplink(u *Uplink) {
	k.required(u.Place, "name", u.Name)
	u.Realm = k.realmName(u.Place, "realm", u.Realm)
	if u.RemoteRealm == "" {
		u.RemoteRealm = u.Realm
	}
	if len(u.URL) == 0 {
		k.add(u.Place, "url", "missing; write url = [\"tls://central.example.com:8443\"]")
	}
	for _, text := range u.URL {
		k.uplinkURL(u.Place, text)
	}
	k.choice(u.Place, "serializer", u.Serializer, "cbor", "msgpack", "json")
	k.file(u.Place, "ca", u.CA)
	k.credentials(u)
	k.ping(u.Place, &u.PingInterval)
	for _, s := range u.Exports {
		k.share(s, "local_prefix", s.LocalPrefix)
	}
	for _, s := range u.Imports {
		k.share(s, "remote_prefix", s.RemotePrefix)
		if s.Store != "" {
			k.add(s.Place, "store", "only what is exported can be stored; remove it")
		}
	}
	if len(u.Exports)+len(u.Imports) == 0 {
		k.add(u.Place, "", "nothing crosses this link; add [[uplink.export]] or [[uplink.import]]")
	}
}

func (k checker) uplinkURL(at Place, text string) {
	if scheme, _, _ := strings.Cut(text, ":"); scheme == "mqtt" || scheme == "mqtts" {
		k.add(at, "url", "%s:// is not in this version; tcp, tls, unix, ws and wss are", scheme)
		return
	}
	if u := k.url(at, "url", text, "tcp", "tls", "unix", "ws", "wss"); u != nil && u.Host+u.Path == "" {
		k.add(at, "url", "%q names no router", text)
	}
}

func (k checker) credentials(u *Uplink) {
	k.secret(u.Place, "ticket", u.Ticket)
	k.secret(u.Place, "secret", u.Secret)
	k.file(u.Place, "key", u.Key)
	k.file(u.Place, "certificate", u.Certificate)
	k.private(u.Place, "key", string(u.Key))
	k.clientFiles(u)
	if u.Certificate != "" && u.Key == "" {
		k.add(u.Place, "key", "missing; write the certificate's key")
	}
	if u.Authid == "" && (u.Ticket.Set() || u.Secret.Set()) {
		k.add(u.Place, "authid", "missing; write the name that the secret belongs to")
	}
}

// clientFiles checks that the files hold what they should. Those that are not there have been told of.
func (k checker) clientFiles(u *Uplink) {
	key := u.Key
	if u.Certificate != "" {
		key = ""
	}
	_, err := authMethods(u.Authid, Secret{}, Secret{}, key)
	if err == nil && (u.Certificate == "" || u.Key != "") {
		_, err = transport.ClientFiles(string(u.CA), string(u.Certificate), string(u.Key))
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		k.add(u.Place, "key", "%v", err)
	}
}

// share checks one table of an uplink. The prefix is the one that its URI has where it comes from.
func (k checker) share(s Share, prefixKey, prefix string) {
	switch {
	case s.Topic != nil && s.Procedure != nil:
		k.add(s.Place, "procedure", "topic is set as well; write a table of its own for each")
	case s.Topic != nil:
		k.shared(s, "topic", *s.Topic, prefixKey, prefix)
	case s.Procedure != nil && *s.Procedure == "":
		k.add(s.Place, "procedure", "all procedures can't be shared: some are the router's own; write the beginning of those that are to be, like \"com.example.\"")
	case s.Procedure != nil:
		k.shared(s, "procedure", *s.Procedure, prefixKey, prefix)
	default:
		k.add(s.Place, "topic", "missing; write topic = \"...\" or procedure = \"...\"")
	}
	k.store(s)
}

func (k checker) shared(s Share, key, uri, prefixKey, prefix string) {
	k.uri(s.Place, key, uri, wamp.Match(s.Match))
	if !strings.HasPrefix(uri, prefix) {
		k.add(s.Place, prefixKey, "%s %q does not begin with %q", key, uri, prefix)
	}
	for _, p := range []struct{ key, value string }{{"local_prefix", s.LocalPrefix}, {"remote_prefix", s.RemotePrefix}} {
		if s.Place.has(p.key) {
			k.uri(s.Place, p.key, p.value, wamp.Prefix)
		}
	}
}

func (k checker) store(s Share) {
	k.choice(s.Place, "store", s.Store, "memory", "disk", "durable")
	if s.Store == "disk" || s.Store == "durable" {
		k.add(s.Place, "store", "store = %q is not in this version; store = \"memory\" is", s.Store)
	}
}

// duplicates looks for names that are given twice, of any file.
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

func (k checker) realmDuplicates(r Realm) {
	names := map[string]Place{}
	for _, role := range r.Roles {
		k.once(names, role.Place, "name", "role", role.Name)
		permissions := map[string]Place{}
		for _, p := range role.Permissions {
			if p.Place.has("uri") {
				k.once(permissions, p.Place, "uri", "permission for "+wamp.Match(p.Match).String(), p.URI+" ")
			}
		}
	}
	for _, p := range r.Principals {
		k.once(names, p.Place, "authid", "principal", p.Authid)
	}
}

func (k checker) once(names map[string]Place, at Place, key, kind, name string) {
	if name == "" {
		return
	}
	id := kind + " " + name
	if first, taken := names[id]; taken {
		k.add(at, key, "there is a %s %q already, at %s", kind, strings.TrimSpace(name), first)
		return
	}
	names[id] = at
}

// ping makes "0s", which is never, something else than no ping_interval, which is the usual.
func (k checker) ping(at Place, d *Duration) {
	if *d == 0 && at.has("ping_interval") {
		*d = -1
	}
}

// choice notes a value that is none of names. The empty one is the default.
func (k checker) choice(at Place, key, value string, names ...string) {
	if value != "" && !slices.Contains(names, value) {
		k.add(at, key, "%q is not known; use %s", value, oneOf(names...))
	}
}

func (k checker) required(at Place, key, value string) {
	if value == "" {
		k.add(at, key, "missing; write %s = \"...\"", key)
	}
}

func (k checker) uri(at Place, key, uri string, match wamp.Match) {
	if uri == "" && !at.has(key) {
		k.required(at, key, uri)
	} else if !wamp.ValidURI(uri, match, false) {
		k.add(at, key, "%q is not a WAMP URI (match = %q); write components with dots between, like \"com.example.weather\"", uri, match)
	}
}

// role notes a role that the realm has not.
func (k checker) role(at Place, key string, r *Realm, name string) {
	var names []string
	for _, role := range r.Roles {
		names = append(names, role.Name)
	}
	switch near := nearest(name, names); {
	case name == "":
		k.required(at, key, name)
	case slices.Contains(names, name):
	case near != "":
		k.add(at, key, "realm %q has no role %q; did you mean %q?", r.Name, name, near)
	default:
		k.add(at, key, "realm %q has no role %q; add [[realm.role]] with name = %q", r.Name, name, name)
	}
}

// realmName returns the realm's name, by default the only one there is.
func (k checker) realmName(at Place, key, name string) string {
	var names []string
	for _, r := range k.c.Realms {
		names = append(names, r.Name)
	}
	switch {
	case name == "" && len(names) == 1:
		return names[0]
	case name == "":
		k.required(at, key, name)
	case !slices.Contains(names, name):
		k.add(at, key, "there is no realm %q; use %s", name, oneOf(names...))
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
		k.add(at, key, "%.80q is not a URL; write it like \"%s://...\"", text, schemes[0])
		return nil
	}
	if !slices.Contains(schemes, u.Scheme) {
		k.add(at, key, "%.80q: unknown scheme; use %s", text, oneOf(schemes...))
		return nil
	}
	return u
}

// onlyFor notes keys that belong to other schemes.
func (k checker) onlyFor(at Place, scheme string, schemes []string, keys ...string) {
	for _, key := range keys {
		if at.has(key) && !slices.Contains(schemes, scheme) {
			k.add(at, key, "only for %s:// listeners; remove it", strings.Join(schemes, ":// and "))
		}
	}
}

// file notes a file that can't be read. The key may be unset.
func (k checker) file(at Place, key string, path Path) {
	if path == "" {
		return
	}
	f, err := os.Open(string(path))
	if err != nil {
		k.add(at, key, "%v", err)
		return
	}
	f.Close()
}

// secret reads a secret once, so that a missing file is found before it is needed.
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

// private warns of a file with something secret that everybody on this machine may read.
func (k checker) private(at Place, key, file string) {
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm()&0o004 == 0 || k.open[file] {
		return
	}
	k.open[file] = true
	k.c.Warnings.add(at, key, "everybody on this machine may read %s, which holds a secret; chmod o-r it", file)
}
