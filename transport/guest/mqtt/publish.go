package mqtt

import (
	"errors"
	"time"

	"runnel/edge/codec"
	"runnel/edge/wamp"
	"runnel/transport/mqtt/naming"
	"runnel/transport/mqtt/packet"
)

// publication is a PUBLISH of the client that is to be acknowledged.
type publication struct {
	request wamp.ID // 0: it is not passed to the router
	id      uint16
	qos     byte
	done    bool
	code    packet.Code
	err     error
}

// receipt is the state of a message of QoS 2 of the client that is not released.
type receipt byte

const (
	taken    receipt = iota // PUBREC was not sent
	answered                // PUBREC was sent
	recalled                // the file of an earlier router says that PUBREC was sent
)

const (
	// maxUnacked is how many messages of a client may wait for their acknowledgement (Receive Maximum).
	maxUnacked = 256

	maxAliases = 16
)

// Reason codes without a name in package packet.
const (
	idNotFound      packet.Code = 0x92
	receiveExceeded packet.Code = 0x93
	aliasInvalid    packet.Code = 0x94
	noSubscription  packet.Code = 0x11
	administrative  packet.Code = 0x98
	shuttingDown    packet.Code = 0x8b
)

// publish handles PUBLISH (3.3).
func (c *Conn) publish(p *packet.Publish) error {
	if err := c.resolve(p); err != nil {
		return err
	}
	if p.Properties.Has(packet.SubscriptionID) {
		return violation("a PUBLISH of a client with a subscription identifier") // 3.3.4
	}
	if p.QoS == 2 {
		if again, err := c.repeated(p); again || err != nil {
			return err
		}
	}
	if procedure, ok := callTopic(p.Topic); ok {
		return c.request(p, procedure)
	}
	uri, err := naming.URI(p.Topic)
	if err != nil {
		c.accept(p, 0, packet.TopicNameInvalid, err)
		return nil
	}
	m := codec.Message{Type: wamp.Publish, Request: c.number(), Text: []byte(uri), Payload: c.door.payload(p.Payload)}
	m.Dict = c.publishOptions(p, p.QoS > 0)
	if !c.queueMessage(&m) {
		return violation("a message that cannot be encoded")
	}
	c.accept(p, m.Request, packet.Success, nil)
	return nil
}

// resolve finds the topic of a topic alias (3.3.2.3.4).
func (c *Conn) resolve(p *packet.Publish) error {
	if !p.Properties.Has(packet.TopicAlias) {
		if p.Topic == "" {
			return violation("a PUBLISH without a topic")
		}
		return nil
	}
	alias := int(p.Properties.Number(packet.TopicAlias, 0))
	switch {
	case alias == 0 || alias > maxAliases:
		return &packet.Error{Code: aliasInvalid, Text: "a topic alias beyond the maximum"}
	case p.Topic != "":
		if c.aliases == nil {
			c.aliases = make([]string, maxAliases)
		}
		if c.aliases[alias-1] = p.Topic; len(p.Topic) > naming.MaxTopic {
			c.aliases[alias-1] = "" // the message is refused
		}
	case c.aliases == nil || c.aliases[alias-1] == "":
		return violation("a topic alias without a topic")
	default:
		p.Topic = c.aliases[alias-1]
	}
	return nil
}

// publishOptions makes PUBLISH.Options.
func (c *Conn) publishOptions(p *packet.Publish, acknowledge bool) codec.Dict {
	c.mu.Lock()
	local, mixed := c.local, c.mixed
	c.mu.Unlock()
	b := &c.options
	b.Reset(wamp.JSON, nil)
	if acknowledge {
		b.Bool("acknowledge", true)
	}
	if local {
		b.Bool("exclude_me", false)
	}
	if p.Retain {
		b.Bool("retain", true)
	}
	if p.Properties.Has(packet.MessageExpiry) {
		ttl := time.Duration(p.Properties.Number(packet.MessageExpiry, 0)) * time.Second
		b.Uint(wamp.KeyTTL, uint64(max(ttl.Milliseconds(), 1)))
	}
	b.Uint(wamp.KeyQoS, uint64(p.QoS))
	notes := notesOf(p)
	if mixed {
		notes = note(notes, noteSender, c.tag())
	}
	if notes != nil {
		b.Any(wamp.KeyProperties, notes)
	}
	return b.Dict()
}

// tag returns the note by which the client recognizes its own messages.
func (c *Conn) tag() string { return c.transport.Remote + " " + c.transport.Client }

