package mqtt

import (
	"fmt"
	"time"

	"runnel/edge/codec"
	"runnel/edge/wamp"
	"runnel/transport/guest"
	"runnel/transport/mqtt/packet"
)

// features are the roles of HELLO.
var features = map[string]any{
	"publisher": map[string]any{"features": map[string]any{"publisher_exclusion": true, "payload_passthru_mode": true}},
	"subscriber": map[string]any{"features": map[string]any{"pattern_based_subscription": true, "payload_passthru_mode": true,
		"subscription_revocation": true}},
	"caller": map[string]any{"features": map[string]any{"call_timeout": true}},
}

// login queues HELLO. The user name is the authid. The password answers the challenge of any password method.
func (c *Conn) login(p *packet.Connect) {
	details := map[string]any{"roles": features, "agent": "mqtt/" + c.version.String()}
	if c.named = p.Named && c.transport.Role == ""; c.named {
		details["authid"] = p.Username
		peer := guest.Peer{Transport: c.transport, Authid: p.Username, Password: string(p.Password)}
		var err error
		if c.attempt, err = peer.Begin(); err == nil {
			methods, extra := c.attempt.Hello()
			details["authmethods"] = methods
			if extra != nil {
				details["authextra"] = extra
			}
		}
	}
	dict, _ := codec.NewDict(wamp.JSON, details)
	c.queueMessage(&codec.Message{Type: wamp.Hello, Text: []byte(c.owner.Realm), Dict: dict})
}

// deriving bounds how many keys are derived from passwords at a time: Argon2 takes up to 64 MiB for each.
var deriving = make(chan struct{}, 2)

// challenged answers CHALLENGE.
func (c *Conn) challenged(m *codec.Message) {
	method, details := string(m.Text), m.Dict.Clone()
	c.later(func() {
		deriving <- struct{}{}
		signature, extra, err := c.attempt.Answer(method, details)
		<-deriving
		answer := codec.Message{Type: wamp.Authenticate, Text: []byte(signature)}
		if err != nil {
			answer = codec.Message{Type: wamp.Abort, Text: []byte(wamp.AuthenticationFailed.Error())}
		} else {
			answer.Dict, _ = codec.NewDict(wamp.JSON, extra)
		}
		c.queueMessage(&answer)
		if err != nil {
			c.mu.Lock()
			c.putConnack(packet.BadLogin, nil)
			c.reasonSent = true
			c.unlockAndFlush()
			c.ended = err
		}
	})
}

// aborted handles ABORT: the router rejects the client, or ends the session after an error.
func (c *Conn) aborted(m *codec.Message) {
	if c.joined {
		c.putDisconnect(packet.UnspecifiedError, nil)
		return
	}
	code := packet.ServerUnavailable
	switch wamp.Failure(m.Text) {
	case wamp.AuthenticationFailed, wamp.AuthenticationDenied, wamp.NoSuchPrincipal, wamp.NoMatchingAuthMethod, wamp.AuthenticationRequired, wamp.NoSuchRole:
		if code = packet.NotAuthorized; c.named {
			code = packet.BadLogin
		}
	case wamp.NotAuthorized, wamp.AuthorizationFailed, wamp.NoSuchRealm:
		code = packet.NotAuthorized
	}
	c.putConnack(code, fmt.Errorf("%s", m.Text))
}

// welcomed takes WELCOME and lets the reader continue.
func (c *Conn) welcomed(m *codec.Message) {
	c.joined = true
	nameless := false
	for f := m.Dict.Fields(); f.Next(); {
		text, _ := f.Value().Text()
		switch string(f.Key()) {
		case "authid":
			c.owner.Authid = string(text)
		case "authrole":
			c.owner.Role = string(text)
		case "authmethod":
			nameless = string(text) == "anonymous"
		case wamp.KeyDurable:
			c.durable, _ = f.Value().Bool()
		}
	}
	if nameless {
		c.owner.Authid = "" // it differs after each reconnect
	}
	c.key = c.owner.key()
	c.later(c.begin)
}

// begin resumes the client's session, or starts a new one. The router gets the will before the client gets CONNACK.
func (c *Conn) begin() {
	if old := c.broker.claim(c); old != nil {
		old.replaced()
		late := time.NewTimer(takeoverTime)
		select {
		case <-old.done:
		case <-late.C:
		}
		late.Stop()
		old.mu.Lock()
		old.retire()
		old.mu.Unlock()
	}
	c.mu.Lock()
	if !c.durable {
		c.expiry = 0 // nothing would be kept
	}
	c.mu.Unlock()
	saved := c.resume()
	if c.will == nil || c.delayedWill() {
		c.welcome(saved)
		return
	}
	c.addWill(func() { c.welcome(saved) })
}

// welcome answers CONNECT.
func (c *Conn) welcome(saved *session) {
	c.mu.Lock()
	c.putWelcome(saved != nil)
	c.open = true
	c.mu.Unlock()
	if saved != nil {
		c.restore(saved)
	}
	if !c.save() && c.will != nil {
		c.addWill(nil)
	}
	c.will = nil
	c.flush()
}

// takeoverTime bounds the wait for the end of the client's former connection.
const takeoverTime = 5 * time.Second

// putWelcome appends the CONNACK of a session. The caller holds mu.
func (c *Conn) putWelcome(present bool) {
	p := packet.Connack{SessionPresent: present}
	if c.version >= packet.V5 {
		number := func(id packet.PropertyID, n uint32) {
			p.Properties = append(p.Properties, packet.Property{ID: id, Number: n})
		}
		if c.expiry != c.asked {
			number(packet.SessionExpiry, c.expiry)
		}
		number(packet.ReceiveMaximum, maxUnacked)
		number(packet.MaximumPacketSize, uint32(c.limit()-headerRoom))
		number(packet.TopicAliasMaximum, maxAliases)
		if c.ownKeepAlive {
			number(packet.ServerKeepAlive, uint32(c.keepAlive))
		}
		if c.assigned {
			p.Properties = append(p.Properties, packet.Property{ID: packet.AssignedClientID, Text: c.transport.Client})
		}
	}
	c.put(&p)
}

// sendGoodbye ends the session by GOODBYE.
func (c *Conn) sendGoodbye() {
	c.queueMessage(&codec.Message{Type: wamp.Goodbye, Text: []byte(wamp.CloseRealm)})
	c.ended = errLeft
}
