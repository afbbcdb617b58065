package config

import (
	"cmp"
	"errors"
	"strings"

	"runnel/edge"
	"runnel/edge/auth"
	"runnel/edge/wamp"
)

// Realm is a routing domain.
type Realm struct {
	Place      Place
	Name       string      `toml:"name"`
	Anonymous  string      `toml:"anonymous"` // the role of sessions that don't authenticate; "": rejected
	Strict     bool        `toml:"strict"`
	Roles      []Role      `toml:"role"`
	Principals []Principal `toml:"principal"`
	Histories  []History   `toml:"history"`
	Durables   []Durable   `toml:"durable"`

	DurableSize Size `toml:"durable_size"` // of all events kept for durable subscriptions

	Authenticators map[string]string `toml:"authenticator"` // by authentication method: the procedure that decides
}

// History keeps the last events of a topic for later queries.
type History struct {
	Place   Place
	URI     string   `toml:"uri"`
	Match   Match    `toml:"match"`
	Events  int      `toml:"events"` // maximum number of events
	MaxSize Size     `toml:"max_size"`
	MaxAge  Duration `toml:"max_age"`
}

// Role is a set of permissions.
type Role struct {
	Place       Place
	Name        string       `toml:"name"`
	Authorizer  string       `toml:"authorizer"` // a procedure that decides where no permission does
	Forward     bool         `toml:"forward"`    // its sessions are links: they may name the origin of forwarded messages
	Durable     bool         `toml:"durable"`    // its sessions may create durable subscriptions
	Permissions []Permission `toml:"permission"`
}

// Permission allows actions on the URIs that it matches; the most specific one decides.
type Permission struct {
	Place    Place
	URI      string   `toml:"uri"`
	Match    Match    `toml:"match"`
	Allow    []string `toml:"allow"` // publish, subscribe, call, register
	Disclose bool     `toml:"disclose"`
	Trust    *int     `toml:"trust"` // trust level of the role's calls and publications
}

// Principal is an identity that authenticates by any of the methods that are set.
type Principal struct {
	Place          Place
	Authid         string   `toml:"authid"`
	Role           string   `toml:"role"`
	Ticket         Secret   `toml:"ticket"`
	Wampcra        *CRA     `toml:"wampcra"`
	Scram          *SCRAM   `toml:"scram"`
	AuthorizedKeys []string `toml:"authorized_keys"` // for cryptosign
	UID            *int     `toml:"uid"`             // of the peer process of a Unix socket
	GID            *int     `toml:"gid"`
	Certificate    string   `toml:"certificate"` // of a TLS client: its CN or SHA-256

	files digest // see fillDerived
}

// CRA holds the credentials for WAMP-CRA: the secret, or with a salt the key derived from it.
type CRA struct {
	Place      Place
	Secret     Secret `toml:"secret"`
	Salt       string `toml:"salt"`
	Iterations int    `toml:"iterations"`
	KeyLen     int    `toml:"keylen"`
}

// SCRAM holds the credentials for WAMP-SCRAM: the keys derived from a password, or the password.
type SCRAM struct {
	Place      Place
	Secret     Secret `toml:"secret"`
	KDF        string `toml:"kdf"` // argon2id13 (default), pbkdf2, argon2id-13
	Salt       string `toml:"salt"`
	Iterations int    `toml:"iterations"`
	Memory     int    `toml:"memory"` // KiB
	StoredKey  string `toml:"stored_key"`
	ServerKey  string `toml:"server_key"`
}

