package edge

import (
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"

	"runnel/edge/logbook"
	"runnel/edge/store"
	"runnel/edge/wamp"
)

// realm is a routing domain with its sessions, topics and procedures.
type realm struct {
	// Static after construction.
	router *Router
	name   string
	log    *slog.Logger
	asks   asks
	state  *state // nil: nothing is stored on disk

	askFailures logbook.Throttle // limits the log lines about procedures that the router calls

	// Read without a lock, changed under mu.
	policy     atomic.Pointer[policy]
	topics     topics
	procedures procedures
	fallbacks  procedures // see fallback.go

	updating  sync.Mutex      // held while the realm's options are replaced
	histories store.Histories // changed under updating once the realm is open
	confirmed []ConfirmRule   // guarded by updating once the realm is open

	pending    pending
	confirming atomic.Int32 // number of confirming seats and durable subscriptions; changed under mu

	acknowledgements acknowledgements

	patiences  patiences       // for slow members
	retained   *store.Retained // static
	reflection reflection

	mu      sync.Mutex // held by writers
	lastID  wamp.ID    // of a subscription or registration
	members map[wamp.ID]*session
	above   map[*upstream][]wamp.Node // routers that parts of this process connect the realm to
	closed  bool                      // no session may join
	present sync.WaitGroup            // one for each member, until it has left completely
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
	m.acknowledgements.routed.MaxOctets = r.options().Memory.Limit() / 32
	m.retained = store.NewRetained(r.options().MaxRetained, m.log, r.options().Memory)
	return m, nil
}

// join admits s.
func (m *realm) join(s *session) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return wamp.CloseShutdown
	}
	if m.members[s.id] != nil { // random ids may collide; the peer may have signed its id, so it is not replaced
		return wamp.Unavailable
	}
	if err := m.revalidate(s); err != nil {
		return err
	}
	if rival := m.conflicting(s); rival != nil {
		return rivalry{rival}
	}
	m.members[s.id] = s
	m.present.Add(1)
	return nil
}

// remove removes s from the tables and fails its calls.
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

// sessions returns the current members.
func (m *realm) sessions() []*session {
	m.mu.Lock()
	defer m.mu.Unlock()
	list := make([]*session, 0, len(m.members))
	for _, s := range m.members {
		list = append(list, s)
	}
	return list
}

// close stops sessions from joining, and sends GOODBYE to all members.
func (m *realm) close(reason wamp.Failure) {
	m.stopJoining()
	for _, s := range m.sessions() {
		s.sendGoodbye(reason, "")
	}
}

// nextID returns an id for a subscription or registration, which the router may choose (basic/building_blocks.md, "IDs"). Ids stay
// within 32 bits: JavaScript's cbor-x and msgpackr encode larger integers as floats, which are not valid ids. The first id is
// random, so that ids from before a restart are not valid by accident. The caller holds mu.
func (r *realm) nextID() wamp.ID {
	if r.lastID == 0 || r.lastID >= 1<<32-1 {
		r.lastID = rand.Uint64N(1 << 31)
	}
	r.lastID++
	return r.lastID
}
