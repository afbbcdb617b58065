package edge

import (
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"

	"runnel/edge/store"
	"runnel/edge/wamp"
)

// realm is a routing domain: its members, its topics and its procedures.
type realm struct {
	// Static after construction.
	router *Router
	name   string
	log    *slog.Logger
	asks   asks
	state  *state // nil: nothing is kept on disk

	askFailures throttle // bounds the log lines about procedures that the router calls

	// These are read without a lock and replaced under mu.
	policy     atomic.Pointer[policy]
	topics     atomic.Pointer[topics]
	procedures atomic.Pointer[procedures]
	fallbacks  atomic.Pointer[procedures] // see fallback.go

	updating  sync.Mutex       // held while the realm is updated
	histories []*store.History // guarded by updating, and by nothing before the realm opens
	confirmed []ConfirmRule    // likewise

	pending    pending
	confirming atomic.Int32 // seats that confirm; replaced under mu

	acknowledgements acknowledgements

	patiences  patiences       // for the slow among its members
	retained   *store.Retained // static
	reflection reflection

	mu      sync.Mutex // the writers' lock
	lastID  wamp.ID    // of subscriptions and registrations
	members map[wamp.ID]*session
	above   map[*upstream][]wamp.Node // the routers that parts of this process lead to
	closed  bool                      // no one may join
	present sync.WaitGroup            // the members, until they have left for good
}

func newRealm(r *Router, opts RealmOptions) (*realm, error) {
	m := &realm{
		router:  r,
		name:    opts.Name,
		members: make(map[wamp.ID]*session),
		log:     r.options().Log.With("realm", opts.Name),
		asks:    newAsks(),
	}
	p, err := newPolicy(&opts)
	if err != nil {
		return nil, err
	}
	m.policy.Store(p)
	m.retained = store.NewRetained(r.options().MaxRetained, m.log, r.options().Memory)
	m.topics.Store(&topics{})
	m.procedures.Store(&procedures{})
	m.fallbacks.Store(&procedures{})
	return m, nil
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
	if err := m.revalidate(s); err != nil {
		return err
	}
	if rival := m.rival(s); rival != nil {
		return rivalry{rival}
	}
	m.members[s.id] = s
	m.present.Add(1)
	return nil
}

// remove takes s out of the tables and fails the calls it was part of.
func (m *realm) remove(s *session) {
	defer m.present.Done()
	t := turns.Get().(*turn)
	m.mu.Lock()
	delete(m.members, s.id)
	m.dropSubscriptions(t, s)
	m.dropRegistrations(t, s)
	m.mu.Unlock()
	m.pending.endCalls(t, s)
	m.acknowledgements.removeSession(t, s)
	for _, what := range m.reflection.removeAll(s) {
		m.announce(t, "wamp.reflect.on_undefine", what.uri, what.kind)
	}
	s.publishTestaments(t)
	m.announce(t, "wamp.session.on_leave", s.id, s.authid, s.role().Name())
	t.endDetached(m.router)
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
	m.stopJoining()
	for _, s := range m.sessions() {
		s.sendGoodbye(reason, "")
	}
}

// nextID numbers subscriptions and registrations, whose ids the router may choose (basic/building_blocks.md, "IDs"). They
// stay within 32 bits: JavaScript's cbor-x and msgpackr write a longer integer as a float, which is no id. The first is
// random, so that an id of a former life means nothing. Holds mu.
func (r *realm) nextID() wamp.ID {
	if r.lastID == 0 || r.lastID >= 1<<32-1 {
		r.lastID = rand.Uint64N(1 << 31)
	}
	r.lastID++
	return r.lastID
}