func (k checker) realm(r *Realm) {
	before := len(*k.Problems)
	k.URI(r.Place, "name", r.Name, wamp.Exact)
	if r.Anonymous != "" {
		k.role(r.Place, "anonymous", r, r.Anonymous)
	}
	for _, role := range r.Roles {
		k.Required(role.Place, "name", role.Name)
		if strings.HasPrefix(role.Name, ownRoles) {
			k.Add(role.Place, "name", "%q is one of the router's own roles; choose a name that does not begin with %q", role.Name, ownRoles)
		}
		if role.Authorizer != "" {
			k.URI(role.Place, "authorizer", role.Authorizer, wamp.Exact)
		}
		for _, p := range role.Permissions {
			k.permission(p)
		}
	}
	for method, procedure := range r.Authenticators {
		at := r.Place.Under("authenticator", -1)
		k.Choice(at, method, method, "anonymous", "ticket", "wampcra", "scram", "wamp-scram", "cryptosign")
		if !wamp.ValidURI(procedure, wamp.Exact, false) { // the value may be a misplaced secret, so the message does not repeat it
			k.Add(at, method, "this is not a WAMP URI; write the procedure that decides, like \"com.example.authenticate\"")
		}
	}
	for _, h := range r.Histories {
		k.URI(h.Place, "uri", h.URI, wamp.Match(h.Match))
	}
	k.durables(r)
	for _, p := range r.Principals {
		k.Required(p.Place, "authid", p.Authid)
		k.role(p.Place, "role", r, p.Role)
		k.principal(p)
	}
	if len(*k.Problems) > before {
		return
	}
	if err := tryRealm(*r); err != nil {
		k.Add(r.Place, "", "%v", err)
	}
}

// tryRealm returns the reason why a router would reject the realm.
func tryRealm(r Realm) error {
	err := edge.NewRouter(edge.Options{}).AddRealm(edge.RealmOptions{
		Name: r.Name, Strict: r.Strict, Anonymous: r.Anonymous, Roles: roles(r), Authenticators: r.Authenticators, History: histories(r),
	})
	return cmp.Or(errors.Unwrap(err), err) // the problem's position names the realm
}

// principal checks the credentials of a principal by compiling them as the router does.
func (k checker) principal(p Principal) {
	before := len(*k.Problems)
	k.Secret(p.Place, "ticket", p.Ticket)
	if p.Wampcra != nil {
		k.Secret(p.Wampcra.Place, "secret", p.Wampcra.Secret)
	}
	if p.Scram != nil {
		k.Secret(p.Scram.Place, "secret", p.Scram.Secret)
		k.Choice(p.Scram.Place, "kdf", p.Scram.KDF, "argon2id13", "pbkdf2", "argon2id-13")
	}
	for _, key := range p.AuthorizedKeys {
		if _, err := auth.ParseKey(key); err != nil {
			k.Add(p.Place, "authorized_keys", "%v", err)
		}
	}
	if len(*k.Problems) > before || p.Authid == "" || p.Role == "" {
		return
	}
	if err := tryPrincipal(p); err != nil {
		k.Add(p.Place, "", "%v", err)
	}
}

// Actions lists the actions that a permission can allow.
var Actions = []string{"publish", "subscribe", "call", "register"}

func (k checker) permission(p Permission) {
	if !p.Place.Has("uri") {
		k.Add(p.Place, "uri", "missing; write the URI, or uri = \"\" with match = \"prefix\" for all of them")
	} else {
		k.URI(p.Place, "uri", p.URI, wamp.Match(p.Match))
	}
	if !p.Place.Has("allow") {
		k.Add(p.Place, "allow", "missing; write allow = [] with any of %s", OneOf(Actions...))
	}
	for _, a := range p.Allow {
		k.Choice(p.Place, "allow", a, Actions...)
	}
}

func (k checker) realmDuplicates(r Realm) {
	names := map[string]Place{}
	for _, role := range r.Roles {
		k.Once(names, role.Place, "name", "role", role.Name)
		permissions := map[string]Place{}
		for _, p := range role.Permissions {
			if p.Place.Has("uri") {
				k.Once(permissions, p.Place, "uri", "permission for "+wamp.Match(p.Match).String(), p.URI+" ")
			}
		}
	}
	for _, p := range r.Principals {
		k.Once(names, p.Place, "authid", "principal", p.Authid)
	}
}
