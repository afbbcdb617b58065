package mqtt

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"runnel/edge/budget"
	"runnel/edge/wamp"
	"runnel/transport/mqtt/naming"
	"runnel/transport/mqtt/packet"
	"runnel/transport/wire"
)

// Door accepts the clients of one listener.
type Door struct {
	Broker *Broker
	Realm  string
	Text   bool // payloads are text, see payload.go

	MaxPacket int           // length of the longest packet in bytes; 0: 1 MiB
	KeepAlive time.Duration // limit of a client's keep alive; 0: none
}

const (
	// maxConnect is the length of the longest CONNECT in bytes. A will may have 64 KiB.
	maxConnect = 72 << 10

	maxClientID      = 256
	defaultMaxPacket = 1 << 20
	headerRoom       = 8 // of a fixed header, generously
)

// Accept takes CONNECT from a new connection, until end, and returns the Conn whose first message is HELLO. The caller closes the
// connection after an error.
func (d *Door) Accept(conn net.Conn, peer wamp.Transport, account *budget.Account, end time.Time) (_ wamp.Conn, err error) {
	if err := conn.SetReadDeadline(end); err != nil {
		return nil, fmt.Errorf("set deadline: %w", err)
	}
	w := wire.New(conn, nil)
	w.Charge(account)
	defer func() {
		if err != nil {
			w.Close() // gives back the buffer
		}
	}()
	w.Acquire(true) // permanently: only this package writes
	p, err := firstPacket(w)
	if err != nil {
		return nil, err
	}
	c := &Conn{door: d, broker: d.Broker, wire: w, account: account, version: p.Version, transport: peer, done: make(chan struct{}), gone: make(chan struct{})}
	c.room.L = &c.mu
	if code, err := c.take(p); err != nil {
		c.refuse(code, err)
		return nil, fmt.Errorf("mqtt: CONNECT: %w", err)
	}
	if err := conn.SetReadDeadline(time.Time{}); err != nil {
		return nil, fmt.Errorf("set deadline: %w", err)
	}
	if keep := time.Duration(c.keepAlive) * time.Second; keep > 0 { // 3.1.2.10: one and a half times the keep alive
		w.KeepAlive(keep, keep/2, func() bool { return true })
	}
	return c, nil
}

// firstPacket reads CONNECT.
func firstPacket(w *wire.Conn) (*packet.Connect, error) {
	if err := w.Fill(1); err != nil {
		return nil, fmt.Errorf("mqtt: read CONNECT: %w", err)
	}
	if w.Buffered()[0] != byte(packet.TypeConnect)<<4 {
		return nil, fmt.Errorf("first octet is %02x, but this port speaks MQTT", w.Buffered()[0])
	}
	size, err := fill(w, maxConnect)
	if err != nil {
		return nil, fmt.Errorf("mqtt: read CONNECT: %w", err)
	}
	p, err := packet.FromClient(w.Buffered()[:size], 0)
	if err != nil {
		if answer := unreadable(err); answer != nil {
			w.Write(answer, true)
			linger(w)
		}
		return nil, fmt.Errorf("mqtt: %w", err)
	}
	c := p.(*packet.Connect)
	c.Password = append([]byte(nil), c.Password...)
	if c.Will != nil {
		c.Will.Payload = append([]byte(nil), c.Will.Payload...)
	}
	w.Discard(size)
	return c, nil
}

// fill waits for a whole packet of at most limit bytes and returns its length.
func fill(w *wire.Conn, limit int) (size int, err error) {
	for n := 2; size == 0; n++ {
		if err = w.Fill(n); err != nil {
			return 0, err
		}
		if size, err = packet.Size(w.Buffered()); err != nil {
			return 0, err
		}
	}
	if size > limit {
		return 0, &packet.Error{Code: packet.PacketTooLarge, Text: fmt.Sprintf("a packet of %d bytes; the limit is %d", size, limit)}
	}
	return size, w.Fill(size)
}

// unreadable returns the CONNACK for a CONNECT that cannot be read. The client's version is unknown, so a wrong
// version is reported in the form of MQTT 3.1.1, which every client understands (3.1.2.2).
func unreadable(err error) []byte {
	code := packet.Code(1)
	if e := (*packet.Error)(nil); !errors.As(err, &e) || e.Code != packet.UnsupportedVersion {
		return nil // 3.1.4: a malformed CONNECT closes the connection
	}
	return (&packet.Connack{Code: code}).Append(nil, packet.V311)
}

