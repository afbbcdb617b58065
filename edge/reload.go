package edge

import (
	"errors"
	"fmt"
	"maps"

	"runnel/edge/auth"
	"runnel/edge/durable"
	"runnel/edge/store"
	"runnel/edge/wamp"
)

// A change of the configuration does not restart the router. Realms are added, removed, or get another policy. Sessions
// that are not affected do not notice it.

// errOutdated means that the session's role changed while a request was checked. The request must be checked again.
var errOutdated = errors.New("the role changed during the request")

// Update replaces the limits in the router's options. Log, Agent, StateSync, Cookies and Reports do not change. Present
// sessions keep the sizes of their outboxes. Whatever already exceeds a new limit stays; only additions are rejected.
func (r *Router) Update(opts Options) {
	old := r.options()
	opts.Log, opts.Agent, opts.StateSync, opts.Cookies, opts.Reports, opts.Memory = old.Log, old.Agent, old.StateSync, old.Cookies, old.Reports, old.Memory
	opts = opts.withDefaults()
	r.opts.Store(&opts)
	r.mu.Lock()
	realms := r.list()
	r.mu.Unlock()
	for _, m := range realms {
		m.retained.SetLimit(opts.MaxRetained)
	}
}

// CheckRealm returns the error that AddRealm or UpdateRealm would return for opts. It does not check whether the realm exists.
func (r *Router) CheckRealm(opts RealmOptions) error {
	if !wamp.ValidURI(opts.Name, wamp.Exact, false) {
		return fmt.Errorf("realm %q: not a URI", opts.Name)
	}
	if _, err := newPolicy(&opts); err != nil {
		return fmt.Errorf("realm %s: %w", opts.Name, err)
	}
	if err := checkRules(&opts); err != nil {
		return fmt.Errorf("realm %s: %w", opts.Name, err)
	}
	return nil
}

// UpdateRealm replaces the policy of a realm (Anonymous, Roles, Principals and Authenticators), and its History and
// Confirmed. State does not change. Strict applies to sessions that join from now on, because it concerns all request
// ids of a session. Everything else also applies to the current sessions as soon as UpdateRealm returns. Subscriptions
// and registrations that are no longer permitted are revoked. Sessions whose principal or role was removed get GOODBYE.
// The files of a removed history are not deleted. If UpdateRealm returns an error, nothing has changed.
//
// Decisions of an authorizer stay valid while the role has the same authorizer. If the authorizer changes, subscriptions and
// registrations that depend on it are revoked. If the session requests them again, the new authorizer decides.
func (r *Router) UpdateRealm(opts RealmOptions) error {
	m := r.realm([]byte(opts.Name))
	if m == nil {
		return fmt.Errorf("update realm %s: no such realm", opts.Name)
	}
	p, err := newPolicy(&opts)
	if err == nil {
		err = checkRules(&opts)
	}
	if err != nil {
		return fmt.Errorf("update realm %s: %w", opts.Name, err)
	}
	m.updating.Lock()
	defer m.updating.Unlock()
	m.setPolicy(p)
	if jar := m.router.options().Cookies; jar != nil {
		jar.Keep(m.name, func(id auth.Identity) bool { return p.basis(id) != nil })
	}
	m.updateHistories(opts.History)
	m.requireConfirmation(opts.Confirmed)
	m.declareDurables(opts.Durable)
	return nil
}

// checkRules validates the rules in the options of a realm.
func checkRules(opts *RealmOptions) error {
	if err := store.CheckRules(opts.History, opts.Strict); err != nil {
		return err
	}
	if err := durable.CheckRules(opts.Durable, opts.Strict); err != nil {
		return err
	}
	return checkConfirmed(opts.Confirmed, opts.Strict)
}

// RemoveRealm closes the sessions of a realm with GOODBYE wamp.close.close_realm, and removes the realm. It returns
// when the sessions have ended and the realm's state is on disk.
func (r *Router) RemoveRealm(name string) error {
	r.mu.Lock()
	m := r.realms[name]
	delete(r.realms, name)
	r.mu.Unlock()
	if m == nil {
		return fmt.Errorf("remove realm %s: no such realm", name)
	}
	m.stopJoining()
	for _, s := range m.sessions() {
		s.kill(wamp.CloseRealm, "the realm is no longer served")
	}
	m.present.Wait()
	closeStates([]*realm{m})
	m.freeMemory()
	return nil
}

