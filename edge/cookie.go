package edge

import (
	"net"
	"slices"

	"runnel/edge/auth"
)

// Cookies: a web client that has authenticated by another method need not do so again until its cookie expires. The
// listener gives each WebSocket and each long-poll transport a cookie. A fresh cookie identifies no client until its client
// has answered a CHALLENGE. A new authentication with the same cookie replaces the identity, within the limits of
// auth.Cookies.Remember. Logout and an operator's kill end it.

// byCookie is the authmethod of sessions that their cookie identifies.
const byCookie = "cookie"

// fromCookie returns the identity of the connection's cookie, if it does not contradict HELLO; else nil.
func (s *session) fromCookie(r *auth.Request, methods []string) *auth.Identity {
	c, jar := r.Transport.Cookie, s.realm.router.options().Cookies
	if c == nil || c.Fresh || jar == nil || len(methods) > 0 && !slices.Contains(methods, byCookie) {
		return nil
	}
	id, ok := jar.Find(c.Value, s.realm.name, s.policy.basis)
	if !ok || r.Authid != "" && r.Authid != id.Authid {
		return nil
	}
	s.proved = id.Method
	id.Method = byCookie
	return &id
}

// rememberCookie makes the connection's cookie identify the peer, which has answered a CHALLENGE.
func (s *session) rememberCookie(id *auth.Identity) {
	c, jar := s.conn.Transport().Cookie, s.realm.router.options().Cookies
	if c == nil || jar == nil {
		return
	}
	if basis := s.policy.basis(*id); basis != nil {
		jar.Remember(c.Value, auth.Proof{Realm: s.realm.name, Identity: *id, Basis: basis, Age: c.Age, From: s.host()})
	}
}

// host returns the peer's address without its port.
func (s *session) host() string {
	remote := s.conn.Transport().Remote
	if host, _, err := net.SplitHostPort(remote); err == nil {
		return host
	}
	return remote
}

// forgetCookie ends the identity of the connection's cookie.
func (s *session) forgetCookie() {
	if c, jar := s.conn.Transport().Cookie, s.realm.router.options().Cookies; c != nil && jar != nil {
		jar.Forget(c.Value)
	}
}

// forgetOwnCookie ends the identity of the connection's cookie if it is the session's.
func (s *session) forgetOwnCookie() {
	c, jar := s.conn.Transport().Cookie, s.realm.router.options().Cookies
	if c == nil || jar == nil {
		return
	}
	if id, ok := jar.Find(c.Value, s.realm.name, s.realm.policy.Load().basis); ok && id.Authid == s.authid {
		jar.Forget(c.Value)
	}
}

// forgetCookies ends the cookies of the identities that the session kills, connected or not. Its own cookie stays.
func (s *session) forgetCookies(choose func(auth.Identity) bool) {
	jar, own := s.realm.router.options().Cookies, ""
	if jar == nil {
		return
	}
	if c := s.conn.Transport().Cookie; c != nil {
		own = c.Value
	}
	jar.Drop(s.realm.name, choose, own)
}

// cookieValid reports whether the cookie by which the session joins is still valid.
func (s *session) cookieValid() bool {
	return s.authmethod != byCookie || s.realm.router.options().Cookies.Known(s.conn.Transport().Cookie.Value)
}

// basis returns the data that a proof of the identity depends on; nil if the policy does not admit the identity.
func (p *policy) basis(id auth.Identity) []byte {
	asked := p.authenticator(id.Method)
	switch {
	case p.roles[id.Role] == nil:
	case id.Provider == dynamicProvider && asked != "":
		return []byte(asked)
	case id.Provider != dynamicProvider && p.principals != nil:
		return p.principals.Basis(id)
	}
	return nil
}
