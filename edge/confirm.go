package edge

import (
	"slices"
	"sync"

	"runnel/edge/codec"
	"runnel/edge/dedup"
	"runnel/edge/wamp"
)

// PUBLISHED may have to wait. A part of this process that takes responsibility for events, such as a store, subscribes
// with the private option _confirm. For a publication that asks for an acknowledgement it gets an EVENT with the detail
// _confirm. It answers with EVENT_RECEIVED, or with an ERROR for EVENT, which is passed to the publisher. PUBLISHED is
// sent once all such subscribers have answered. If one of them leaves before that, the publisher gets an ERROR. Only
// internal sessions may ask for this, because a session that can withhold PUBLISHED can block publishers.
//
// A publication with the private option _origin waits here as well, until it is recorded (once.go).
//
// Other publications never use this code.

// withheld is an acknowledgement that waits. It is listed in its publisher's session and in those of its confirmers.
type withheld struct {
	// Static after construction.
	id   wamp.ID                // of the publication
	mark *dedup.Mark[*withheld] // nil: it has no origin

	// Guarded by acknowledgements.mu.
	publisher  *session // nil: it has left
	request    wamp.ID  // PUBLISH.Request
	missing    int      // answers that have not arrived; one more while the event is being routed
	confirmers []confirmer
	resolved   bool
}

// confirmer is a session that has yet to answer for a number of EVENTs of one publication.
type confirmer struct {
	session *session
	events  int
}

// outcome is how a withheld acknowledgement is resolved. The zero value is PUBLISHED.
type outcome struct {
	err   error          // the publication failed: the publisher gets the ERROR made from err
	reply *codec.Message // the publication failed: the publisher gets this ERROR, which a confirmer has sent
}

const maxWithheld = 1 << 16 // in one realm

// acknowledgements are the withheld acknowledgements of a realm.
type acknowledgements struct {
	mu     sync.Mutex
	count  int
	routed dedup.Table[*withheld] // see once.go
	turn   sync.Cond              // signaled when a publication with an origin was routed
}

// full returns an error if no further acknowledgement may be withheld for s.
func (a *acknowledgements) full(s *session) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.count >= maxWithheld || len(s.withheld) >= s.realm.router.options().MaxCalls {
		return refusal{wamp.Unavailable, "too many publications wait for their confirmation"}
	}
	return nil
}

// hold begins to withhold the acknowledgement of s's PUBLISH. The caller holds mu.
func (a *acknowledgements) hold(s *session, request wamp.ID, w *withheld) {
	a.count++
	w.missing = 1
	w.answerTo(s, request)
}

// answerTo makes s the session that gets the acknowledgement. The caller holds mu.
func (w *withheld) answerTo(s *session, request wamp.ID) {
	if s.withheld == nil {
		s.withheld = make(map[wamp.ID]*withheld)
	}
	w.publisher, w.request = s, request
	s.withheld[w.id] = w
}

// expect records that peer has to answer one more EVENT.
func (a *acknowledgements) expect(w *withheld, peer *session) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if w.resolved {
		return
	}
	w.missing++
	if peer.unconfirmed == nil {
		peer.unconfirmed = make(map[wamp.ID]*withheld)
	}
	peer.unconfirmed[w.id] = w
	for i := range w.confirmers {
		if w.confirmers[i].session == peer {
			w.confirmers[i].events++
			return
		}
	}
	w.confirmers = append(w.confirmers, confirmer{peer, 1})
}

// confirmed takes an answer of peer for a publication. Late answers are ignored.
func (a *acknowledgements) confirmed(t *turn, peer *session, id wamp.ID) {
	a.mu.Lock()
	defer a.mu.Unlock()
	w := peer.unconfirmed[id]
	if w == nil {
		return
	}
	i := slices.IndexFunc(w.confirmers, func(c confirmer) bool { return c.session == peer })
	if w.confirmers[i].events--; w.confirmers[i].events == 0 {
		w.confirmers = slices.Delete(w.confirmers, i, i+1)
		delete(peer.unconfirmed, id)
	}
	a.countAnswer(t, w)
}

// delivered means that the event is in all outboxes.
func (a *acknowledgements) delivered(t *turn, w *withheld) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.countAnswer(t, w)
}

// countAnswer counts an answer. The last one resolves w, at once or when its publication is recorded. The caller holds mu.
func (a *acknowledgements) countAnswer(t *turn, w *withheld) {
	if w.resolved {
		return
	}
	if w.missing--; w.missing > 0 {
		return
	}
	if w.mark != nil && w.mark.Record() {
		return // recorded resolves it
	}
	a.resolve(t, w, outcome{})
}

// fail resolves w with the ERROR made from err.
func (a *acknowledgements) fail(t *turn, w *withheld, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.resolve(t, w, outcome{err: err})
}

// rejected passes a confirmer's ERROR to the publisher.
func (a *acknowledgements) rejected(t *turn, peer *session, m *codec.Message) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if w := peer.unconfirmed[m.Request]; w != nil {
		a.resolve(t, w, outcome{reply: &codec.Message{
			Type: wamp.Error, ErrorType: wamp.Publish, Request: w.request, Dict: m.Dict, Text: m.Text, Payload: m.Payload,
		}})
	}
}

