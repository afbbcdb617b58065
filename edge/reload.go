package edge

import (
	"errors"
	"fmt"
	"maps"

	"runnel/edge/auth"
	"runnel/edge/store"
	"runnel/edge/wamp"
)

// A router whose configuration has changed goes on: realms come and go, and get another policy, while the sessions that
// the change does not concern notice nothing.

// errOutdated is that the role by which a session was allowed a seat has been replaced meanwhile: it is to be asked again.
var errOutdated = errors.New("the role has changed")

// Update replaces what the router's options bound. Log, Agent, StateSync, Cookies and Reports stay, and sessions that there are keep their
// outboxes. What is beyond a new bound already stays as well: the next one is refused.
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

// CheckRealm returns the error that AddRealm or UpdateRealm would have for these options, whether the realm is there or not.
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

// UpdateRealm replaces who may join a realm and what they may do there, Anonymous, Roles, Principals and Authenticators,
// and its History and Confirmed; State stays as it is. Strict is for sessions that join from now on: a session's request ids are in
// sequence from the first, or not. All else counts from its return on for the sessions that there are, too: what they
// subscribe to or have registered and may no longer is revoked, and those whose principal or role is gone get GOODBYE.
// What a history that is no more has on disk is left there. On an error nothing has changed.
//
// What an authorizer has allowed stays allowed while the role's authorizer is the same. What only an authorizer could
// allow now is revoked: the session that asks for it again has it asked.
func (r *Router) UpdateRealm(opts RealmOptions) error {
	m := r.realm([]byte(opts.Name))
	if m == nil {
		return fmt.Errorf("update realm %s: there is none of this name", opts.Name)
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
	return nil
}

// checkRules says what is wrong with the rules of a realm.
func checkRules(opts *RealmOptions) error {
	if err := store.CheckRules(opts.History, opts.Strict); err != nil {
		return err
	}
	return checkConfirmed(opts.Confirmed, opts.Strict)
}

// RemoveRealm ends the sessions of a realm with GOODBYE wamp.close.close_realm, and the realm. It returns when they are
// gone and what the realm keeps is on disk.
func (r *Router) RemoveRealm(name string) error {
	r.mu.Lock()
	m := r.realms[name]
	delete(r.realms, name)
	r.mu.Unlock()
	if m == nil {
		return fmt.Errorf("remove realm %s: there is none of this name", name)
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

// freeMemory frees the memory of what a realm that is no more kept.
func (m *realm) freeMemory() {
	m.updating.Lock()
	defer m.updating.Unlock()
	for _, h := range m.histories {
		h.Drop()
	}
	m.retained.Drop()
}

// CloseSessions ends the sessions whose connections are chosen, with GOODBYE, and closes the connections that have no session yet.
// It does not wait for them to be gone. It returns how many sessions there were.
func (r *Router) CloseSessions(choose func(*wamp.Transport) bool, reason wamp.Failure, message string) (sessions int) {
	r.mu.Lock()
	realms := r.list()
	for conn := range r.joining {
		if choose(conn.Transport()) {
			go conn.Close() // may wait for a write that is under way
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
		p.authenticators = a // so that strangers see the same as before
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
		s.log().Info("session may not stay: its principal or its role is gone")
		s.kill(wamp.CloseKilled, "who you are, or your role, is no longer known here")
	}
}

// revalidate looks whether the session that is about to join may do so under the realm's policy of now. Holds mu.
func (m *realm) revalidate(s *session) error {
	now := m.policy.Load()
	if s.policy != now {
		if !now.permits(s, s.policy) {
			return refusal{wamp.NotAuthorized, "the realm has just changed who may join"}
		}
		s.rights.Store(now.roles[s.role().Name()])
		s.strict = now.strict
	}
	s.policy = nil
	if !s.cookieValid() {
		return refusal{wamp.NotAuthorized, "the cookie has just been forgotten"}
	}
	return nil
}

// stripRights leaves the session without rights until it is gone. Holds mu.
func (m *realm) stripRights(t *turn, s *session) {
	s.rights.Store(auth.NewRole(s.role().Name(), nil))
	m.dropSubscriptions(t, s)
	m.dropRegistrations(t, s)
}

// reasonRevoked is the reason of what is revoked, for those who announced that they understand it.
const reasonRevoked = "no longer permitted"

// applyRole gives the session its role anew and revokes what that does not allow. Holds mu.
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

// stopJoining lets nobody in any more.
func (m *realm) stopJoining() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.closed {
		m.closed = true
		close(m.asks.closed)
	}
}