// freeMemory frees the memory that a removed realm has charged.
func (m *realm) freeMemory() {
	m.updating.Lock()
	defer m.updating.Unlock()
	for _, h := range m.histories.All() {
		h.Drop()
	}
	m.retained.Drop()
}

// CloseSessions sends GOODBYE to the sessions whose connections choose selects, and closes selected connections that
// have no session yet. It does not wait for the end of the sessions. It returns their number.
func (r *Router) CloseSessions(choose func(*wamp.Transport) bool, reason wamp.Failure, message string) (sessions int) {
	r.mu.Lock()
	realms := r.list()
	for conn := range r.joining {
		if choose(conn.Transport()) {
			go conn.Close() // may wait for a running write
		}
	}
	r.mu.Unlock()
	for _, m := range realms {
		for _, s := range m.sessions() {
			if choose(s.conn.Transport()) {
				s.kill(reason, message)
				sessions++
			}
		}
	}
	return sessions
}

// setPolicy replaces the realm's policy.
func (m *realm) setPolicy(p *policy) {
	t := turns.Get().(*turn)
	var gone []*session
	m.mu.Lock()
	before := m.policy.Load()
	if a := before.authenticators; a != nil && p.authenticators != nil && maps.Equal(a.procedures, p.authenticators.procedures) {
		p.authenticators = a // keeps the decoys of unknown authids the same
	}
	m.policy.Store(p)
	for _, s := range m.members {
		if p.permits(s, before) {
			m.applyRole(t, s, p.roles[s.role().Name()])
		} else {
			m.stripRights(t, s)
			gone = append(gone, s)
		}
	}
	m.mu.Unlock()
	t.endDetached(m.router)
	for _, s := range gone {
		s.log().Info("session killed: principal or role removed")
		s.kill(wamp.CloseKilled, "the principal or role of this session was removed")
	}
}

// revalidate checks that a session that is about to join may do so under the realm's present policy. The caller holds mu.
func (m *realm) revalidate(s *session) error {
	now := m.policy.Load()
	if s.policy != now {
		if !now.permits(s, s.policy) {
			return refusal{wamp.NotAuthorized, "the policy of the realm changed during the join; join again"}
		}
		s.rights.Store(now.roles[s.role().Name()])
		s.strict = now.strict
	}
	s.policy = nil
	if !s.cookieValid() {
		return refusal{wamp.NotAuthorized, "the cookie became invalid during the join; join again"}
	}
	return nil
}

// stripRights takes all permissions from a session that is about to end. The caller holds mu.
func (m *realm) stripRights(t *turn, s *session) {
	s.rights.Store(auth.NewRole(s.role().Name(), nil))
	m.dropSubscriptions(t, s)
	m.dropRegistrations(t, s)
}

// reasonRevoked is the reason sent with revocations.
const reasonRevoked = "no longer permitted"

// applyRole gives the session its new role, and revokes subscriptions and registrations that the role does not allow.
// The caller holds mu.
func (m *realm) applyRole(t *turn, s *session, role *auth.Role) {
	before := s.role()
	s.rights.Store(role)
	asks := role.Authorizer() != "" && role.Authorizer() == before.Authorizer()
	for _, place := range s.subscriptions {
		allowed, partly := role.DecidePattern(auth.Subscribe, place.uri, place.match)
		granted := !allowed && asks && place.granted.Load() && !role.Covers(place.uri, place.match)
		if !allowed && !granted {
			m.revokeSeat(t, place, reasonRevoked)
			continue
		}
		place.guarded.Store(partly)
		place.granted.Store(granted)
	}
	for _, seat := range s.registrations {
		allowed, partly := role.DecidePattern(auth.Register, seat.uri, seat.match)
		granted := !allowed && asks && seat.granted && !role.Covers(seat.uri, seat.match)
		if partly || !allowed && !granted {
			m.revokeCallee(t, seat, reasonRevoked)
		}
	}
}

// stopJoining rejects further sessions.
func (m *realm) stopJoining() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.closed {
		m.closed = true
		close(m.asks.closed)
	}
}
