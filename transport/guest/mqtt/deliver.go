package mqtt

import (
	"math"

	"runnel/edge/codec"
	"runnel/edge/wamp"
	"runnel/transport/mqtt/naming"
	"runnel/transport/mqtt/packet"
)

// topicOf returns the topic of a URI; "" if MQTT cannot express it.
func topicOf(uri string) string {
	topic, err := naming.Topic(uri)
	if err != nil || wamp.Reserved(uri) {
		return ""
	}
	return topic
}

// details are the details of an EVENT that MQTT clients can receive.
type details struct {
	topic    []byte
	retained bool
	confirm  bool
	gap      bool
	qos      byte
	ttl      uint64 // ms
	expires  bool
	notes    codec.Value
}

func readDetails(d codec.Dict) (e details) {
	e.qos = 2
	for f := d.Fields(); f.Next(); {
		v := f.Value()
		switch string(f.Key()) {
		case "topic":
			e.topic, _ = v.Text()
		case "retained":
			e.retained, _ = v.Bool()
		case wamp.KeyConfirm:
			e.confirm, _ = v.Bool()
		case wamp.KeyGap:
			e.gap = true
		case wamp.KeyQoS:
			if n, ok := v.Uint(); ok && n <= 2 {
				e.qos = byte(n)
			}
		case wamp.KeyTTL:
			e.ttl, e.expires = v.Uint()
		case wamp.KeyProperties:
			e.notes = v
		}
	}
	return e
}

// event sends an EVENT to the client if one of its filters matches. The caller holds mu.
func (c *Conn) event(m *codec.Message) {
	if c.dead || c.reasonSent {
		return // a durable subscription keeps the event for the client's next connection
	}
	var e details
	if e.qos = 2; !m.Dict.Empty() {
		e = readDetails(m.Dict)
	}
	publication := wamp.ID(0)
	if e.confirm {
		publication = m.Publication
	}
	s := c.subs[m.ID]
	if s == nil || e.gap || s.retained && !e.retained {
		c.eventDone(publication)
		return
	}
	topic := s.topic
	if len(e.topic) > 0 {
		topic = topicOf(string(e.topic))
	}
	if topic == "" {
		c.eventDone(publication)
		return
	}
	p := packet.Publish{Topic: topic, Retain: e.retained}
	notes := c.readNotes(e.notes)
	if !c.choose(s, m.Publication, &p, &notes) {
		c.eventDone(publication)
		return
	}
	p.Payload = c.door.message(m.Payload)
	if c.version >= packet.V5 {
		p.Properties = append(p.Properties, notes.properties...)
		if e.expires {
			p.Properties = append(p.Properties, packet.Property{ID: packet.MessageExpiry, Number: uint32(min((e.ttl+999)/1000, math.MaxUint32))})
		}
	}
	p.QoS = min(p.QoS, e.qos)
	c.send(&p, publication)
}

// choose finds the filters that match a message: the greatest QoS and all identifiers apply (3.3.4). It returns false
// if no filter matches.
func (c *Conn) choose(s *subscription, publication wamp.ID, p *packet.Publish, n *notes) (wanted bool) {
	for _, f := range s.filters {
		if !f.matches(p.Topic) || f.options&packet.NoLocal != 0 && n.sender != "" && n.sender == c.tag() || f.group != nil && !f.group.chooses(c, publication) {
			continue
		}
		wanted = true
		p.QoS = max(p.QoS, f.granted)
		p.Retain = p.Retain || n.retain && f.options&packet.RetainAsPublished != 0
		if f.ident != 0 && c.version >= packet.V5 {
			p.Properties = append(p.Properties, packet.Property{ID: packet.SubscriptionID, Number: f.ident})
		}
	}
	return wanted
}

// send sends a message. event is the id of a durable subscription's event, which waits for the client's
// acknowledgement; 0: none. The caller holds mu.
func (c *Conn) send(p *packet.Publish, event wamp.ID) {
	if p.QoS > 0 {
		p.ID, p.Dup = c.flight.add(sent{event: event, qos: p.QoS})
	}
	switch ok := c.putMessage(p); {
	case !ok && p.QoS > 0:
		delete(c.flight.ids, p.ID)
		c.eventDone(event)
	case p.QoS == 0:
		c.eventDone(event)
	}
}