// accept records that a message must be acknowledged: at once if request is 0, or else when the router has answered.
func (c *Conn) accept(p *packet.Publish, request wamp.ID, code packet.Code, err error) {
	if err != nil {
		c.broker.refused(c, p.Topic, err)
	}
	if p.QoS == 0 {
		return
	}
	c.mu.Lock()
	if p.QoS == 2 {
		if c.received == nil {
			c.received = map[uint16]receipt{}
		}
		c.received[p.ID] = taken
	}
	c.unacked = append(c.unacked, publication{request: request, id: p.ID, qos: p.QoS, done: request == 0, code: code, err: err})
	c.sendAcks()
	c.mu.Unlock()
}

// published handles PUBLISHED, or the error for PUBLISH. The caller holds mu.
func (c *Conn) published(request wamp.ID, err error) {
	for i := range c.unacked {
		if p := &c.unacked[i]; p.request == request && !p.done {
			if p.done = true; err != nil {
				p.code, p.err = codeOf(err), err
			}
			break
		}
	}
	c.sendAcks()
}

// sendAcks sends the acknowledgements of the messages that are done, in order (4.6). The caller holds mu.
func (c *Conn) sendAcks() {
	n := 0
	for ; n < len(c.unacked) && c.unacked[n].done; n++ {
		p := &c.unacked[n]
		ack := packet.Ack{Type: packet.TypePuback, ID: p.id, Code: p.code, Properties: c.reason(nil, p.err)}
		if p.qos < 2 {
			c.put(&ack)
			continue
		}
		ack.Type = packet.TypePubrec
		if c.records() {
			if c.recs = append(c.recs, ack); len(c.recs) == 1 {
				c.later(c.recorded)
			}
			continue
		}
		c.putPubrec(&ack)
	}
	if n > 0 {
		c.unacked = append(c.unacked[:0], c.unacked[n:]...)
		c.room.Broadcast()
	}
}

// putPubrec appends PUBREC. The caller holds mu.
func (c *Conn) putPubrec(ack *packet.Ack) {
	if c.received[ack.ID] = answered; ack.Code.Failed() && c.version >= packet.V5 {
		delete(c.received, ack.ID)
	}
	c.put(ack)
}

// repeated reports whether a QoS 2 message has already been accepted, and answers it again (4.3.3). After a power cut
// the file of the ids may have ids that the client had released. A message that has such an id and is not marked as
// repeated is a new one (3.3.1.1).
func (c *Conn) repeated(p *packet.Publish) (again bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r, again := c.received[p.ID]
	switch {
	case r == recalled && !p.Dup:
		again = false
	case r != taken:
		c.put(&packet.Ack{Type: packet.TypePubrec, ID: p.ID})
	case !again && len(c.received) >= maxUnacked:
		err = &packet.Error{Code: receiveExceeded, Text: "more messages of QoS 2 than the receive maximum"}
	}
	return again, err
}

// releasedByClient handles PUBREL (3.6).
func (c *Conn) releasedByClient(id uint16) {
	c.mu.Lock()
	defer c.mu.Unlock()
	ack := packet.Ack{Type: packet.TypePubcomp, ID: id}
	if _, known := c.received[id]; known {
		delete(c.received, id)
		c.record()
	} else if c.version >= packet.V5 {
		ack.Code = idNotFound
	}
	c.put(&ack)
}

// roomToPublish reports whether further packets of the client may be handled.
func (c *Conn) roomToPublish() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.crowded()
}

// crowded reports whether the client must wait. The caller holds mu.
func (c *Conn) crowded() bool { return !c.open || len(c.unacked) >= maxUnacked || len(c.out) > outHard }

// awaitPublished waits until further packets of the client may be handled, or until there is other work. It reports
// false if the connection has ended.
func (c *Conn) awaitPublished() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.crowded() && !c.dead && len(c.todo) == 0 && len(c.acks) == 0 {
		c.room.Wait()
	}
	return !c.dead
}

// codeOf returns the reason code for the router's error.
func codeOf(err error) packet.Code {
	var failure wamp.Failure
	errors.As(err, &failure)
	switch failure {
	case wamp.NotAuthorized, wamp.AuthorizationFailed:
		return packet.NotAuthorized
	case wamp.InvalidURI:
		return packet.TopicNameInvalid
	case wamp.Unavailable:
		return packet.QuotaExceeded
	case wamp.PayloadSizeExceeded:
		return packet.PacketTooLarge
	}
	return packet.UnspecifiedError
}
