package edge

import (
	"time"

	"runnel/edge/auth"
	"runnel/edge/buffers"
	"runnel/edge/codec"
	"runnel/edge/filter"
	"runnel/edge/store"
	"runnel/edge/wamp"
)

// publication is a PUBLISH that is being routed.
type publication struct {
	store.Event
	options publishOptions
	node    string // of the subscribers with a node key, only those with this one get the event; "": all
	kept    bool   // it was passed to the durable subscriptions and histories that keep it
}

// delivery is a publication that is being routed, with the state that the routing functions share.
type delivery struct {
	*publication
	session *session // of the publisher; nil: it is not known to be present
	mayWait bool     // no lock is held: the turn may flush outboxes and wait for slow peers
	receipt *receipt // nil: no subscriber may withhold PUBLISHED
}

// receipt says who gets the acknowledgement of a PUBLISH.
type receipt struct {
	publisher *session
	request   wamp.ID   // PUBLISH.Request
	withheld  *withheld // set once a subscriber has to confirm, or if the publication has an origin
}

func (s *session) asPublisher() store.Publisher {
	return store.Publisher{ID: s.id, Authid: s.authid, Authrole: s.role().Name()}
}

// publish routes a PUBLISH. It is answered only if it asks for an acknowledgement (basic/publish_subscribe.md).
func (s *session) publish(t *turn, m *codec.Message) error {
	options, err := readPublishOptions(m.Dict)
	if err != nil {
		return ifAcknowledged(options, err)
	}
	if options.passthru && !s.features.has(publisherPassthru) {
		return violation("PUBLISH in payload passthru mode, which the publisher did not announce")
	}
	if wamp.Reserved(m.Text) || !wamp.ValidURI(m.Text, wamp.Exact, s.strict) {
		return ifAcknowledged(options, wamp.InvalidURI)
	}
	if err := s.checkTopic(m.Text); err != nil {
		return ifAcknowledged(options, err)
	}
	disclose, err := s.permitted(t, auth.Publish, m.Text, m.Dict)
	if err != nil {
		return ifAcknowledged(options, err)
	}
	lists, err := readFilter(m.Dict, options.filtered)
	if err != nil {
		return ifAcknowledged(options, err)
	}
	if options.forwarded || options.origin {
		if options.forwarded, err = s.acceptForwarding(m, options.forwarded); err != nil {
			return ifAcknowledged(options, err)
		}
		if err = s.checkOwner(m.Dict, options); err != nil {
			return ifAcknowledged(options, err)
		}
		options.origin = options.origin && s.mayForward()
	}
	t.publication = publication{options: options, Event: store.Event{
		ID:        wamp.NewID(),
		Publisher: s.asPublisher(),
		Disclosed: disclose || options.discloseMe,
		Topic:     m.Text,
		Dict:      m.Dict,
		Payload:   m.Payload,
		ExcludeMe: options.excludeMe,
		Passthru:  options.passthru || options.noted,
		Forwarded: options.forwarded,
		TTL:       options.ttl,
		Filter:    lists,
	}}
	t.publication.Trust, t.publication.Trusted = s.role().Trust(m.Text)
	if options.acknowledge {
		return s.publishAcknowledged(t, m)
	}
	return s.route(t, &delivery{publication: &t.publication})
}

// route delivers a publication. If it returns no error, the EVENTs are in all outboxes.
func (s *session) route(t *turn, d *delivery) error {
	matched := t.match(s.realm, d.Topic)
	if d.options.acknowledge {
		if err := unconfirmed(matched); err != nil {
			return err
		}
	}
	t.count.publications++
	if d.options.retain {
		s.realm.retained.Keep(&d.Event)
	}
	d.session, d.mayWait = s, true
	t.publishMatched(s.realm, d, matched)
	return nil
}

// publishAcknowledged routes the turn's publication. It answers with PUBLISHED, at once or when all confirmers have answered.
func (s *session) publishAcknowledged(t *turn, m *codec.Message) error {
	r := s.realm
	if t.publication.options.origin {
		return s.publishOnce(t, m)
	}
	d := delivery{publication: &t.publication}
	if r.confirming.Load() > 0 {
		if err := r.acknowledgements.full(s); err != nil {
			return err
		}
		d.receipt = &receipt{publisher: s, request: m.Request}
	}
	if err := s.route(t, &d); err != nil {
		return err
	}
	if d.receipt != nil && d.receipt.withheld != nil {
		r.acknowledgements.delivered(t, d.receipt.withheld)
		return nil
	}
	return t.send(s, &codec.Message{Type: wamp.Published, Request: m.Request, ID: t.publication.ID})
}

func ifAcknowledged(o publishOptions, err error) error {
	if o.acknowledge {
		return err
	}
	return nil
}

// publish appends p to the outboxes of its receivers, with one EVENT for each subscription
// (advanced/pubsub_pattern_based_subscription.md).
func (t *turn) publish(m *realm, p *publication) {
	t.publishMatched(m, &delivery{publication: p}, t.match(m, p.Topic))
}

