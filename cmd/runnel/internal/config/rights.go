package config

import (
	"net"
	"net/url"
	"slices"

	"runnel/edge/auth"
	"runnel/edge/wamp"
)

// anonymous checks the role that a listener assigns to anonymous sessions.
func (k checker) anonymous(l *Listen) {
	if l.Anonymous == "" {
		return
	}
	if l.Role != "" {
		k.Add(l.Place, "anonymous", "role is set as well and applies to every peer; remove one of the two")
		return
	}
	realms := k.reached(l)
	if slices.ContainsFunc(realms, func(r *Realm) bool { return r.Role(l.Anonymous) != nil }) || len(realms) == 0 {
		return
	}
	k.role(l.Place, "anonymous", realms[0], l.Anonymous)
}

// reached lists the realms that peers of a listener may join.
func (k checker) reached(l *Listen) (list []*Realm) {
	for i := range k.c.Realms {
		if r := &k.c.Realms[i]; l.Realm == "" || l.Realm == r.Name {
			list = append(list, r)
		}
	}
	return list
}

// Role returns the realm's role of that name, or nil.
func (r *Realm) Role(name string) *Role {
	i := slices.IndexFunc(r.Roles, func(role Role) bool { return role.Name == name })
	if i < 0 || name == "" {
		return nil
	}
	return &r.Roles[i]
}

// openListeners warns about listeners at which peers of other machines get excessive rights without authentication. A
// proxy on this machine connects them to loopback.
func (k checker) openListeners() {
	for i := range k.c.Listens {
		l := &k.c.Listens[i]
		if !beyondLoopback(l.URL) && !l.proxied() {
			continue
		}
		for _, r := range k.reached(l) {
			role := r.unproved(l)
			if role == nil {
				continue
			}
			if what := role.power(); what != "" {
				at := l.URL
				if l.isPassed() {
					at = "a TCP socket of " + l.URL // the check does not know whether systemd passes one
				}
				if !beyondLoopback(l.URL) {
					at += " through a proxy on this machine"
				}
				k.Warn(l.Place, "url", "every peer that reaches %s has the role %q of realm %q without authentication, which %s (%s); write anonymous = \"ROLE\" with fewer rights here, or let peers authenticate", at, role.Name, r.Name, what, role.Place)
			}
		}
	}
}

// proxied reports whether a listener on loopback serves a proxy of this machine, so that its peers are on the
// network. Such a listener names a proxy or host names of other machines, or uses TLS, which programs of this machine
// do not need.
func (l *Listen) proxied() bool {
	u, err := url.Parse(l.URL)
	if err != nil {
		return false
	}
	return u.Scheme == "tls" || u.Scheme == "wss" || u.Scheme == "mqtts" || len(l.TrustedProxies) > 0 ||
		slices.ContainsFunc(l.Hosts, func(host string) bool { return beyondLoopback("tcp://" + host) })
}

// unproved returns the role that a listener's peers have in a realm without authentication, or nil.
func (r *Realm) unproved(l *Listen) *Role {
	for _, name := range []string{l.Role, l.Anonymous} {
		if role := r.Role(name); role != nil {
			return role
		}
	}
	return r.Role(r.Anonymous)
}

// beyondLoopback reports whether other machines can reach a listener.
func beyondLoopback(listen string) bool {
	u, err := url.Parse(listen)
	if err != nil || u.Scheme == "unix" || u.Hostname() == "localhost" {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return ip == nil || !ip.IsLoopback()
}

// Administration lists administrative procedures, one of each kind.
var Administration = []string{
	"runnel.reload", "runnel.queue.drop", "runnel.token.new", "runnel.fleet.forget", "runnel.node.x.apply", "wamp.session.kill", "wamp.session.kill_all", "wamp.subscription.remove_subscriber", "wamp.registration.remove_callee",
}

// power describes the rights of a role that may administer the router or use every URI. It returns "" for any other role.
func (role *Role) power() string {
	compiled := role.Compile()
	everything := slices.ContainsFunc(role.Permissions, func(p Permission) bool {
		return p.URI == "" && wamp.Match(p.Match) == wamp.Prefix && permissions(Role{Permissions: []Permission{p}})[0].Allow == auth.Everything
	})
	administers := slices.ContainsFunc(Administration, func(uri string) bool {
		allowed, _ := compiled.Decide(auth.Call, []byte(uri))
		return allowed
	})
	switch {
	case everything && administers:
		return "may do everything, administration of the router included"
	case everything:
		return "may use every URI but those of administration"
	case administers:
		return "may administer the router"
	}
	return ""
}
