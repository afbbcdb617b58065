package edge

import (
	"math"

	"runnel/edge/codec"
	"runnel/edge/dedup"
	"runnel/edge/durable"
	"runnel/edge/wamp"
)

// Once only: a router that forwards stored events repeats each until it is acknowledged. Its PUBLISH has acknowledge
// and the private option _origin, [node, epoch, sequence]. The realm recognizes events that it has already routed
// (package dedup): it answers with PUBLISHED, and does not route the event again.
//
// The order is: route the event, wait until all confirming subscribers have it (confirm.go), record it, send PUBLISHED.
// A failing disk does not delay PUBLISHED.

const maxNode = 255 // bytes of an origin's node

// readOrigin reads PUBLISH.Options._origin. Only an internal session may name the owner of the numbering.
func readOrigin(d codec.Dict, internal bool) (key dedup.Key, sequence uint64, err error) {
	err = refusal{wamp.InvalidArgument, "option \"_origin\" must be [node, epoch, sequence]"}
	for f := d.Fields(); f.Next(); {
		if string(f.Key()) != wamp.KeyOrigin {
			continue
		}
		var of [4]codec.Value
		n := 0
		for list, _ := f.Value().Items(); n < len(of) && list.Next(); n++ {
			of[n] = list.Value()
		}
		owner, isOwner := of[3].Text()
		node, isText := of[0].Text()
		epoch, isEpoch := of[1].Uint()
		sequence, isSequence := of[2].Uint()
		if n != 3 && !(isOwner && internal) || !isText || len(node) == 0 || len(node) > maxNode || !isEpoch || epoch == math.MaxUint64 ||
			!isSequence || sequence == 0 || sequence == math.MaxUint64 {
			return key, 0, err
		}
		return dedup.Key{Authid: string(owner), Node: string(node), Epoch: epoch}, sequence, nil
	}
	return key, 0, err
}

// checkOwner returns an error if a session names the owner of a numbering without permission. Such an event must not be
// stored, even where its origin is ignored. After a restart the router would take it for the owner's, and the owner's
// own event for a repetition.
func (s *session) checkOwner(d codec.Dict, o publishOptions) error {
	if !o.origin || s.internal() {
		return nil
	}
	key, _, err := readOrigin(d, true)
	if err == nil && key.Authid != "" {
		_, _, err = readOrigin(d, false)
		return err
	}
	return nil
}

// numberingOwner returns the authid that owns the session's numberings. An anonymous authid differs after each reconnect, so
// anonymous sessions share the numberings of their role.
func (s *session) numberingOwner() string {
	if s.isAnonymous() {
		return durable.RoleOwner(s.role().Name())
	}
	return s.authid
}

func (s *session) isAnonymous() bool { return s.authmethod == "anonymous" || s.authid == "" }

// publishOnce is publishAcknowledged for a publication that has an origin.
func (s *session) publishOnce(t *turn, m *codec.Message) error {
	key, sequence, err := readOrigin(m.Dict, s.internal())
	if err != nil {
		return err
	}
	if key.Authid == "" {
		key.Authid = s.numberingOwner()
	}
	acks := &s.realm.acknowledgements
	if err := acks.full(s); err != nil {
		return err
	}
	w, err := acks.begin(t, s, m.Request, key, sequence)
	if w == nil {
		return err
	}
	err = wamp.Unavailable
	defer func() { // later publications of the numbering wait for this, whatever ends the route
		acks.mu.Lock()
		defer acks.mu.Unlock()
		w.mark.Sent()
		acks.turn.Broadcast()
		if err != nil {
			acks.resolve(t, w, outcome{err: err})
		} else {
			acks.countAnswer(t, w)
		}
	}()
	err = s.route(t, &delivery{publication: &t.publication, receipt: &receipt{s, m.Request, w}})
	return nil
}

// begin withholds the acknowledgement of a publication that was not routed yet. For any other it returns nil: it has
// answered, or s gets the outcome of the attempt that is in progress.
func (a *acknowledgements) begin(t *turn, s *session, request wamp.ID, key dedup.Key, sequence uint64) (*withheld, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	mark, state, err := a.routed.Begin(&s.numberings, key, sequence)
	for state == dedup.Busy { // another session of the same node is still routing an earlier event
		a.turn.L = &a.mu
		a.turn.Wait()
		mark, state, err = a.routed.Begin(&s.numberings, key, sequence)
	}
	switch {
	case err != nil:
		return nil, refusal{wamp.Unavailable, "too many nodes publish at the same time"}
	case state == dedup.Routed:
		return nil, t.send(s, &codec.Message{Type: wamp.Published, Request: request, ID: wamp.NewID()})
	case state == dedup.Pending:
		w := mark.Waiting
		before := w.publisher
		if before != nil && !before.internal() && s.internal() { // an internal session repeats the event: the gateway gets the answer
			return nil, refusal{wamp.Unavailable, "the publication is in progress"}
		}
		if before != nil {
			delete(before.withheld, w.id)
			before.refusePublication(t, w.request, refusal{wamp.Unavailable, "the publication was sent again"})
		}
		w.answerTo(s, request)
		return nil, nil
	}
	w := &withheld{id: t.publication.ID, mark: mark}
	mark.Waiting = w
	a.hold(s, request, w)
	return w, nil
}

// recorded acknowledges publications whose record is written.
func (a *acknowledgements) recorded(r *Router, batch []*dedup.Mark[*withheld]) {
	t := turns.Get().(*turn)
	a.mu.Lock()
	for _, mark := range batch {
		a.resolve(t, mark.Waiting, outcome{})
	}
	a.mu.Unlock()
	t.endDetached(r)
}
