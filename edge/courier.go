package edge

import (
	"slices"
	"time"

	"runnel/edge/buffers"
	"runnel/edge/codec"
	"runnel/edge/durable"
	"runnel/edge/store"
	"runnel/edge/wamp"
)

// courier delivers the events of a durable subscription to the session of one seat. It is a durable.Consumer.
type courier struct {
	// Static after construction.
	seat *seat
	as   subscription // the subscription as EVENTs name it

	origin string // the node of the events' origins; "": they are not sent

	attachment *durable.Attachment // set under realm.mu

	// Owned by the goroutine that delivers.
	turn    turn
	unsent  bool // the outbox must be flushed
	counted uint64
}

// attachCourier gives the session a seat in a durable subscription, unless it has one already.
func (r *realm) attachCourier(t *turn, place *seat, d *durable.Subscription, o *durable.Options, request wamp.ID) error {
	s := place.session
	r.mu.Lock()
	defer r.mu.Unlock()
	if place.role != s.role() || d.Removed() {
		return errOutdated
	}
	_, again := s.subscriptions[d.ID()]
	if !again {
		if len(s.subscriptions) >= r.router.options().MaxSubscriptions {
			return refusal{wamp.Unavailable, "the session has reached its limit of subscriptions"}
		}
		if err := s.keepSeat(place.uri); err != nil {
			return err
		}
	}
	if err := t.send(s, &codec.Message{Type: wamp.Subscribed, Request: request, ID: d.ID()}); err != nil || again {
		if !again {
			s.freeSeat(place.uri)
		}
		return err
	}
	if s.subscriptions == nil {
		s.subscriptions = make(map[wamp.ID]*seat)
	}
	s.subscriptions[d.ID()] = place
	seats := append(slices.Clone(s.durableSeats()), place)
	place.courier.attachment = d.Attach(durable.AttachOptions{Consumer: place.courier, Window: o.Window, AckWait: o.Wait, Sent: o.Sent, Origin: o.Origin, MaxAge: o.MaxAge.Limit})
	s.durables.Store(&seats)
	return nil
}

// dropCourier ends the deliveries to a seat. The caller holds mu.
func (r *realm) dropCourier(place *seat) {
	s := place.session
	s.out.mu.Lock()
	place.gone = true
	place.left.Store(true)
	s.out.mu.Unlock()
	seats := slices.DeleteFunc(slices.Clone(s.durableSeats()), func(other *seat) bool { return other == place })
	s.durables.Store(&seats)
	place.courier.attachment.Detach()
}

// durableSeats returns the session's seats in durable subscriptions. The list is immutable.
func (s *session) durableSeats() []*seat {
	if list := s.durables.Load(); list != nil {
		return *list
	}
	return nil
}

// acknowledgeDurable takes EVENT_RECEIVED. It returns false if the event is of no durable subscription.
func (s *session) acknowledgeDurable(publication wamp.ID) bool {
	for _, place := range s.durableSeats() {
		if place.courier.attachment.Ack(publication) {
			return true
		}
	}
	return false
}

// refuseDurable takes ERROR for an event of a durable subscription: the event is delivered again after a while.
func (s *session) refuseDurable(publication wamp.ID) bool {
	for _, place := range s.durableSeats() {
		if place.courier.attachment.Refuse(publication) {
			return true
		}
	}
	return false
}

// Admits implements durable.Consumer.
func (c *courier) Admits(e *store.Event) (may, own bool) {
	return mayReceive(e, c.seat), e.ExcludeMe && e.Publisher.ID == c.seat.session.id
}

// Deliver implements durable.Consumer.
func (c *courier) Deliver(d *durable.Delivery) durable.Verdict {
	peer, t := c.seat.session, &c.turn
	if c.Room() != nil {
		return durable.Full
	}
	t.eventDetails(peer.serializer, &c.as, d.Event, false)
	if !d.Dated {
		t.details.Uint(wamp.KeyTime, uint64(d.At.UnixMilli()))
	}
	t.details.Uint(wamp.KeyPosition, d.Position)
	if c.origin != "" {
		t.details.Any(wamp.KeyOrigin, []any{c.origin, d.Epoch, d.Position})
	}
	event := eventMessage(d.Event, &c.as)
	return c.send(&event, d.Redelivered, d.Sent)
}

// DeliverGap implements durable.Consumer.
func (c *courier) DeliverGap(g durable.Gap) durable.Verdict {
	t := &c.turn
	if c.Room() != nil {
		return durable.Full
	}
	t.details.Reset(c.seat.session.serializer, nil)
	t.details.Any(wamp.KeyGap, map[string]any{"events": g.Events, "first": g.First, "last": g.Last, "reason": g.Reason})
	if c.as.match != wamp.Exact {
		t.details.String("topic", c.as.uri)
	}
	t.details.Uint(wamp.KeyTime, uint64(time.Now().UnixMilli()))
	t.details.Uint(wamp.KeyPosition, g.Last)
	return c.send(&codec.Message{Type: wamp.Event, ID: c.as.id, Publication: g.ID}, g.Redelivered, g.Sent)
}

// send appends an EVENT to the session's outbox. KeyConfirm makes the peer acknowledge it, and prevents its being dropped.
func (c *courier) send(event *codec.Message, redelivered, sent bool) durable.Verdict {
	peer, t := c.seat.session, &c.turn
	if redelivered {
		t.details.Bool("redelivered", true)
	}
	t.details.Bool(wamp.KeyConfirm, !sent)
	event.Dict = t.details.Dict()
	var err error
	if t.single.bytes, err = codec.Append(t.single.bytes[:0], peer.serializer, event); err != nil {
		return durable.Impossible
	}
	v, _ := peer.out.appendConfirmable(c.seat, t.single.bytes)
	if cap(t.single.bytes) > buffers.LargeSize {
		t.single.bytes = nil
	}
	switch v {
	case tooLong:
		return durable.Impossible
	case noSeat:
		return durable.Gone
	case peerGone:
		return durable.Full
	case flushNow:
		peer.out.flush()
	case needsFlush:
		c.unsent = true
	}
	c.counted++
	return durable.Delivered
}

// Room implements durable.Consumer.
func (c *courier) Room() <-chan struct{} { return c.seat.session.out.awaitRoom() }

// Flush implements durable.Consumer.
func (c *courier) Flush() {
	if c.unsent {
		c.unsent = false
		c.seat.session.out.flush()
	}
	c.seat.session.realm.router.counters.events.Add(c.counted)
	c.counted = 0
}
