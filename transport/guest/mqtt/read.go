package mqtt

import (
	"errors"
	"io"

	"runnel/edge/codec"
	"runnel/edge/wamp"
	"runnel/transport/mqtt/packet"
)

// The functions of this file are called by the reader.

// errLeft ends a session that both sides have ended.
var errLeft = io.EOF

// errWill ends the session at once, so that its will is published.
var errWill = errors.New("disconnected by the client, with its will")

func violation(text string) error { return &packet.Error{Code: packet.ProtocolError, Text: text} }

// handle handles one packet. An error ends the connection.
func (c *Conn) handle(data []byte) error {
	p, err := packet.FromClient(data, c.version)
	if err != nil {
		return err
	}
	switch p := p.(type) {
	case *packet.Publish:
		return c.publish(p)
	case *packet.Ack:
		return c.acked(p)
	case *packet.Subscribe:
		return c.subscribe(p)
	case *packet.Unsubscribe:
		c.unsubscribe(p)
	case packet.Ping:
		c.reply(packet.Ping{Type: packet.TypePingresp})
	case *packet.Disconnect:
		return c.disconnected(p)
	default:
		return violation("a second CONNECT, or an AUTH without extended authentication") // 3.1.0, 4.12
	}
	return nil
}

// reply queues a packet for the next flush.
func (c *Conn) reply(p packet.Packet) {
	c.mu.Lock()
	c.put(p)
	c.mu.Unlock()
}

// queueMessage queues a message for the router. It returns false if the message cannot be encoded.
func (c *Conn) queueMessage(m *codec.Message) bool {
	start := len(c.arena)
	var err error
	if c.arena, err = codec.Append(c.arena, wamp.JSON, m); err != nil {
		return false
	}
	c.queue = append(c.queue, span{start, len(c.arena)})
	return true
}

// number returns the next request id.
func (c *Conn) number() wamp.ID {
	c.requests = wamp.NextID(c.requests)
	return c.requests
}

// disconnected handles DISCONNECT (3.14): the will is not published, unless the client asks for it.
func (c *Conn) disconnected(p *packet.Disconnect) error {
	if p.Properties.Has(packet.SessionExpiry) {
		expiry := p.Properties.Number(packet.SessionExpiry, 0)
		if c.asked == 0 && expiry > 0 {
			return violation("a session expiry in DISCONNECT, and none in CONNECT") // 3.14.2.2.2
		}
		c.mu.Lock()
		c.expiry = min(c.expiry, expiry)
		c.mu.Unlock()
	}
	if p.Code == withWill {
		return errWill
	}
	c.work() // the router ignores everything after GOODBYE
	c.dropWill()
	c.sendGoodbye()
	return nil
}

// withWill is "disconnect with will message" (3.14.2.1).
const withWill packet.Code = 4

// fail ends the session after an error of the connection or of the client. The router then publishes the will.
func (c *Conn) fail(err error) {
	if err == nil {
		return
	}
	sent := false
	if e := (*packet.Error)(nil); errors.As(err, &e) {
		c.mu.Lock()
		sent = c.putDisconnect(e.Code, err)
		c.unlockAndFlush()
	}
	if c.work(); c.ended == nil {
		c.ended = err
		c.mu.Lock()
		c.reasonSent = sent
		c.mu.Unlock()
	}
}

// putDisconnect appends DISCONNECT, and reports whether it did: servers of MQTT 3.1.1 do not send it. The caller holds mu.
func (c *Conn) putDisconnect(code packet.Code, err error) bool {
	if c.version < packet.V5 || c.dead {
		return false
	}
	c.put(&packet.Disconnect{Code: code, Properties: c.reason(nil, err)})
	return true
}

// replaced ends the connection because the client has opened another one.
func (c *Conn) replaced() {
	c.mu.Lock()
	c.putDisconnect(packet.SessionTakenOver, nil)
	c.mu.Unlock()
	c.CloseWrite()
	c.wire.Close()
}
