package mqtt

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"

	"runnel/edge/codec"
	"runnel/edge/wamp"
	"runnel/transport/mqtt/packet"
)

// A session with an expiry outlives its connection (4.1). This file saves its filters, on disk if there is a
// directory. Durable subscriptions of the router, which belong to the client's authid, keep its messages of QoS 1 and
// 2. Both survive a restart. The ids of QoS 2 messages in flight from the client are on disk, too. The ids of
// unacknowledged messages to the client are in memory only, so such a message may arrive twice after a restart of the
// router. Each connection begins with a random id, so that a client does not mistake a new message for one in flight.

// session is a saved session. Guarded by Broker.mu.
type session struct {
	owner   Owner
	holder  *Conn     // the connection; nil: none
	expiry  uint32    // seconds
	ends    time.Time // zero while the client is connected
	filters []savedFilter

	will      string      // arguments of addTestament; "": none
	willDelay uint32      // seconds
	timer     *time.Timer // of the will
	written   string      // digest of the file

	received map[uint16]receipt // see Conn.received
	released []uint16           // QoS 2 messages whose PUBREL is not answered
	again    []resent
}

type savedFilter struct {
	text    string
	options packet.Options
	ident   uint32
}

// maxSaved bounds the saved sessions. Each has a durable subscription, which the router bounds as well.
const maxSaved = 10_000

// resume returns the session that the client continues; nil: it begins a new one.
func (c *Conn) resume() *session {
	b := c.broker
	b.mu.Lock()
	s := b.saved[c.key]
	if s == nil {
		if c.expiry > 0 {
			b.remove(&session{owner: c.owner}) // ids of a former session may be left
		}
		b.mu.Unlock()
		return nil
	}
	good := !c.clean && (s.ends.IsZero() || time.Now().Before(s.ends))
	will := b.takeWill(s)
	s.holder = nil // from now on a former connection that has not ended in time is ignored
	if s.ends = (time.Time{}); !good || c.expiry == 0 {
		delete(b.saved, c.key)
		b.remove(s)
	}
	b.mu.Unlock()
	if good {
		return s
	}
	c.dropDurables()
	go b.publishWill(s.owner, will) // the session has ended
	return nil
}

// restore subscribes again to the filters of a session.
func (c *Conn) restore(s *session) {
	c.mu.Lock()
	c.received = s.received
	s.received = nil
	for _, id := range s.released {
		if c.flight.ids == nil {
			c.flight.ids = map[uint16]sent{}
		}
		c.flight.ids[id] = sent{released: true, qos: 2}
		c.put(&packet.Ack{Type: packet.TypePubrel, ID: id})
	}
	c.flight.again = s.again
	s.released, s.again = nil, nil
	var list []*filter
	for _, saved := range s.filters {
		f, err := parseFilter(saved.text)
		if err != nil {
			continue
		}
		f.options, f.ident, f.granted = saved.options, saved.ident, saved.options.QoS()
		c.keep(f)
		list = append(list, f)
	}
	c.mu.Unlock()
	for _, f := range list {
		op := &subscribing{codes: []packet.Code{unanswered}, errs: []error{nil}, left: len(f.parts)}
		c.subscribeParts(op, 0, f, false)
	}
}

// save saves the session if it outlives its connection. It reports whether the session is kept.
func (c *Conn) save() bool {
	c.mu.Lock()
	if c.expiry == 0 || !c.durable {
		c.mu.Unlock()
		return false
	}
	s := &session{owner: c.owner, expiry: c.expiry}
	for _, f := range c.filters {
		s.filters = append(s.filters, savedFilter{f.text, f.options, f.ident})
	}
	c.mu.Unlock()
	if c.will != nil {
		s.will, s.willDelay = string(c.testament().Raw), c.will.Properties.Number(packet.WillDelay, 0)
	}
	return c.broker.put(c, s)
}

// put keeps a session and writes it.
func (b *Broker) put(c *Conn, s *session) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	old := b.saved[c.key]
	if b.clients[c.key] != c || old == nil && len(b.saved) >= maxSaved {
		return false
	}
	if old != nil {
		if s.written = old.written; s.will == "" {
			s.will, s.willDelay = old.will, old.willDelay
		}
	}
	s.holder = c
	b.saved[c.key] = s
	b.write(s)
	return true
}

// recorded sends the PUBRECs that have waited until their ids are on disk.
func (c *Conn) recorded() {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := c.recs
	c.recs = nil
	for i := range list {
		if !list[i].Code.Failed() || c.version < packet.V5 {
			c.received[list[i].ID] = answered
		}
	}
	c.record()
	for i := range list {
		c.putPubrec(&list[i])
	}
}

// keep keeps the session of a connection that has ended, until it expires.
func (b *Broker) keep(c *Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.retire()
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.saved[c.key]
	if s == nil || s.holder != c {
		return
	}
	s.holder = nil
	s.received = map[uint16]receipt{} // the reader of c may still be running, and keeps the old map
	for id, r := range c.received {
		if r != taken || c.drained {
			s.received[id] = max(r, answered)
		}
	}
	s.released, s.again = nil, c.flight.again
	for id, m := range c.flight.ids {
		if m.released {
			s.released = append(s.released, id)
		} else if m.event != 0 {
			s.again = append(s.again, resent{m.event, id})
		}
	}
	s.expiry = c.expiry
	s.ends = time.Now().Add(time.Duration(s.expiry) * time.Second)
	b.write(s) // DISCONNECT may have changed the expiry
	b.awaitWill(s)
	b.scheduleExpiry()
}

// durablePrefix begins the names of the client's durable subscriptions.
func (k client) durablePrefix() string {
	name := strings.Map(func(r rune) rune {
		if r < 0x80 && (r == '-' || r == '_' || r >= '0' && r <= '9' || r|0x20 >= 'a' && r|0x20 <= 'z') {
			return r
		}
		return '_'
	}, k.id)
	return "mqtt." + name[:min(len(name), 32)] + "-" + digest(k.id) + "."
}

// durableName returns the name of the durable subscription to a pattern.
func (c *Conn) durableName(p wamp.Pattern) string {
	return c.key.durablePrefix() + digest(p.Match.String()+" "+p.URI)
}

func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:6])
}

// keepProcedure removes durable subscriptions that are not listed. It needs no permission.
const keepProcedure = "runnel.durable.keep"

// dropDurables removes the client's durable subscriptions that it no longer uses.
func (c *Conn) dropDurables() {
	names := []any{}
	c.mu.Lock()
	for _, s := range c.subs {
		if s.durable {
			names = append(names, c.durableName(s.part))
		}
	}
	c.mu.Unlock()
	p, err := codec.NewPayload(wamp.JSON, []any{c.key.durablePrefix(), names}, nil)
	if err == nil {
		c.queueMessage(&codec.Message{Type: wamp.Call, Request: c.number(), Text: []byte(keepProcedure), Payload: p})
	}
}
