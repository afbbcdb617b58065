package edge

import (
	"slices"

	"runnel/edge/auth"
)

// Cookies: a web client that has authenticated by another method need not do so again, until its cookie is too old. The
// listener gives each WebSocket (and long-poll transport) a cookie; one that is fresh stands for nobody until its client
// has answered a CHALLENGE. One that stands for somebody never comes to stand for another: who could put his own cookie
// into a victim's browser would else be the victim.

// byCookie is the method of those whom their cookie names.
const byCookie = "cookie"

// fromCookie returns whom the connection's cookie names, if that is who the client says to be.
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

// remember has the connection's cookie stand for the peer, who has answered a CHALLENGE.
func (s *session) remember(id *auth.Identity) {
	c, jar := s.conn.Transport().Cookie, s.realm.router.options().Cookies
	if c == nil || !c.Fresh || jar == nil {
		return
	}
	if basis := s.policy.basis(*id); basis != nil {
		jar.Remember(c.Value, c.Age, s.realm.name, *id, basis)
	}
}

// basis is what a proof of that identity rests on; nil if nobody could give it.
func (p *policy) basis(id auth.Identity) []byte {
	asked := p.asks(id.Method)
	switch {
	case p.roles[id.Role] == nil:
	case id.Provider == dynamicProvider && asked != "":
		return []byte(asked)
	case id.Provider != dynamicProvider && p.principals != nil:
		return p.principals.Basis(id)
	}
	return nil
}
