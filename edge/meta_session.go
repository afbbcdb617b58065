package edge

import (
	"fmt"
	"slices"

	"runnel/edge/auth"
	"runnel/edge/codec"
	"runnel/edge/wamp"
)

// details returns the session's details for the meta API.
func (s *session) details() map[string]any {
	return map[string]any{
		"session":      s.id,
		"authid":       s.authid,
		"authrole":     s.role().Name(),
		"authmethod":   s.authmethod,
		"authprovider": s.authprovider,
		"transport":    s.conn.Transport().Details(),
	}
}

// errInternal refuses to act on an internal session, because others rely on it.
var errInternal = refusal{wamp.NotAuthorized, "the session is a part of the router"}

// clients returns the members that are not internal.
func (m *realm) clients() []*session { return slices.DeleteFunc(m.sessions(), (*session).internal) }

// filtered returns the clients whose role is in the call's first argument, an optional list.
func (c *metaCall) filtered() ([]*session, error) {
	members := c.realm.clients()
	if !isGiven(c.arg(0)) {
		return members, nil
	}
	roles, ok := rolesOf(c.arg(0))
	if !ok {
		return nil, refusal{wamp.InvalidArgument, fmt.Sprintf("argument 1 must be a list of at most %d roles", maxRoles)}
	}
	return slices.DeleteFunc(members, func(s *session) bool { return !slices.Contains(roles, s.role().Name()) }), nil
}

// maxRoles is how many roles one call may name.
const maxRoles = 256

func rolesOf(v codec.Value) (roles []string, ok bool) {
	list, ok := v.Items()
	for ok && list.Next() {
		role := ""
		if role, ok = textOf(list.Value()); len(roles) == maxRoles {
			return nil, false
		}
		roles = append(roles, role)
	}
	return roles, ok
}

func (c *metaCall) sessionCount() ([]any, error) {
	members, err := c.filtered()
	return []any{len(members)}, err
}

func (c *metaCall) sessionList() ([]any, error) {
	members, err := c.filtered()
	return []any{ids(members)}, err
}

func ids(members []*session) []any {
	list := make([]any, 0, len(members))
	for _, s := range members {
		list = append(list, s.id)
	}
	return list
}

// member returns the session whose id is the call's first argument.
func (c *metaCall) member() (*session, error) {
	id, err := c.id(0)
	if err != nil {
		return nil, err
	}
	c.realm.mu.Lock()
	defer c.realm.mu.Unlock()
	if s := c.realm.members[id]; s != nil {
		return s, nil
	}
	return nil, wamp.NoSuchSession
}

func (c *metaCall) sessionKill() ([]any, error) {
	s, err := c.member()
	if err == nil && s == c.caller {
		err = wamp.NoSuchSession // a session cannot kill itself
	}
	if err == nil && s.internal() {
		err = errInternal
	}
	if err != nil {
		return nil, err
	}
	_, err = c.kill(func(member *session) bool { return member == s }, nil)
	return nil, err
}

func (c *metaCall) sessionKillByAuthid() ([]any, error) {
	authid, err := c.text(0)
	if err != nil {
		return nil, err
	}
	killed, err := c.kill(func(s *session) bool { return s.authid == authid }, func(id auth.Identity) bool { return id.Authid == authid })
	return []any{ids(killed)}, err
}

func (c *metaCall) sessionKillByAuthrole() ([]any, error) {
	role, err := c.text(0)
	if err != nil {
		return nil, err
	}
	killed, err := c.kill(func(s *session) bool { return s.role().Name() == role }, func(id auth.Identity) bool { return id.Role == role })
	return []any{len(killed)}, err
}

func (c *metaCall) sessionKillAll() ([]any, error) {
	killed, err := c.kill(func(*session) bool { return true }, func(auth.Identity) bool { return true })
	return []any{len(killed)}, err
}

// kill kills the chosen sessions of other clients, with the reason and the message of the call. First it ends their cookies,
// and the cookies of the identities that known chooses, whether they are connected or not. known may be nil.
func (c *metaCall) kill(choose func(*session) bool, known func(auth.Identity) bool) ([]*session, error) {
	reason, message := string(wamp.CloseKilled), ""
	if v := c.keyword("reason"); isGiven(v) {
		if reason, _ = textOf(v); !wamp.ValidURI(reason, wamp.Exact, c.caller.strict) {
			return nil, wamp.InvalidURI
		}
	}
	if v := c.keyword("message"); isGiven(v) {
		text, ok := textOf(v)
		if !ok {
			return nil, refusal{wamp.InvalidArgument, "message must be a string"}
		}
		message = text
	}
	if known != nil {
		c.caller.forgetCookies(known)
	}
	var killed []*session
	for _, s := range c.realm.clients() {
		if s != c.caller && choose(s) {
			s.forgetOwnCookie()
			s.kill(wamp.Failure(reason), message)
			killed = append(killed, s)
		}
	}
	return killed, nil
}
