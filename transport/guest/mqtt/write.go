package mqtt

import (
	"runnel/edge/codec"
	"runnel/edge/wamp"
	"runnel/transport/mqtt/packet"
)

// The functions of this file are called by Write, with mu held.

// fromRouter handles one message.
func (c *Conn) fromRouter(data []byte) {
	var m codec.Message
	if codec.Parse(wamp.JSON, data, &m) != nil {
		return
	}
	switch m.Type {
	case wamp.Event:
		c.event(&m)
	case wamp.Published:
		c.published(m.Request, nil)
	case wamp.Subscribed, wamp.Unsubscribed, wamp.Result, wamp.Error:
		c.answered(&m)
	case wamp.Challenge:
		c.challenged(&m)
	case wamp.Welcome:
		c.welcomed(&m)
	case wamp.Abort:
		c.aborted(&m)
	case wamp.Goodbye:
		c.dismissed(&m)
	}
}

// answered handles the answer to a request.
func (c *Conn) answered(m *codec.Message) {
	var err error
	if m.Type == wamp.Error {
		err = wamp.Failure(m.Text)
		if m.ErrorType == wamp.Publish {
			c.published(m.Request, err)
			return
		}
	}
	if m.Type == wamp.Unsubscribed && m.Request == 0 {
		c.revokedBy(m.Dict)
		return
	}
	r := c.pending[m.Request]
	if r == nil {
		return
	}
	delete(c.pending, m.Request)
	switch {
	case r.ends != 0:
		delete(c.subs, r.ends)
	case r.will:
		if err != nil {
			c.broker.refused(c, "the will", err)
		}
		if r.then != nil {
			c.later(r.then)
		}
	case r.call != nil:
		c.result(r.call, m)
	case r.subscribe != nil:
		c.subscribed(r, m.ID, err)
	}
}

// revokedBy handles an UNSUBSCRIBED that the router sends by its own decision.
func (c *Conn) revokedBy(details codec.Dict) {
	for f := details.Fields(); f.Next(); {
		if string(f.Key()) == "subscription" {
			id, _ := f.Value().Uint()
			c.revoked(id)
		}
	}
}

// dismissed handles GOODBYE: the answer to the client's GOODBYE, or the router's own.
func (c *Conn) dismissed(m *codec.Message) {
	if string(m.Text) == wamp.GoodbyeAndOut.Error() {
		return
	}
	code := administrative
	if string(m.Text) == wamp.CloseShutdown.Error() {
		code = shuttingDown
	}
	c.putDisconnect(code, wamp.Failure(m.Text))
	c.later(func() {
		c.queueMessage(&codec.Message{Type: wamp.Goodbye, Text: []byte(wamp.GoodbyeAndOut)})
		if c.ended == nil {
			c.ended = errLeft
		}
	})
}

// putMessage sends a message to the client. It returns false for a message that the client does not accept.
func (c *Conn) putMessage(p *packet.Publish) bool {
	if c.dead {
		return false
	}
	before := len(c.out)
	c.put(p)
	if len(c.out)-before > c.maxPacket { // 3.1.2.11.4
		c.out = c.out[:before]
		return false
	}
	return true
}
