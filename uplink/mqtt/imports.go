package mqtt

import (
	"context"
	"errors"
	"sync"

	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/transport/mqtt/naming"
	"runnel/transport/mqtt/packet"
	"runnel/uplink"
)

// inbox holds the ids of the QoS 2 messages that have arrived and are not released. A message with such an id is a repetition.
// The inbox outlives connections, as the broker's session does.
type inbox struct {
	mu  sync.Mutex
	ids map[uint16]*letter
}

type letter struct {
	published bool
	session   *session // in which it arrived last
}

// open records a message. first means that it is not a repetition, done that it can be acknowledged.
func (b *inbox) open(id uint16, in *session) (l *letter, first, done bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if l := b.ids[id]; l != nil {
		l.session = in
		return l, false, l.published
	}
	if b.ids == nil {
		b.ids = make(map[uint16]*letter)
	}
	l = &letter{session: in}
	b.ids[id] = l
	return l, true, false
}

// published records that the realm has the message, and returns the session in which to acknowledge it.
func (b *inbox) published(l *letter) *session {
	b.mu.Lock()
	defer b.mu.Unlock()
	l.published = true
	return l.session
}

// released forgets a message: after PUBREL, or when the broker is to send it again.
func (b *inbox) released(id uint16) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.ids, id)
}

// forget forgets all messages: the broker has no session for the link.
func (b *inbox) forget() {
	b.mu.Lock()
	defer b.mu.Unlock()
	clear(b.ids)
}

// receive handles PUBLISH. It acknowledges the message when the local realm has the event, not before.
func (s *session) receive(p *packet.Publish) {
	if len(p.Payload)+len(p.Topic) > s.link.opts.MaxMessage+naming.MaxTopic {
		s.tooLarge(p)
		return
	}
	done := func() {}
	switch p.QoS {
	case 1:
		done = func() { s.answer(packet.TypePuback, p.ID) }
	case 2:
		l, first, published := s.link.inbox.open(p.ID, s)
		if published {
			s.answer(packet.TypePubrec, p.ID)
		}
		if !first {
			return
		}
		done = func() { s.link.inbox.published(l).answer(packet.TypePubrec, p.ID) }
	}
	lost := func() { // the broker sends it again in the next connection
		s.link.inbox.released(p.ID)
		s.conn.Close()
	}
	s.link.deliver(s, p, done, lost)
}

// tooLarge drops and acknowledges a message.
func (s *session) tooLarge(p *packet.Publish) {
	s.link.refuse(&s.link.status.EventsDown, "message not taken", p.Topic, packet.ErrTooLarge)
	switch p.QoS {
	case 1:
		s.answer(packet.TypePuback, p.ID)
	case 2:
		s.answer(packet.TypePubrec, p.ID)
	}
}

// refuse counts a message or call that cannot cross. It logs the first of a run.
func (l *Link) refuse(f *uplink.Counter, what, name string, err error) {
	if f.Drop() {
		l.log.Warn("message dropped; further ones are only counted until one crosses", "reason", what, "topic", name, "err", err)
	}
}

// deliver delivers a message as a call or an event. It calls done when the message can be acknowledged, or lost when the
// broker has to send it again.
func (l *Link) deliver(s *session, p *packet.Publish, done, lost func()) {
	if l.node != nil && l.node.Take(edgeConn{s}, p.Topic, p.Payload, p.Retain) {
		done()
		return
	}
	uri, err := naming.URI(p.Topic)
	if err == nil && l.called(s.open, uri, p) {
		done()
		return
	}
	r, local := l.importOf(p.Topic)
	if r == nil && err == nil {
		if r, _ = l.imported.Best(uri); r != nil {
			local = r.ToLocal(uri)
		}
	}
	if r == nil && err != nil {
		l.refuse(&l.status.EventsDown, "message not taken", p.Topic, err)
		done()
		return
	}
	if r == nil || l.echoes.take(p.Topic, p.Payload, p.Retain) || l.resent.known(p.Topic, p.Payload, p.Retain) {
		done()
		return
	}
	taken := done
	if p.Retain || !s.marked {
		taken = func() {
			l.resent.delivered(p.Topic, p.Payload)
			done()
		}
	}
	if err := l.publish(s.open, r, local, p, taken, lost); err != nil {
		l.refuse(&l.status.EventsDown, "message not taken", p.Topic, err)
		done()
	}
}

// importOf returns the rule with an mqtt_topic that decides about a topic, and the topic's URI.
func (l *Link) importOf(topic string) (r *Rule, uri string) {
	for _, v := range l.inverses {
		if uri, ok := v.URI(topic); ok {
			return v.rule, uri
		}
	}
	return nil, ""
}

// publish publishes a message in the realm. If it returns an error, neither done nor lost is called.
func (l *Link) publish(ctx context.Context, r *Rule, topic string, p *packet.Publish, done, lost func()) error {
	if wamp.Reserved(topic) || !wamp.ValidURI(topic, wamp.Exact, false) {
		return naming.ErrReserved
	}
	o := client.PublishOptions{Retain: p.Retain || r.Retain}
	l.take(&o, p.Properties)
	var payload client.Payload
	if !(o.Retain && len(p.Payload) == 0) { // an empty message clears a retained one; in WAMP an event without payload does
		var err error
		if payload, err = l.form(r.Form).as(p.Properties.Text(packet.ContentType)).decode(p.Payload); err != nil {
			return err
		}
	}
	if p.QoS > 0 {
		o.Done = func(_ wamp.ID, err error) { l.published(topic, err, done, lost) }
	}
	err := l.local.Publish(ctx, topic, o, payload)
	switch {
	case err != nil && p.QoS > 0 && (ctx.Err() != nil || errors.Is(err, wamp.NetworkFailure)):
		lost()
		return nil
	case err != nil:
		return err
	case p.QoS == 0:
		l.status.EventsDown.Forward()
		done()
	}
	return nil
}

// published handles the local router's answer to an event.
func (l *Link) published(topic string, err error, done, lost func()) {
	switch {
	case err == nil:
		l.status.EventsDown.Forward()
		done()
	case errors.Is(err, wamp.NetworkFailure):
		lost()
	default:
		l.refuse(&l.status.EventsDown, "event refused by the local router", topic, err)
		done()
	}
}