// match finds the subscriptions of a topic. The list is valid until the next call.
func (t *turn) match(m *realm, topic []byte) []*subscription {
	t.matched = m.topics.Match(topic, t.matched[:0])
	return t.matched
}

// publishMatched is publish for the subscriptions that match has found.
func (t *turn) publishMatched(m *realm, d *delivery, matched []*subscription) {
	p := d.publication
	for _, sub := range matched {
		if (sub.durables > 0 || sub.history != nil) && !p.kept {
			t.keep(m, d, matched)
		}
		for i := range t.frames {
			t.frames[i].state = stale
		}
		if p.options.resource != "" {
			p.node = sub.node(p.options.resource)
		}
		for _, chunk := range sub.seats {
			for _, seat := range chunk {
				t.deliver(sub, seat, d)
			}
		}
	}
}

// deliver appends an EVENT to the outbox of the session in a seat, if the session may receive it.
func (t *turn) deliver(sub *subscription, seat *seat, d *delivery) {
	p := d.publication
	if p.node != "" && seat.node != "" && seat.node != p.node || !mayReceive(&p.Event, seat) {
		return
	}
	asks := d.receipt != nil && seat.confirms.Load()
	if asks || (p.options.retain || p.options.origin) && seat.wantsRetained.Load() {
		t.deliverSingly(sub, seat, d, asks)
		return
	}
	peer := seat.session
	f := &t.frames[peer.serializer]
	if f.state == stale {
		t.encode(f, peer.serializer, sub, p)
	}
	if f.state == ready {
		t.count.events++
		t.append(seat, f.bytes, d.mayWait)
	}
}

// append appends an EVENT to the outbox of the peer in the seat. When memory is short, it flushes the outbox at once.
func (t *turn) append(place *seat, msg []byte, mayWait bool) {
	peer := place.session
	v, full := peer.out.appendEvent(place, msg)
	if v == noMemory {
		v, full = t.retryAppend(place, msg, mayWait)
	}
	t.noteAppend(peer, v, full)
	if v == needsFlush && mayWait && peer.out.account.Tight() {
		t.flush()
	}
}

// mayReceive reports whether the session in the seat may receive an event.
func mayReceive(e *store.Event, place *seat) bool {
	peer := place.session
	if peer.id == e.Publisher.ID && e.ExcludeMe {
		return false
	}
	if e.Filter != nil && !peer.admittedBy(e.Filter) {
		return false
	}
	return !place.guarded.Load() || place.mayReceiveTopic(e.Topic)
}

// admittedBy reports whether black and white lists admit the session.
func (s *session) admittedBy(lists *filter.Filter) bool {
	return lists.Admits(s.id, s.authid, s.role().Name())
}

// mayReceiveTopic reports whether the session in a guarded seat may receive the events of a topic.
func (s *seat) mayReceiveTopic(topic []byte) bool {
	if s.granted.Load() {
		return !s.session.role().Forbids(auth.Subscribe, topic)
	}
	allowed, _ := s.session.role().Decide(auth.Subscribe, topic)
	return allowed
}

// eventMessage makes the EVENT of e for the subscribers of sub, without its details.
func eventMessage(e *store.Event, sub *subscription) codec.Message {
	return codec.Message{Type: wamp.Event, ID: sub.id, Publication: e.ID, Payload: e.Payload}
}

// encode makes the EVENT of p for all subscribers of sub that use the serializer.
func (t *turn) encode(f *frame, serializer wamp.Serializer, sub *subscription, p *publication) {
	event := eventMessage(&p.Event, sub)
	if p.Disclosed || p.Trusted || sub.match != wamp.Exact || p.Passthru || p.Forwarded || p.TTL > 0 {
		event.Dict = t.eventDetails(serializer, sub, &p.Event, false)
	}
	var err error
	had := cap(f.bytes)
	if need := headRoom + len(event.Dict.Raw) + len(event.Payload.Raw); need > had && need > buffers.LargeSize {
		f.bytes = make([]byte, 0, need)
	}
	f.bytes, err = codec.Append(f.bytes[:0], serializer, &event)
	t.charge(had, cap(f.bytes))
	if f.state = ready; err != nil {
		f.state = failed
	}
}

// eventDetails makes EVENT.Details. retained means that the event is given to a late subscriber.
func (t *turn) eventDetails(serializer wamp.Serializer, sub *subscription, e *store.Event, retained bool) codec.Dict {
	b := &t.details
	b.Reset(serializer, nil)
	if sub.match != wamp.Exact {
		b.Text("topic", e.Topic)
	}
	if e.Disclosed {
		b.Uint("publisher", e.Publisher.ID)
		b.String("publisher_authid", e.Publisher.Authid)
		b.String("publisher_authrole", e.Publisher.Authrole)
	}
	if e.Trusted {
		b.Uint("trustlevel", uint64(e.Trust))
	}
	if retained {
		b.Bool("retained", true)
	}
	if e.TTL > 0 {
		b.Uint(wamp.KeyTTL, uint64(max(e.TTL.Milliseconds(), 1)))
	}
	if e.Passthru {
		addPassthru(b, e.Dict)
	}
	if e.Forwarded {
		addForwarded(b, e.Dict)
	}
	return b.Dict()
}

