package mqtt

import (
	"runnel/edge/codec"
	"runnel/edge/wamp"
	"runnel/transport/mqtt/packet"
)

// flight holds the messages of QoS 1 and 2 that were sent to the client and are not acknowledged. Their payloads are not kept:
// the events of durable subscriptions are kept by the router, and other events are lost with the connection.
type flight struct {
	ids   map[uint16]sent
	last  uint16
	limit int      // the client's receive maximum
	again []resent // messages of the client's former connection that will be sent again
}

// resent is an event of a durable subscription that was sent and not acknowledged. It is sent again with the same id (4.4).
type resent struct {
	event wamp.ID
	id    uint16
}

// sent is a message in flight.
type sent struct {
	event    wamp.ID // of a durable subscription; 0: none
	released bool    // QoS 2: the client has it, and PUBREL was sent
	qos      byte
}

// maxFlight bounds the messages in flight to a client, for clients that accept more.
const maxFlight = 1024

// maxPeerPacket is the longest packet there is (2.1.4).
const maxPeerPacket = 1<<28 + 4

// add returns the id for a message. dup reports that the message was sent before.
func (f *flight) add(s sent) (id uint16, dup bool) {
	if f.ids == nil {
		f.ids = map[uint16]sent{}
	}
	for i, r := range f.again {
		if s.event != 0 && r.event == s.event {
			f.again = append(f.again[:i], f.again[i+1:]...)
			f.ids[r.id] = s
			return r.id, true
		}
	}
	for {
		f.last++
		if _, used := f.ids[f.last]; f.last != 0 && !used && !f.reserved(f.last) {
			f.ids[f.last] = s
			return f.last, false
		}
	}
}

func (f *flight) reserved(id uint16) bool {
	for _, r := range f.again {
		if r.id == id {
			return true
		}
	}
	return false
}

// acked takes PUBACK, PUBREC, PUBREL or PUBCOMP.
func (c *Conn) acked(p *packet.Ack) error {
	if p.Type == packet.TypePubrel {
		c.releasedByClient(p.ID)
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	s, known := c.flight.ids[p.ID]
	switch p.Type {
	case packet.TypePuback:
		known = known && s.qos == 1
	default:
		known = known && s.qos == 2
	}
	switch {
	case p.Type == packet.TypePubrec && known && !p.Code.Failed():
		c.eventDone(s.event)
		c.flight.ids[p.ID] = sent{released: true, qos: 2}
		c.record()
		c.put(&packet.Ack{Type: packet.TypePubrel, ID: p.ID})
	case p.Type == packet.TypePubrec && !known:
		rel := packet.Ack{Type: packet.TypePubrel, ID: p.ID}
		if c.version >= packet.V5 {
			rel.Code = idNotFound
		}
		c.put(&rel)
	case known: // a failure is an answer, too: the message is not sent again (4.4)
		c.eventDone(s.event)
		delete(c.flight.ids, p.ID)
		c.room.Broadcast()
	}
	return nil
}

// eventDone makes the reader acknowledge an event; 0: there is none. The caller holds mu.
func (c *Conn) eventDone(event wamp.ID) {
	if event != 0 {
		c.acks = append(c.acks, event)
		c.wake()
	}
}

// acknowledge queues EVENT_RECEIVED.
func (c *Conn) acknowledge(event wamp.ID) {
	c.queueMessage(&codec.Message{Type: wamp.EventReceived, ID: event})
}
