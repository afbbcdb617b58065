package mqtt

import (
	"bufio"
	"fmt"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"runnel/test/kit"
	"runnel/transport/mqtt/packet"
)

// peer is an MQTT client that sends and reads packets one by one.
type peer struct {
	*testing.T
	conn    net.Conn
	r       packet.Reader
	waiting []packet.Packet // read, and not asked for yet
}

var peers atomic.Int64

// anyID returns a client id that no other client has.
func anyID() string { return fmt.Sprint("peer-", peers.Add(1)) }

// dial connects a peer that has not sent CONNECT.
func (b *broker) dial(t *testing.T, v packet.Version) *peer {
	t.Helper()
	conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", b.port))
	kit.Must(t, err)
	conn.SetDeadline(time.Now().Add(2 * kit.Patience))
	t.Cleanup(func() { conn.Close() })
	return &peer{T: t, conn: conn, r: packet.Reader{Reader: bufio.NewReader(conn), Version: v, Max: 1 << 20}}
}

// connect connects a peer with a clean session, or as changed, and returns it with CONNACK.
func (b *broker) connect(t *testing.T, v packet.Version, change ...func(*packet.Connect)) (*peer, *packet.Connack) {
	t.Helper()
	p := b.dial(t, v)
	c := packet.Connect{Version: v, CleanStart: true, ClientID: anyID()}
	for _, f := range change {
		f(&c)
	}
	p.send(&c)
	ack := next[*packet.Connack](p)
	if ack.Code != packet.Success {
		t.Fatalf("CONNACK has %v", ack.Code)
	}
	return p, ack
}

// join is connect without CONNACK.
func (b *broker) join(t *testing.T, v packet.Version, change ...func(*packet.Connect)) *peer {
	t.Helper()
	p, _ := b.connect(t, v, change...)
	return p
}

// named, lasting and property change CONNECT.
func named(id string) func(*packet.Connect) { return func(c *packet.Connect) { c.ClientID = id } }

func lasting(id string, seconds uint32) func(*packet.Connect) {
	return func(c *packet.Connect) {
		c.ClientID, c.CleanStart = id, false
		c.Properties = append(c.Properties, packet.Property{ID: packet.SessionExpiry, Number: seconds})
	}
}

func property(id packet.PropertyID, n uint32) func(*packet.Connect) {
	return func(c *packet.Connect) { c.Properties = append(c.Properties, packet.Property{ID: id, Number: n}) }
}

func (p *peer) send(list ...packet.Packet) {
	p.Helper()
	var b []byte
	for _, one := range list {
		b = one.Append(b, p.r.Version)
	}
	if _, err := p.conn.Write(b); err != nil {
		p.Fatal(err)
	}
}

// next returns the next packet of a type. Packets of other types wait.
func next[P packet.Packet](p *peer) P {
	p.Helper()
	for i, got := range p.waiting {
		if one, ok := got.(P); ok {
			p.waiting = append(p.waiting[:i], p.waiting[i+1:]...)
			return one
		}
	}
	for {
		got, err := p.r.FromServer()
		one, ok := got.(P)
		if err != nil {
			p.Fatalf("waiting for %T: %v; %v wait", one, err, p.waiting)
		}
		if ok {
			return one
		}
		p.waiting = append(p.waiting, got)
	}
}

// over waits for the end of the connection, and returns the code of DISCONNECT, 0 if there is none.
func (p *peer) over() (code packet.Code) {
	p.Helper()
	for {
		got, err := p.r.FromServer()
		if e, ok := err.(net.Error); ok && e.Timeout() {
			p.Fatal("the connection does not end")
		}
		if err != nil {
			return code
		}
		if d, ok := got.(*packet.Disconnect); ok {
			code = d.Code
		}
	}
}

// close sends DISCONNECT and waits for the end.
func (p *peer) close() {
	p.Helper()
	p.send(&packet.Disconnect{})
	p.conn.(*net.TCPConn).CloseWrite()
	p.over()
}

// sub subscribes to one filter and returns the code.
func (p *peer) sub(filter string, options packet.Options, properties ...packet.Property) packet.Code {
	p.Helper()
	p.send(&packet.Subscribe{ID: 1, Filters: []packet.Filter{{Topic: filter, Options: options}}, Properties: properties})
	return next[*packet.Suback](p).Codes[0]
}

// pub publishes and waits for the acknowledgements.
func (p *peer) pub(topic, payload string, qos byte, properties ...packet.Property) {
	p.Helper()
	p.publish(packet.Publish{Topic: topic, Payload: []byte(payload), QoS: qos, ID: 1, Properties: properties})
}

func (p *peer) publish(m packet.Publish) packet.Code {
	p.Helper()
	m.ID = 1
	p.send(&m)
	if m.QoS == 0 {
		return 0
	}
	ack := next[*packet.Ack](p)
	if m.QoS == 2 && !ack.Code.Failed() {
		p.send(&packet.Ack{Type: packet.TypePubrel, ID: 1})
		next[*packet.Ack](p)
	}
	return ack.Code
}

// take waits for a message, acknowledges it, and returns it.
func (p *peer) take() *packet.Publish {
	p.Helper()
	m := next[*packet.Publish](p)
	switch m.QoS {
	case 1:
		p.send(&packet.Ack{Type: packet.TypePuback, ID: m.ID})
	case 2:
		p.send(&packet.Ack{Type: packet.TypePubrec, ID: m.ID})
		next[*packet.Ack](p)
		p.send(&packet.Ack{Type: packet.TypePubcomp, ID: m.ID})
	}
	return m
}

// takes waits for messages and compares them, written as "topic|qos|retained|payload".
func (p *peer) takes(want ...string) {
	p.Helper()
	for _, line := range want {
		m := p.take()
		retained := 0
		if m.Retain {
			retained = 1
		}
		if got := fmt.Sprintf("%s|%d|%d|%s", m.Topic, m.QoS, retained, m.Payload); got != line {
			p.Errorf("got %s, want %s", got, line)
		}
	}
}