// subscribe answers SUBSCRIBE. A second SUBSCRIBE of a topic gets the same subscription (basic/publish_subscribe.md).
func (s *session) subscribe(t *turn, m *codec.Message) error {
	options, err := readSubscribeOptions(m.Dict)
	if err != nil {
		return err
	}
	if !wamp.ValidURI(m.Text, options.match, s.strict) {
		return wamp.InvalidURI
	}
	uri := string(m.Text)
	if options.durable != nil {
		return s.subscribeDurably(t, m, &options, uri)
	}
	for {
		role := s.role()
		grant, err := s.permittedPattern(t, question{auth.Subscribe, options.match, uri}, m.Dict)
		if err != nil {
			return err
		}
		place := &seat{session: s, uri: uri, match: options.match, node: options.node, role: role}
		place.guarded.Store(grant.partly)
		place.granted.Store(grant.asked)
		place.confirms.Store(options.confirm && s.internal())
		place.wantsRetained.Store((options.confirm || options.wantsRetained) && s.internal())
		place, sub, err := s.realm.subscribe(t, place, m.Request)
		if err == errOutdated {
			continue
		}
		if err == nil && options.getRetained { // after the seat exists, so that no event is missed
			t.deliverRetained(s.realm, place, sub)
		}
		return err
	}
}

// subscribe gives the session a seat, and returns it: place, or the seat that the session has already.
func (r *realm) subscribe(t *turn, place *seat, request wamp.ID) (*seat, *subscription, error) {
	s := place.session
	r.mu.Lock()
	defer r.mu.Unlock()
	if place.role != s.role() {
		return nil, nil, errOutdated
	}
	sub, ok := r.topics.Get(place.match, place.uri)
	if !ok {
		sub = &subscription{id: r.nextID(), uri: place.uri, match: place.match, created: time.Now()}
	}
	if _, again := s.subscriptions[sub.id]; !again && len(s.subscriptions) >= r.router.options().MaxSubscriptions {
		return nil, nil, refusal{wamp.Unavailable, "the session has reached its limit of subscriptions"}
	}
	// SUBSCRIBED is appended before the seat is in the table, so no EVENT can precede it.
	own := s.subscriptions[sub.id]
	if own == nil {
		if err := s.keepSeat(place.uri); err != nil {
			return nil, nil, err
		}
	}
	if err := t.send(s, &codec.Message{Type: wamp.Subscribed, Request: request, ID: sub.id}); err != nil {
		if own == nil {
			s.freeSeat(place.uri)
		}
		return nil, nil, err
	}
	if own != nil {
		if place.confirms.Load() && !own.confirms.Swap(true) {
			r.confirming.Add(1)
		}
		if place.wantsRetained.Load() {
			own.wantsRetained.Store(true)
		}
		return own, sub, nil
	}
	r.seat(t, place, sub, !ok)
	return place, sub, nil
}

// seat adds a seat to a subscription; created means that the subscription is new. The caller holds mu.
func (r *realm) seat(t *turn, place *seat, sub *subscription, created bool) {
	s := place.session
	if s.subscriptions == nil {
		s.subscriptions = make(map[wamp.ID]*seat)
	}
	place.subscription = sub.id
	s.subscriptions[sub.id] = place
	if place.confirms.Load() {
		r.confirming.Add(1)
	}
	r.topics.Set(sub.match, sub.uri, sub.with(place))
	r.announceSubscribe(t, s, sub, created)
}

// unsubscribe answers UNSUBSCRIBE.
func (s *session) unsubscribe(t *turn, m *codec.Message) error {
	r := s.realm
	r.mu.Lock()
	defer r.mu.Unlock()
	place := s.subscriptions[m.ID]
	if place == nil {
		return wamp.NoSuchSubscription
	}
	r.dropSeat(t, place)
	return t.send(s, &codec.Message{Type: wamp.Unsubscribed, Request: m.Request})
}

// dropSeat removes a seat from its subscription. No EVENT is appended for it afterwards. The caller holds mu.
func (r *realm) dropSeat(t *turn, place *seat) {
	s := place.session
	delete(s.subscriptions, place.subscription)
	s.freeSeat(place.uri)
	if place.courier != nil {
		r.dropCourier(place)
		return
	}
	if place.confirms.Load() {
		r.confirming.Add(-1)
	}
	sub, ok := r.topics.Get(place.match, place.uri)
	if !ok {
		return
	}
	sub = sub.without(place)
	deleted := !sub.wanted()
	if deleted {
		r.topics.Remove(place.match, place.uri)
	} else {
		r.topics.Set(place.match, place.uri, sub)
	}
	// A publisher may have found the seat before. EVENT must not follow UNSUBSCRIBED: clients treat it as a protocol error.
	s.out.mu.Lock()
	place.gone = true
	place.left.Store(true)
	s.out.mu.Unlock()
	r.announceUnsubscribe(t, s, sub, deleted)
}

// dropSubscriptions ends all of s's subscriptions. The caller holds mu.
func (r *realm) dropSubscriptions(t *turn, s *session) {
	for _, place := range s.subscriptions {
		r.dropSeat(t, place)
	}
}
