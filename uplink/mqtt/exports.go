package mqtt

import (
	"context"
	"slices"
	"time"

	"runnel/edge/client"
	"runnel/edge/codec"
	"runnel/edge/wamp"
	"runnel/transport/mqtt/naming"
	"runnel/transport/mqtt/packet"
	"runnel/uplink"
	"runnel/uplink/spool"
)

// gapLevel is the level below the state topic where missing events are reported.
const gapLevel = "gap"

// declare subscribes to the exported topics. The client subscribes again after every reconnect.
func (l *Link) declare(ctx context.Context) error {
	if err := l.watchLines(ctx); err != nil {
		return err
	}
	for i := range l.opts.Export {
		r := &l.opts.Export[i]
		if r.Procedure != "" {
			continue
		}
		rule := "export topic " + r.Topic + " (" + r.Match.String() + ")"
		_, err := l.local.Subscribe(ctx, r.Topic, client.SubscribeOptions{
			Match: r.Match, Persist: true, Confirm: true,
			Refused: func(err error) {
				if l.status.SetRuleResult(rule, err) && err != nil {
					l.log.Warn("rule refused; retrying", "rule", rule, "err", err)
				}
			},
		}, func(e *client.Event) { l.export(r, e) })
		if err != nil {
			return err
		}
	}
	return nil
}

// export puts a local event into the spool. All events go through it, so there is one order, whether the broker is reachable
// or not.
func (l *Link) export(r *Rule, e *client.Event) {
	topic := e.Topic()
	if wamp.Reserved(topic) || wamp.OfNode(topic) && !wamp.OfNode(r.Topic) || !l.decides(r, topic) {
		e.Confirm(nil)
		return // a wide pattern matches the router's own events, too, and patterns overlap
	}
	if l.exporter.Stored(e.Publication) {
		e.Confirm(nil)
		return
	}
	if l.cameFromBroker(e) {
		l.status.Looped.Add(1)
		e.Confirm(nil)
		return
	}
	remote, way, err := l.route(r, topic)
	if err == nil {
		err = l.form(r.Form).accepts(e.Payload, remote)
	}
	at := e.Time()
	if err == nil && r.isEdge() {
		if at.IsZero() {
			at = time.Now()
		}
		err = l.noteEdge(e, &way, at)
	}
	if err != nil {
		l.refuse(&l.status.EventsUp, "cannot forward the event", topic, err)
		e.Confirm(client.NewError(wamp.InvalidArgument.Error(), "not forwarded to MQTT: "+err.Error()))
		return
	}
	way.retain = r.Retain || retains(e)
	if name := e.PublisherAuthid(); len(name) <= maxPublisher && l.opts.Protocol != packet.V311 {
		way.publisher = name
	}
	event := spool.Event{Class: r.Store, Time: at, Topic: remote, Options: way.options(), Payload: e.Payload, Expires: uplink.Expiry(e)}
	l.exporter.Put(e, event, l.awaitRoom, func(err error) error {
		if err != nil {
			l.refuse(&l.status.EventsUp, "cannot store the event", topic, err)
		}
		return err
	})
}

// route returns the URI of an event at the broker and its route.
func (l *Link) route(r *Rule, topic string) (remote string, way route, err error) {
	way.form = r.Form
	if t, ok := l.templates[r]; ok {
		way.topic, err = t.Topic(topic)
		return topic, way, err
	}
	if r.isEdge() {
		return topic, way, nil // see noteEdge
	}
	remote = r.ToRemote(topic)
	_, err = naming.Topic(remote)
	return remote, way, err
}

// form returns a rule's form, or the link's.
func (l *Link) form(own *Form) *Form {
	if own != nil {
		return own
	}
	return &l.plain
}

// decides reports whether a rule is the one that decides about a local topic.
func (l *Link) decides(r *Rule, topic string) bool {
	best, _ := l.exported.Best(topic)
	return best == r
}

// awaitRoom slows down the local router while there is a connection, so that a burst is stored as a whole. In an outage only
// the bounds of the spool apply.
func (l *Link) awaitRoom() {
	if s := l.current.Load(); s != nil {
		l.opts.Spool.WaitForRoom(s.open)
	}
}

// cameFromBroker reports whether an event has come from this broker already, through another gateway and a router that both link
// to. MQTT does not carry the way of a message, but the other gateway's link adds the broker to it.
func (l *Link) cameFromBroker(e *client.Event) bool {
	return slices.ContainsFunc(e.ForwardFor(), func(h client.Hop) bool { return h.Node == l.way[0].Node })
}

// message returns the PUBLISH for an event; nil: the event is not sent.
func (l *Link) message(e *spool.Event, v packet.Version) (*packet.Publish, error) {
	if e.Gap != nil {
		return l.gap(e.Gap)
	}
	way, err := routeOf(e)
	if err == nil && way.topic == "" {
		way.topic, err = naming.Topic(e.Topic)
	}
	if err != nil {
		return nil, err
	}
	form := l.form(way.form)
	payload, err := form.encode(e.Payload, e.Topic, e.Time)
	if err != nil {
		return nil, err
	}
	if len(payload) > l.opts.MaxMessage {
		return nil, packet.ErrTooLarge
	}
	p := newPublish(way.topic, payload, l.opts.QoS)
	p.Retain = way.retain
	if v >= packet.V5 {
		p.Properties = describe(e, &way, form.Format, payload)
	}
	return p, nil
}

// gap returns the report of missing events, which goes below the state topic.
func (l *Link) gap(g *spool.Gap) (*packet.Publish, error) {
	if l.opts.StateTopic == "" {
		return nil, nil
	}
	payload, err := codec.AppendValue(nil, wamp.JSON, map[string]any{
		"reason": string(g.Reason), "first": g.First, "last": g.Last, "count": g.Count, "octets": g.Octets,
		"since": g.Since.UTC().Format(time.RFC3339),
	})
	return newPublish(l.opts.StateTopic+"/"+gapLevel, payload, l.opts.QoS), err
}

// ackEvent takes an acknowledged event out of the spool.
func (s *session) ackEvent(id uint16, released bool) {
	if sequence, ok := s.link.flight.remove(id, released); ok {
		s.link.trial.Acknowledged(sequence)
		s.link.opts.Spool.Ack(sequence)
		s.link.status.EventsUp.Forward()
	}
}

// retains reports whether the local router retains the event.
func retains(e *client.Event) bool {
	set, _ := e.Detail(wamp.KeyRetain).Bool()
	return set
}
