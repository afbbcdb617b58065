package edge

import (
	"log/slog"
	"sync"
	"sync/atomic"

	"runnel/edge/auth"
	"runnel/edge/wamp"
)

// realm is a routing domain: its members, its topics and its procedures.
type realm struct {
	// Static after construction.
	router     *Router
	name       string
	strict     bool
	anonymous  *auth.Role // nil: anonymous sessions are refused
	roles      map[string]*auth.Role
	principals *auth.Principals // nil: there are none
	log        *slog.Logger
	asks       asks
	histories  []*history
	state      *state // nil: nothing is kept on disk

	authenticators *authenticators
	trouble        throttle // of the procedures that are asked

	// The tables are read without a lock and replaced under mu.
	topics     atomic.Pointer[topics]
	procedures atomic.Pointer[procedures]

	pending    pending
	retention  retention
	reflection reflection

	mu      sync.Mutex // the writers' lock
	members map[wamp.ID]*session
	closed  bool // no one may join
}

func newRealm(r *Router, opts RealmOptions) *realm {
	m := &realm{
		router:     r,
		name:       opts.Name,
		principals: opts.Principals,
		strict:     opts.Strict,
		roles:      make(map[string]*auth.Role),
		members:    make(map[wamp.ID]*session),
		log:        r.opts.Log.With("realm", opts.Name),
		asks:       newAsks(),
	}
	for _, role := range opts.Roles {
		m.roles[role.Name()] = role
	}
	m.anonymous = m.roles[opts.Anonymous]
	m.retention.max = r.opts.MaxRetained
	m.topics.Store(&topics{})
	m.procedures.Store(&procedures{})
	return m
}

// join admits s.
func (m *realm) join(s *session) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return wamp.CloseShutdown
	}
	if m.members[s.id] != nil { // one in 2^53 for each member; its id may be part of what the peer has signed
		return wamp.Unavailable
	}
	m.members[s.id] = s
	return nil
}

// leave takes s out of the tables and fails the calls it was part of.
func (m *realm) leave(s *session) {
	t := turns.Get().(*turn)
	m.mu.Lock()
	delete(m.members, s.id)
	m.dropSubscriptions(t, s)
	m.dropRegistrations(t, s)
	m.mu.Unlock()
	m.pending.leave(t, s)
	for _, what := range m.reflection.leave(s) {
		m.announce(t, "wamp.reflect.on_undefine", what.uri, what.kind)
	}
	s.publishTestaments(t)
	m.announce(t, "wamp.session.on_leave", s.id, s.authid, s.role.Name())
	t.abandon(m.router)
}

// sessions returns the members of now.
func (m *realm) sessions() []*session {
	m.mu.Lock()
	defer m.mu.Unlock()
	list := make([]*session, 0, len(m.members))
	for _, s := range m.members {
		list = append(list, s)
	}
	return list
}

// close lets nobody in any more and asks all members to leave.
func (m *realm) close(reason wamp.Failure) {
	m.mu.Lock()
	if !m.closed {
		m.closed = true
		close(m.asks.over)
	}
	m.mu.Unlock()
	for _, s := range m.sessions() {
		s.end(reason, "")
	}
}
