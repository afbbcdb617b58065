package edge

import (
	"bytes"
	"time"

	"runnel/edge/auth"
	"runnel/edge/budget"
	"runnel/edge/codec"
	"runnel/edge/durable"
	"runnel/edge/store"
	"runnel/edge/wamp"
)

// Durable subscriptions (package durable). A durable subscription marks its topic or pattern in the table of
// subscriptions. A PUBLISH therefore finds it together with the subscribers, and passes the event to the realm's store.
// Its consumers have seats outside the table: they get the event from the store, by way of a courier (courier.go).
// PUBLISHED waits until the event is on disk.

// DurableRule declares a durable subscription.
type DurableRule = durable.Rule

// openEvents opens the store of durable subscriptions. It always succeeds, and logs unreadable data.
func (s *state) openEvents(m *realm, dir string, size int64) {
	acks := &m.acknowledgements
	events, err := durable.Open(durable.Config{
		Directory: dir, Limit: size, Interval: min(m.router.options().StateSync, time.Second), Log: m.log, ReadOptions: readKeptOptions,
		Committed: func(batch []durable.Waiter, err error) { acks.committed(m.router, batch, err) },
		Report:    s.reportEvents,
		Keep:      func(octets int) bool { return m.router.options().Memory.Keep(budget.Durable, octets) },
		Free:      func(octets int) { m.router.options().Memory.Drop(budget.Durable, octets) },
		Found: func(p durable.Publication) {
			acks.restoreOrigin(p)
			m.histories.Restore(p.Event, p.At, p.End, p.Position)
		},
		Needed:  m.histories.Needed,
		Release: func(first, last uint64, lost bool) bool { return s.release(m, first, last, lost) },
		After:   m.histories.Last(),
	})
	if s.reportEvents(err); err == nil {
		s.events = events
	}
}

// reportEvents records the result of a write or sync, and logs when failures begin and end.
func (s *state) reportEvents(err error) {
	switch was := s.disk.Trouble().Set("durable events", err); {
	case err != nil && !was:
		s.disk.Log.Error("cannot store durable events; publishers that wait for them get an error", "err", err)
	case err == nil && was:
		s.disk.Log.Info("durable events are stored again")
	}
}

