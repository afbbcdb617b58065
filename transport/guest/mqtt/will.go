package mqtt

import (
	"context"
	"time"

	wampclient "runnel/edge/client"
	"runnel/edge/codec"
	"runnel/edge/wamp"
	"runnel/transport/mqtt/naming"
	"runnel/transport/mqtt/packet"
)

// A will is a testament of the client's WAMP session: the router publishes it however the session ends, unless the client has
// sent DISCONNECT. It is therefore also published when an operator kills the session, and when the router stops.
//
// A will with a delay belongs to the saved session instead, and is kept on disk. It is published when the delay has
// passed after the end of the connection and the client has not reconnected, or when the session ends before that
// (3.1.3.2.2). After a restart of the router the delay starts again (3.1.2.5).

const (
	addTestament    = "wamp.session.add_testament"
	flushTestaments = "wamp.session.flush_testaments"
)

// delayedWill reports whether the will has a delay. If the session is not kept, the delay has no effect.
func (c *Conn) delayedWill() bool {
	return min(c.will.Properties.Number(packet.WillDelay, 0), c.expiry) > 0
}

// testament returns the arguments of addTestament for the will.
func (c *Conn) testament() codec.Payload {
	w := c.will
	uri, _ := naming.URI(w.Topic) // Accept has checked it
	raw, _ := codec.AppendValue([]byte{'['}, wamp.JSON, uri)
	if message := c.door.payload(w.Payload); message.Items > 0 {
		raw = append(append(raw, ','), message.Raw...)
	}
	p := packet.Publish{QoS: w.QoS, Retain: w.Retain, Properties: w.Properties}
	raw = append(raw, `],{"publish_options":`...)
	raw = append(append(raw, c.publishOptions(&p, false).Raw...), '}')
	return codec.Payload{Serializer: wamp.JSON, Items: 2, Raw: raw}
}

// addWill makes the will a testament of the session. It calls then, which may be nil, once the router has the testament.
func (c *Conn) addWill(then func()) {
	m := codec.Message{Type: wamp.Call, Request: c.number(), Text: []byte(addTestament), Payload: c.testament()}
	c.will = nil
	c.mu.Lock()
	c.willed = true
	c.expect(m.Request, &request{then: then, will: true})
	c.mu.Unlock()
	c.queueMessage(&m)
}

// dropWill removes the will, because the client has sent DISCONNECT.
func (c *Conn) dropWill() {
	if c.willed {
		c.queueMessage(&codec.Message{Type: wamp.Call, Request: c.number(), Text: []byte(flushTestaments)})
	}
	b := c.broker
	b.mu.Lock()
	defer b.mu.Unlock()
	if s := b.saved[c.key]; s != nil && b.clients[c.key] == c && s.will != "" {
		s.will = ""
		b.write(s)
	}
}

// awaitWill publishes the will of a session after its delay, unless the client reconnects. The caller holds mu.
func (b *Broker) awaitWill(s *session) {
	if s.will == "" || b.closed {
		return
	}
	s.timer = time.AfterFunc(time.Duration(min(s.willDelay, s.expiry))*time.Second, func() {
		b.mu.Lock()
		key := s.owner.key()
		if b.saved[key] != s || b.clients[key] != nil || b.closed {
			b.mu.Unlock()
			return
		}
		will := b.takeWill(s)
		b.write(s)
		b.mu.Unlock()
		b.publishWill(s.owner, will)
	})
}

// takeWill removes the will of a session and returns it. The caller holds mu.
func (b *Broker) takeWill(s *session) (will string) {
	if s.timer != nil {
		s.timer.Stop()
		s.timer = nil
	}
	will, s.will = s.will, ""
	return will
}

// publishWill publishes a will on behalf of a client that is not connected.
func (b *Broker) publishWill(owner Owner, will string) {
	if will == "" {
		return
	}
	p := codec.Payload{Serializer: wamp.JSON, Items: 2, Raw: []byte(will)}
	if err := b.onBehalf(owner, addTestament, wampclient.Raw(p)); err != nil { // the session publishes it when it ends
		b.log.Warn("cannot publish the will of an MQTT client", "client_id", owner.Client, "authid", owner.Authid, "err", err)
	}
}

// onBehalf calls a procedure in a session on behalf of a client that is not connected.
func (b *Broker) onBehalf(owner Owner, procedure string, p wampclient.Payload) error {
	if b.join == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), takeoverTime)
	defer cancel()
	c, err := wampclient.Connect(ctx, wampclient.Options{
		Realm: owner.Realm, Reconnect: wampclient.Reconnect{Disabled: true},
		Dial: func(context.Context) (wampclient.Conn, error) { return b.join(owner), nil },
	})
	if err == nil {
		_, err = c.Call(ctx, procedure, wampclient.CallOptions{}, p)
		c.Close(ctx)
	}
	return err
}
