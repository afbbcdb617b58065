package edge

import (
	"slices"
	"sync"

	"runnel/edge/codec"
	"runnel/edge/wamp"
)

// PUBLISHED may have to wait. A part of this process that takes responsibility for events, such as a link that stores them
// until the far side has them, subscribes with SUBSCRIBE.Options._confirm. Of a publication that is to be acknowledged it
// gets an EVENT with the detail _confirm, and answers it with EVENT_RECEIVED, or with ERROR for EVENT, which becomes the
// publisher's. PUBLISHED is sent when all such subscribers have answered; if one leaves before, ERROR. The option is heeded
// for sessions of this process only: who can have PUBLISHED withheld can hold up publishers.
//
// A publication with PUBLISH.Options._origin waits here as well, until it is on record that it was routed (once.go).
//
// Whoever asks for no acknowledgement, or publishes where nobody confirms, does not come here.

// withheld is an acknowledgement that waits. It stands in its publisher's session and in those of its confirmers.
type withheld struct {
	// Static after construction.
	id   wamp.ID // of the publication
	mark *mark   // nil: it has no origin

	// Guarded by acknowledgements.mu.
	publisher  *session // nil: it has left
	request    wamp.ID  // PUBLISH.Request
	left       int      // how many answers have not come; one more while the event is on its way to the outboxes
	confirmers []confirmer
	over       bool
}

// confirmer is a session that has yet to answer for so many EVENTs of one publication.
type confirmer struct {
	session *session
	events  int
}

const maxWithheld = 1 << 16 // in one realm

// acknowledgements are a realm's that are withheld.
type acknowledgements struct {
	mu    sync.Mutex
	count int
	marks marks // of once.go
}

// full reports that no more may be withheld for s.
func (a *acknowledgements) full(s *session) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.count >= maxWithheld || len(s.withheld) >= s.realm.router.options().MaxCalls {
		return refusal{wamp.Unavailable, "too many publications wait for their confirmation"}
	}
	return nil
}

// hold begins to withhold the acknowledgement of s's PUBLISH. Holds mu.
func (a *acknowledgements) hold(s *session, request wamp.ID, w *withheld) {
	a.count++
	w.left = 1
	w.ask(s, request)
}

// ask makes s the one who hears how it ends. Holds mu.
func (w *withheld) ask(s *session, request wamp.ID) {
	if s.withheld == nil {
		s.withheld = make(map[wamp.ID]*withheld)
	}
	w.publisher, w.request = s, request
	s.withheld[w.id] = w
}

// expect notes that peer has to answer one more EVENT.
func (a *acknowledgements) expect(w *withheld, peer *session) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if w.over {
		return
	}
	w.left++
	if peer.unconfirmed == nil {
		peer.unconfirmed = make(map[wamp.ID]*withheld)
	}
	if peer.unconfirmed[w.id] = w; len(w.confirmers) > 0 {
		for i := range w.confirmers {
			if w.confirmers[i].session == peer {
				w.confirmers[i].events++
				return
			}
		}
	}
	w.confirmers = append(w.confirmers, confirmer{peer, 1})
}

// confirmed takes an answer of peer for a publication. One that nobody waits for, or no more, is none.
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
	a.answered(t, w)
}

// routed says that the event is in all outboxes.
func (a *acknowledgements) routed(t *turn, w *withheld) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.answered(t, w)
}

// answered counts an answer. Holds mu.
func (a *acknowledgements) answered(t *turn, w *withheld) {
	if w.over {
		return
	}
	if w.left--; w.left > 0 {
		return
	}
	if w.mark != nil && a.marks.record(w) {
		return // the writer ends it
	}
	a.succeed(t, w)
}

// succeed sends PUBLISHED. Holds mu.
func (a *acknowledgements) succeed(t *turn, w *withheld) {
	if to := a.end(w); to != nil {
		t.send(to, &codec.Message{Type: wamp.Published, Request: w.request, ID: w.id})
	}
	if w.mark != nil {
		w.mark.settled(true)
	}
}

// fail sends the publisher an ERROR that is made for it.
func (a *acknowledgements) fail(t *turn, w *withheld, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.failed(t, w, err)
}

// failed is fail with mu held.
func (a *acknowledgements) failed(t *turn, w *withheld, err error) {
	if w.over {
		return
	}
	a.end(w).refusePublication(t, w.request, err)
	if w.mark != nil {
		w.mark.settled(false)
	}
}

// refusePublication answers a PUBLISH with the ERROR that says err; s may be nil.
func (s *session) refusePublication(t *turn, request wamp.ID, err error) {
	if s != nil {
		m := failureMessage(s.serializer, wamp.Publish, request, err)
		t.send(s, &m)
	}
}

