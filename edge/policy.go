package edge

import (
	"fmt"

	"runnel/edge/auth"
	"runnel/edge/wamp"
)

// policy decides which peers may join a realm, and what they may do there. It is immutable: UpdateRealm replaces it.
type policy struct {
	strict         bool       // for sessions that join from now on
	anonymous      *auth.Role // nil: anonymous sessions need a role of their listener
	roles          map[string]*auth.Role
	principals     *auth.Principals // nil: none
	authenticators *authenticators  // nil: none
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
		return nil, fmt.Errorf("role of anonymous sessions %q: no such role in the realm", opts.Anonymous)
	}
	var err error
	p.authenticators, err = newAuthenticators(opts)
	return p, err
}

// anonymousBy returns the role of anonymous sessions of a listener: the listener's own if the realm has it, otherwise
// the realm's. nil means that they are rejected.
func (p *policy) anonymousBy(t *wamp.Transport) *auth.Role {
	if role := p.roles[t.Anonymous]; role != nil && t.Anonymous != "" {
		return role
	}
	return p.anonymous
}

// authenticator returns the procedure that decides about peers with the method; "" if there is none.
func (p *policy) authenticator(method string) string {
	if p.authenticators == nil {
		return ""
	}
	return p.authenticators.procedures[method]
}

// permits reports whether a session that joined under another policy may stay. A changed secret does not matter: it was
// checked when the session joined.
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