// restoreOrigin records that a stored event was routed: the router may have been killed before it recorded that.
func (a *acknowledgements) restoreOrigin(p durable.Publication) {
	if !bytes.Contains(p.Dict.Raw, []byte(wamp.KeyOrigin)) {
		return
	}
	key, sequence, err := readOrigin(p.Dict, true)
	if err != nil {
		return
	}
	switch {
	case key.Authid != "": // it was published by an internal session
	case p.Anonymous:
		key.Authid = durable.RoleOwner(p.Publisher.Authrole)
	default:
		key.Authid = p.Publisher.Authid
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.routed.Add(key, sequence)
}

// durables returns the store of durable subscriptions; nil if the realm has none.
func (m *realm) durables() *durable.Store {
	if m.state == nil {
		return nil
	}
	return m.state.events
}

// openDurables begins to keep events for the subscriptions of an earlier run, and for the declared ones.
func (m *realm) openDurables(rules []DurableRule) {
	if s := m.durables(); s != nil {
		for _, d := range s.All() {
			m.keepFor(d)
		}
		m.declareDurables(rules)
	}
}

// declareDurables replaces the declared subscriptions. The caller holds updating, once the realm is open.
func (m *realm) declareDurables(rules []DurableRule) {
	s := m.durables()
	if s == nil {
		if len(rules) > 0 {
			m.log.Error("durable subscriptions are not available: the realm has no directory, or the directory cannot be read")
		}
		return
	}
	if err := s.Declare(rules, m.keepFor); err != nil {
		m.log.Error("cannot set up a declared durable subscription", "err", err)
	}
}

// keepFor begins to keep the events of a durable subscription.
func (m *realm) keepFor(d *durable.Subscription) {
	t := turns.Get().(*turn)
	m.mu.Lock()
	d.SetID(m.nextID())
	m.markDurable(t, d, 1)
	m.mu.Unlock()
	t.endDetached(m.router)
}

// markDurable changes the number of durable subscriptions to a topic or pattern. The meta events announce a subscriber with a
// made-up session id, which stays. By it, a session that forwards to another router learns that the events are wanted even
// while there are no consumers. The caller holds mu.
func (m *realm) markDurable(t *turn, d *durable.Subscription, change int) {
	uri, match := d.Pattern()
	next := subscription{uri: uri, match: match}
	sub, known := m.topics.Get(match, uri)
	if known {
		next = *sub
	} else {
		next.id, next.created = m.nextID(), time.Now()
	}
	m.confirming.Add(int32(change))
	stays := &session{id: wamp.NewID()}
	if next.durables += change; !next.wanted() {
		m.topics.Remove(match, uri)
		m.announceUnsubscribe(t, stays, &next, true)
		return
	}
	m.topics.Set(match, uri, &next)
	if change > 0 {
		m.announceSubscribe(t, stays, &next, !known)
	}
}

// removeDurable ends a durable subscription and those of its consumers.
func (m *realm) removeDurable(t *turn, d *durable.Subscription) error {
	if err := d.Remove(); err != nil {
		return refusal{wamp.InvalidArgument, err.Error()}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.markDurable(t, d, -1)
	for _, s := range m.members {
		if place := s.subscriptions[d.ID()]; place != nil {
			m.revokeSeat(t, place, wamp.ReasonDropped)
		}
	}
	return nil
}

// keep passes the event to the durable subscriptions and histories among those that have matched. The histories share one copy. An
// event whose lists name sessions is not kept, because session ids mean nothing later. mu may be held.
func (t *turn) keep(m *realm, d *delivery, matched []*subscription) {
	if d.kept = true; d.Filter.BySession() {
		return
	}
	p, durables := durable.Publication{Event: &d.Event, Origin: d.options.origin, Plain: d.options.plain}, 0
	var past *store.PastEvent
	for _, sub := range matched {
		durables += sub.durables
		if sub.history != nil && past == nil {
			past = store.NewPastEvent(p.Event)
			p.At = past.At
		}
	}
	if durables > 0 {
		t.store(m, d, &p)
	}
	if past == nil {
		return
	}
	for _, sub := range matched {
		if sub.history != nil {
			sub.history.Record(past, p.Position)
		}
	}
}

// store passes the event to the store of durable subscriptions.
func (t *turn) store(m *realm, d *delivery, p *durable.Publication) {
	s := m.durables()
	if s == nil {
		return
	}
	var waiter durable.Waiter
	w := m.acknowledgements.awaitCommit(d)
	if w != nil {
		waiter = w
	}
	p.Consumer = d.session != nil && len(d.session.durableSeats()) > 0
	p.Anonymous = d.receipt != nil && d.receipt.publisher.isAnonymous() // used only with an origin, which needs a receipt
	if err := s.Put(p, waiter); err != nil && w != nil {
		m.acknowledgements.fail(t, w, notStored(err))
	}
}

func notStored(err error) refusal {
	return refusal{wamp.Unavailable, "cannot store the event for a durable subscription: " + err.Error()}
}

// awaitCommit withholds PUBLISHED until the event is on disk. It returns nil if the publisher does not wait.
func (a *acknowledgements) awaitCommit(d *delivery) *withheld {
	if d.receipt == nil {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	w := d.receipt.withheld
	if w == nil {
		w = &withheld{id: d.ID}
		d.receipt.withheld = w
		a.hold(d.receipt.publisher, d.receipt.request, w)
	}
	w.missing++
	return w
}

// committed resolves the acknowledgements of publications that the store has written, or could not write.
func (a *acknowledgements) committed(r *Router, batch []durable.Waiter, err error) {
	t := turns.Get().(*turn)
	a.mu.Lock()
	for _, waiter := range batch {
		w := waiter.(*withheld)
		if err != nil {
			a.resolve(t, w, outcome{err: notStored(err)})
		} else {
			a.countAnswer(t, w)
		}
	}
	a.mu.Unlock()
	t.endDetached(r)
}

// subscribeDurably answers a SUBSCRIBE with the option _durable. It waits for the disk if the subscription is new.
func (s *session) subscribeDurably(t *turn, m *codec.Message, o *subscribeOptions, uri string) error {
	if err := o.durable.Check(); err != nil {
		return refusal{wamp.InvalidArgument, err.Error()}
	}
	for {
		role := s.role()
		grant, err := s.permittedPattern(t, question{auth.Subscribe, o.match, uri}, m.Dict)
		if err != nil {
			return err
		}
		d, err := s.durable(t, o, uri) // a new one if the last was removed meanwhile
		if err != nil {
			return err
		}
		place := &seat{session: s, uri: uri, match: o.match, role: role, subscription: d.ID()}
		place.guarded.Store(grant.partly)
		place.granted.Store(grant.asked)
		place.courier = &courier{seat: place, as: subscription{id: d.ID(), uri: uri, match: o.match}}
		if o.durable.Origin {
			place.courier.origin = o.durable.Name
		}
		if err := s.realm.attachCourier(t, place, d, o.durable, m.Request); err != errOutdated {
			return err
		}
	}
}

// noDurables is the answer of a router that has no store, or could not open it.
const noDurables = "durable subscriptions need a data directory; set data in [node], and see the router's log"

// durable returns the durable subscription that the options name, which may be a new one.
func (s *session) durable(t *turn, o *subscribeOptions, uri string) (*durable.Subscription, error) {
	all := s.realm.durables()
	if all == nil {
		return nil, refusal{wamp.Unavailable, noDurables}
	}
	owner := s.numberingOwner()
	d := all.Find(owner, o.durable.Name)
	if d == nil {
		if !s.role().Durable() {
			return nil, refusal{wamp.NotAuthorized, durable.ErrNone.Error()}
		}
		t.flush() // the disk may be slow
		rule := DurableRule{Owner: owner, Name: o.durable.Name, URI: uri, Match: o.match, MaxAge: o.durable.MaxAge.Limit}
		var err error
		if d, _, err = all.Create(rule, o.durable.Start, s.realm.keepFor); err != nil {
			return nil, refusal{wamp.Unavailable, err.Error()}
		}
	}
	if topic, match := d.Pattern(); topic != uri || match != o.match {
		return nil, refusal{wamp.InvalidArgument, d.Mismatch().Error()}
	}
	d.Bound(o.durable.MaxAge)
	return d, nil
}

// durableStates returns the state of all durable subscriptions.
func (m *realm) durableStates() (list []durable.State) {
	if s := m.durables(); s != nil {
		for _, d := range s.All() {
			list = append(list, d.State())
		}
	}
	return list
}
