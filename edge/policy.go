package edge

import (
	"fmt"

	"runnel/edge/auth"
	"runnel/edge/wamp"
)

// policy is who may join a realm, and what they may do there. It is immutable: UpdateRealm puts another in its place.
type policy struct {
	strict         bool       // of sessions that join from now on
	anonymous      *auth.Role // nil: anonymous sessions are refused where their listener gives them no role
	roles          map[string]*auth.Role
	principals     *auth.Principals // nil: there are none
	authenticators *authenticators  // nil: there are none
}

func newPolicy(opts *RealmOptions) (*policy, error) {
	p := &policy{strict: opts.Strict, roles: make(map[string]*auth.Role), principals: opts.Principals}
	for _, role := range opts.Roles {
		p.roles[role.Name()] = role
		if role.Authorizer() == "" {
			continue
		}
		if err := askable(role.Authorizer(), opts.Strict); err != nil {
			return nil, fmt.Errorf("authorizer of the role %q: %w", role.Name(), err)
		}
	}
	p.anonymous = p.roles[opts.Anonymous]
	if opts.Anonymous != "" && p.anonymous == nil {
		return nil, fmt.Errorf("anonymous sessions are to have the role %q, which it lacks", opts.Anonymous)
	}
	var err error
	p.authenticators, err = newAuthenticators(opts)
	return p, err
}

// anonymousBy returns the role of anonymous sessions that come by a listener: its own if the realm has that, else the
// realm's; nil: they are refused.
func (p *policy) anonymousBy(t *wamp.Transport) *auth.Role {
	if role := p.roles[t.Anonymous]; role != nil && t.Anonymous != "" {
		return role
	}
	return p.anonymous
}

// asks returns the procedure that decides about peers with the method; "" if none does.
func (p *policy) authenticator(method string) string {
	if p.authenticators == nil {
		return ""
	}
	return p.authenticators.procedures[method]
}

// keeps reports whether a session that has joined under another policy may stay under this one. A secret that has
// changed does not matter: it was asked for when the session joined.
func (p *policy) permits(s *session, before *policy) bool {
	role, method := p.roles[s.role().Name()], s.authmethod
	if method == byCookie {
		method = s.proved
	}
	switch {
	case role == nil:
		return false
	case s.authmethod == byTransport:
		return true
	case s.authprovider == dynamicProvider:
		return p.authenticator(method) != "" && p.authenticator(method) == before.authenticator(method)
	case s.authmethod == "anonymous":
		return p.anonymousBy(s.conn.Transport()) == role
	}
	id := auth.Identity{Authid: s.authid, Role: role.Name(), Method: method}
	return p.principals != nil && p.principals.Has(id, s.conn.Transport())
}
