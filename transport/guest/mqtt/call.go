package mqtt

import (
	"errors"
	"strings"

	"runnel/edge/codec"
	"runnel/edge/wamp"
	"runnel/transport/mqtt/naming"
	"runnel/transport/mqtt/packet"
)

// An MQTT 5 client calls a procedure by a message to $call/ followed by the procedure as a topic, with a response
// topic and optional correlation data (4.10). The result goes only to this client, at the response topic, to which it
// must have subscribed. The user property "error" has the URI of an error.

const (
	callPrefix  = "$call/"
	errorName   = "error"
	maxCalls    = 64
	longestCall = 3600 // seconds
)

// rpc is a call in progress.
type rpc struct {
	reply string
	data  packet.Properties
	qos   byte
}

// callTopic returns the topic of the procedure that a message calls.
func callTopic(topic string) (procedure string, ok bool) { return strings.CutPrefix(topic, callPrefix) }

// request makes a call from a message.
func (c *Conn) request(p *packet.Publish, procedure string) error {
	reply := p.Properties.Text(packet.ResponseTopic)
	uri, err := procedureOf(procedure)
	switch {
	case err != nil:
		c.accept(p, 0, packet.TopicNameInvalid, err)
		return nil
	case reply == "" || reply[0] == '$' || naming.Check(reply, "+#") != nil:
		c.accept(p, 0, packet.TopicNameInvalid, errors.New("a call needs MQTT 5 and a valid response topic"))
		return nil
	case p.Retain:
		c.accept(p, 0, packet.RetainNotSupported, errors.New("a call cannot be retained"))
		return nil
	}
	call := &rpc{reply: reply, qos: p.QoS}
	if p.Properties.Has(packet.CorrelationData) {
		call.data = packet.Properties{{ID: packet.CorrelationData, Text: p.Properties.Text(packet.CorrelationData)}}
	}
	c.mu.Lock()
	full := c.calls >= maxCalls
	if !full {
		c.calls++
	}
	c.mu.Unlock()
	if full {
		c.accept(p, 0, packet.QuotaExceeded, errors.New("too many calls are in progress"))
		return nil
	}
	m := codec.Message{Type: wamp.Call, Request: c.number(), Text: []byte(uri), Payload: c.door.payload(p.Payload)}
	if p.Properties.Has(packet.MessageExpiry) {
		c.options.Reset(wamp.JSON, nil)
		c.options.Uint("timeout", uint64(max(min(p.Properties.Number(packet.MessageExpiry, 0), longestCall)*1000, 1)))
		m.Dict = c.options.Dict()
	}
	c.mu.Lock()
	c.expect(m.Request, &request{call: call})
	c.mu.Unlock()
	c.queueMessage(&m)
	c.accept(p, 0, packet.Success, nil)
	return nil
}

// procedureOf returns the URI of a procedure. Unlike topics, procedures of the router itself are allowed, if the role
// permits them.
func procedureOf(topic string) (string, error) {
	uri, err := naming.URI(topic)
	if errors.Is(err, naming.ErrReserved) {
		return strings.ReplaceAll(topic, "/", "."), nil
	}
	return uri, err
}

// result answers a call. The caller holds mu.
func (c *Conn) result(call *rpc, m *codec.Message) {
	c.calls--
	p := packet.Publish{Topic: call.reply, Payload: c.door.message(m.Payload), Properties: call.data}
	if m.Type == wamp.Error {
		p.Properties = append(p.Properties, packet.Property{ID: packet.UserProperty, Name: errorName, Text: string(m.Text)})
	}
	wanted := false
	for _, f := range c.filters {
		if f.share == "" && naming.Matches(f.topic, call.reply) {
			wanted = true
			p.QoS = max(p.QoS, min(f.granted, call.qos))
			if f.ident != 0 {
				p.Properties = append(p.Properties, packet.Property{ID: packet.SubscriptionID, Number: f.ident})
			}
		}
	}
	if wanted {
		c.send(&p, 0)
	}
}