// refused takes a confirmer's ERROR and hands it to the publisher.
func (a *acknowledgements) refused(t *turn, peer *session, m *codec.Message) {
	a.mu.Lock()
	defer a.mu.Unlock()
	w := peer.unconfirmed[m.Request]
	if w == nil {
		return
	}
	answer := codec.Message{Type: wamp.Error, ErrorType: wamp.Publish, Request: w.request, Dict: m.Dict, Text: m.Text, Payload: m.Payload}
	if to := a.end(w); to != nil {
		if err := t.send(to, &answer); err != nil {
			to.refusePublication(t, w.request, wamp.Unavailable) // the answer was too long, or can't be said
		}
	}
	if w.mark != nil {
		w.mark.settled(false)
	}
}

// end takes w out of all sessions, and returns the one that waits for the acknowledgement; nil if it has left. Holds mu.
func (a *acknowledgements) end(w *withheld) (to *session) {
	a.count--
	w.over = true
	for _, c := range w.confirmers {
		delete(c.session.unconfirmed, w.id)
	}
	w.confirmers = nil
	if to = w.publisher; to != nil {
		delete(to.withheld, w.id)
	}
	return to
}

// leave ends what s was part of: what it had to confirm has failed, and what it published concerns nobody any more, unless
// it has an origin and may come again.
func (a *acknowledgements) leave(t *turn, s *session) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, w := range s.withheld {
		w.publisher = nil
		if w.mark == nil {
			a.end(w)
		}
	}
	s.withheld = nil
	a.marks.left(s)
	for _, w := range s.unconfirmed {
		a.failed(t, w, refusal{wamp.Unavailable, "a subscriber that was to confirm the event has left"})
	}
}

// deliverToLink gives the event to a seat that has to confirm it, if the publisher asks, or that is told whether an event is
// retained: a link has the far side keep it, too.
func (t *turn) deliverToLink(sub *subscription, seat *seat, p *publication, asks bool) {
	t.eventDetails(seat.session.serializer, sub, p)
	if p.options.retain {
		t.details.Bool("_retain", true)
	}
	if asks {
		t.details.Bool("_confirm", true)
		t.deliverAsking(sub, seat, p)
		return
	}
	event := p.event(sub)
	event.Dict = t.details.Dict()
	f := &t.frames[0] // no serializer has it
	var err error
	if f.bytes, err = codec.Append(f.bytes[:0], seat.session.serializer, &event); err == nil {
		t.count.events++
		t.append(seat, f.bytes)
	}
}

// deliverAsking gives the event, whose details are made, to a seat that has to confirm it.
func (t *turn) deliverAsking(sub *subscription, seat *seat, p *publication) {
	peer := seat.session
	acks := &peer.realm.acknowledgements
	if t.withheld == nil {
		t.withheld = &withheld{id: p.id}
		acks.mu.Lock()
		acks.hold(t.asker, t.request, t.withheld)
		acks.mu.Unlock()
	}
	event := p.event(sub)
	event.Dict = t.details.Dict()
	f := &t.frames[0] // no serializer has it
	var err error
	if f.bytes, err = codec.Append(f.bytes[:0], peer.serializer, &event); err != nil {
		acks.fail(t, t.withheld, refusal{wamp.InvalidArgument, err.Error()})
		return
	}
	acks.expect(t.withheld, peer) // before the EVENT can be answered
	t.count.events++
	v, full := peer.out.appendAsking(seat, f.bytes)
	t.note(peer, v, full)
	switch v {
	case refused:
		acks.fail(t, t.withheld, refusal{wamp.Unavailable, "a subscriber that was to confirm the event does not take it"})
	case tooLong:
		acks.fail(t, t.withheld, refusal{wamp.PayloadSizeExceeded, "a subscriber that was to confirm the event takes none of this length"})
	case gone:
		// It left between the look-up and here. Its successor is asked as well, if it was there already; else it may not have
		// been there at the look-up either.
		if sub.confirmers > 0 && sub.confirmedBy(sub.confirmers) {
			acks.confirmed(t, peer, t.withheld.id)
			return
		}
		acks.fail(t, t.withheld, refusal{wamp.Unavailable, "a subscriber that was to confirm the event has left"})
	}
}

// asksToConfirm reports whether EVENT's details say that the router waits for an answer.
func asksToConfirm(details codec.Dict) bool {
	if details.Empty() {
		return false
	}
	for f := details.Fields(); f.Next(); {
		if string(f.Key()) == "_confirm" {
			return true
		}
	}
	return false
}