// resolve ends a withheld acknowledgement: it removes w from all sessions, sends the answer if the publisher is still connected,
// and records in the numbering whether the publication was routed. The first outcome stands. The caller holds mu.
func (a *acknowledgements) resolve(t *turn, w *withheld, o outcome) {
	if w.resolved {
		return
	}
	w.resolved = true
	a.count--
	for _, c := range w.confirmers {
		delete(c.session.unconfirmed, w.id)
	}
	w.confirmers = nil
	if s := w.publisher; s != nil {
		delete(s.withheld, w.id)
		s.answerPublication(t, w, o)
	}
	if w.mark != nil {
		w.mark.Done(o.err == nil && o.reply == nil)
	}
}

// answerPublication sends the publisher the outcome of its PUBLISH.
func (s *session) answerPublication(t *turn, w *withheld, o outcome) {
	switch {
	case o.err != nil:
		s.refusePublication(t, w.request, o.err)
	case o.reply == nil:
		t.send(s, &codec.Message{Type: wamp.Published, Request: w.request, ID: w.id})
	case t.send(s, o.reply) != nil:
		s.refusePublication(t, w.request, wamp.Unavailable) // the confirmer's ERROR is too long, or cannot be encoded
	}
}

// refusePublication answers a PUBLISH with the ERROR made from err.
func (s *session) refusePublication(t *turn, request wamp.ID, err error) {
	m := failureMessage(s.serializer, wamp.Publish, request, err)
	t.send(s, &m)
}

// removeSession resolves the acknowledgements of s. Those that s had to confirm fail. Those of its own publications are
// dropped, unless the publication has an origin and may be repeated.
func (a *acknowledgements) removeSession(t *turn, s *session) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, w := range s.withheld {
		w.publisher = nil
		if w.mark == nil {
			a.resolve(t, w, outcome{})
		}
	}
	s.withheld = nil
	s.numberings.Close()
	for _, w := range s.unconfirmed {
		a.resolve(t, w, outcome{err: refusal{wamp.Unavailable, "a subscriber that had to confirm the event has left"}})
	}
}

// deliverSingly encodes the event for one seat, whose details differ from those of other subscribers: it has to confirm the
// event, or wants to know whether the event is retained.
func (t *turn) deliverSingly(sub *subscription, seat *seat, d *delivery, asks bool) {
	peer := seat.session
	t.eventDetails(peer.serializer, sub, &d.Event, false)
	if d.options.retain {
		t.details.Bool(wamp.KeyRetain, true)
	}
	if r := d.receipt; d.options.origin && seat.wantsRetained.Load() && r != nil && r.withheld != nil {
		key, number := r.withheld.mark.Identity()
		t.details.Any(wamp.KeyOrigin, []any{key.Node, key.Epoch, number, key.Authid})
	}
	if asks {
		t.details.Bool(wamp.KeyConfirm, true)
	}
	event := eventMessage(&d.Event, sub)
	event.Dict = t.details.Dict()
	f := &t.single
	var err error
	f.bytes, err = codec.Append(f.bytes[:0], peer.serializer, &event)
	switch {
	case asks:
		t.deliverAsking(sub, seat, d, f.bytes, err)
	case err == nil:
		t.count.events++
		t.append(seat, f.bytes, d.mayWait)
	}
}

// deliverAsking gives the event to a seat that has to confirm it. err is the error of encoding it, or nil.
func (t *turn) deliverAsking(sub *subscription, seat *seat, d *delivery, msg []byte, err error) {
	peer := seat.session
	acks := &peer.realm.acknowledgements
	w := d.receipt.withheld
	if w == nil {
		w = &withheld{id: d.ID}
		d.receipt.withheld = w
		acks.mu.Lock()
		acks.hold(d.receipt.publisher, d.receipt.request, w)
		acks.mu.Unlock()
	}
	if err != nil {
		acks.fail(t, w, refusal{wamp.InvalidArgument, err.Error()})
		return
	}
	acks.expect(w, peer) // before the EVENT can be answered
	t.count.events++
	v, full := peer.out.appendConfirmable(seat, msg)
	t.noteAppend(peer, v, full)
	switch v {
	case peerGone:
		acks.fail(t, w, refusal{wamp.Unavailable, "a subscriber that had to confirm the event does not accept it"})
	case tooLong:
		acks.fail(t, w, refusal{wamp.PayloadSizeExceeded, "a subscriber that had to confirm the event accepts no message of this length"})
	case noSeat:
		// The subscriber left between the look-up and here. Its successor is asked as well, if it was there already.
		// Otherwise the event may have reached no confirmer.
		if sub.confirmers > 0 && sub.confirmedBy(sub.confirmers) {
			acks.confirmed(t, peer, w.id)
			return
		}
		acks.fail(t, w, refusal{wamp.Unavailable, "a subscriber that had to confirm the event has left"})
	}
}

// asksToConfirm reports whether EVENT's details mean that the router waits for an answer.
func asksToConfirm(details codec.Dict) bool {
	if details.Empty() {
		return false
	}
	for f := details.Fields(); f.Next(); {
		if string(f.Key()) == wamp.KeyConfirm {
			return true
		}
	}
	return false
}
