package nats

import (
	"context"
	"errors"

	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/uplink"
	"runnel/uplink/nats/conn"
	"runnel/uplink/nats/payload"
	"runnel/uplink/nats/subject"
	"runnel/uplink/spool"
)

// declare subscribes to the exported topics. The client subscribes again after every reconnect.
func (l *Link) declare(ctx context.Context) error {
	for _, w := range l.exports {
		_, err := l.local.Subscribe(ctx, w.Topic, client.SubscribeOptions{
			Match: w.Match, Persist: true, Confirm: w.Store == spool.Durable, Extra: map[string]any{wamp.KeyRetain: true},
			Refused: func(err error) { l.recordRule(w.what, err) },
		}, func(e *client.Event) { l.export(w, e) })
		if err != nil {
			return err
		}
	}
	return nil
}

// recordRule records the answer to a rule; a nil err means acceptance.
func (l *Link) recordRule(what string, err error) {
	if l.status.SetRuleResult(what, err) && err != nil {
		l.log.Warn("rule refused", "rule", what, "err", err)
	}
}

// export puts a local event into the spool.
func (l *Link) export(w *way, e *client.Event) {
	topic := e.Topic()
	if best, _ := l.exported.Best(topic); best != w || wamp.Reserved(topic) || wamp.OfNode(topic) && !wamp.OfNode(w.Topic) ||
		l.exporter.Stored(e.Publication) {
		e.Confirm(nil) // a wide pattern also matches the router's own events, and patterns may overlap
		return
	}
	hops, ok := l.wayOut(e)
	if !ok {
		l.status.Looped.Add(1)
		e.Confirm(nil)
		return
	}
	remote := w.ToRemote(topic)
	_, err := subject.Of(remote)
	if err == nil {
		err = payload.Accepts(e.Payload)
	}
	if err == nil && len(e.Payload.Raw) > l.opts.MaxMessage {
		err = errTooLarge
	}
	if err != nil {
		l.refuse(&l.status.EventsUp, "cannot forward the event", topic, err)
		e.Confirm(client.NewError(wamp.InvalidArgument.Error(), "not forwarded to NATS: "+err.Error()))
		return
	}
	event := spool.Event{
		Class: w.Store, Time: e.Time(), Topic: remote, Options: l.fields(w, e, hops), Payload: e.Payload, Expires: uplink.Expiry(e),
	}
	l.exporter.Put(e, event, l.awaitRoom, func(err error) error {
		if err != nil {
			l.refuse(&l.status.EventsUp, "cannot store the event", topic, err)
		}
		if errors.Is(err, spool.ErrFull) || errors.Is(err, spool.ErrClosed) {
			err = client.NewError(wamp.Unavailable.Error(), err.Error())
		}
		return err
	})
}

var errTooLarge = errors.New("the event is larger than max_message")

// fields returns the header fields of an event that do not depend on the time of sending. They are stored with the
// event. Usually they equal those of the previous event.
func (l *Link) fields(w *way, e *client.Event, hops []client.Hop) []byte {
	retained, _ := e.Detail(wamp.KeyRetain).Bool()
	retained = retained || w.Retain
	origin := e.Origin()
	plain := len(hops) == 1 && !retained && origin == nil
	if plain && l.from.fields != nil && l.from.hop == hops[0] {
		return l.from.fields
	}
	h := conn.Header(nil).Add(payload.TypeField, payload.Event).Add(payload.HopsField, payload.Hops(hops))
	if name := e.PublisherAuthid(); name != "" {
		h = h.Add(payload.PublisherField, payload.Value(name))
	}
	if retained {
		h = h.Add(payload.RetainField, "true")
	}
	if origin != nil {
		h = h.Add(payload.OriginField, payload.Origin(*origin))
	}
	if plain {
		l.from.hop, l.from.fields = hops[0], h
	}
	return h
}

// source is a way with one hop, and the header fields of its events.
type source struct {
	hop    client.Hop
	fields []byte
}

// awaitRoom slows down the local router while there is a connection, so that a burst is stored completely. During an
// outage only the bounds of the spool apply.
func (l *Link) awaitRoom() {
	if s := l.current.Load(); s != nil {
		l.opts.Spool.WaitForRoom(s.open)
	}
}

// refuse counts a message that cannot cross, and logs the first of several in a row.
func (l *Link) refuse(f *uplink.Counter, what, name string, err error) {
	if f.Drop() {
		l.log.Warn("message dropped; further ones are only counted until one crosses", "reason", what, "topic", name, "err", err)
	}
}