// take checks CONNECT and keeps the fields that are needed later.
func (c *Conn) take(p *packet.Connect) (packet.Code, error) {
	c.clean, c.bridge = p.CleanStart, p.Bridge
	c.transport.Protocol, c.transport.Serializer, c.transport.Client = protocol, wamp.JSON, p.ClientID
	c.assigned = p.ClientID == ""
	switch {
	case c.assigned && c.version < packet.V5 && !p.CleanStart: // 3.1.1, MQTT-3.1.3-8
		return packet.ClientIDNotValid, errors.New("a session that outlives its connection needs a client id")
	case len(p.ClientID) > maxClientID:
		return packet.ClientIDNotValid, fmt.Errorf("the client id is longer than %d bytes", maxClientID)
	case p.Properties.Has(packet.AuthenticationMethod):
		return badMethod, errors.New("extended authentication is not supported; use user name and password, or a certificate")
	case p.Properties.Has(packet.AuthenticationData):
		return packet.ProtocolError, errors.New("authentication data without a method")
	}
	if c.assigned {
		c.transport.Client = fmt.Sprintf("runnel-%x", wamp.NewID())
	}
	c.owner = Owner{Realm: cmp.Or(c.transport.Realm, c.door.Realm), Client: c.transport.Client}
	c.maxPacket = int(min(p.Properties.Number(packet.MaximumPacketSize, maxPeerPacket), maxPeerPacket))
	c.flight.last = uint16(wamp.NewID())
	c.flight.limit = int(min(p.Properties.Number(packet.ReceiveMaximum, maxFlight), maxFlight))
	c.problems = p.Properties.Number(packet.RequestProblemInfo, 1) == 1
	c.takeTimes(p)
	if w := p.Will; w != nil && !strings.HasPrefix(w.Topic, "$") { // mosquitto's bridge publishes its state below $SYS, which is dropped
		if _, err := naming.URI(w.Topic); err != nil {
			return packet.TopicNameInvalid, fmt.Errorf("will topic %q: %w", w.Topic, err)
		}
		c.will = w
	}
	c.login(p)
	return packet.Success, nil
}

// takeTimes reads the session's expiry and the keep alive.
func (c *Conn) takeTimes(p *packet.Connect) {
	c.keepAlive = p.KeepAlive
	if most := uint16(min(c.door.KeepAlive/time.Second, 65535)); most > 0 && c.version >= packet.V5 && (p.KeepAlive == 0 || p.KeepAlive > most) {
		c.keepAlive, c.ownKeepAlive = most, true
	}
	if c.version >= packet.V5 {
		c.expiry = p.Properties.Number(packet.SessionExpiry, 0)
	} else if !p.CleanStart {
		c.expiry = maxExpiry
	}
	c.asked = c.expiry
	c.expiry = min(c.expiry, maxExpiry)
}

// maxExpiry is the longest time in seconds for which a session outlives its connection. A session of MQTT 3.1.1 is
// kept for this time.
const maxExpiry = 7 * 24 * 3600

// badMethod is "bad authentication method" (2.4).
const badMethod packet.Code = 0x8c

// protocol is the name of the transport in session details.
const protocol = "mqtt"

// refuse sends CONNACK with a failure, and gives the client time to read it.
func (c *Conn) refuse(code packet.Code, err error) {
	c.mu.Lock()
	c.putConnack(code, err)
	out := c.out
	c.out = nil
	c.mu.Unlock()
	c.wire.Write(out, true)
	linger(c.wire)
}

// putConnack appends a CONNACK with a failure. The caller holds mu.
func (c *Conn) putConnack(code packet.Code, err error) {
	p := packet.Connack{Code: code}
	if c.version < packet.V5 {
		p.Code = returnCode(code)
	} else {
		p.Properties = c.reason(nil, err)
	}
	c.put(&p)
}

// reason appends a reason string if the client accepts one (3.1.2.11.7).
func (c *Conn) reason(list packet.Properties, err error) packet.Properties {
	if err == nil || c.version < packet.V5 || !c.problems {
		return list
	}
	text := strings.ToValidUTF8(err.Error(), "?")
	if text = strings.ReplaceAll(text, "\x00", "?"); len(text) > maxReason {
		text = strings.ToValidUTF8(text[:maxReason], "")
	}
	return append(list, packet.Property{ID: packet.ReasonString, Text: text})
}

const maxReason = 256

// returnCode returns the return code of MQTT 3.1.1 for a reason code (3.2.2.3 there).
func returnCode(c packet.Code) packet.Code {
	switch c {
	case packet.UnsupportedVersion:
		return 1
	case packet.ClientIDNotValid:
		return 2
	case packet.BadLogin:
		return 4
	case packet.NotAuthorized, badMethod, packet.TopicNameInvalid:
		return 5
	}
	return 3
}
