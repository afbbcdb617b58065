package mqtt

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"runnel/transport/mqtt/naming"
	"runnel/transport/mqtt/packet"
)

// The link speaks MQTT 5. If the broker does not, and the configuration does not require it, the link speaks MQTT 3.1.1 instead.
// It remembers that for each URL.

// ParseProtocol returns the version that a configuration requires; 0 for "".
func ParseProtocol(text string) packet.Version {
	switch text {
	case "5":
		return packet.V5
	case "3.1.1":
		return packet.V311
	}
	return 0
}

// oldAgain is how long the link speaks 3.1.1 to a broker that has closed the connection on a CONNECT of MQTT 5. The cause
// may have been another one. If a broker gives the version as the reason, the link does not try MQTT 5 there again.
const oldAgain = time.Hour

// old records that a broker does not speak MQTT 5.
type old struct {
	is    bool
	until time.Time // zero: for good
}

// protocol returns the version to try first.
func (l *Link) protocol(w *way) packet.Version {
	if l.opts.Protocol != 0 {
		return l.opts.Protocol
	}
	if w.old.is && (w.old.until.IsZero() || time.Now().Before(w.old.until)) {
		return packet.V311
	}
	return packet.V5
}

// join opens a connection that the broker accepts.
func (l *Link) join(ctx context.Context, w *way) (*session, error) {
	ctx, cancel := context.WithTimeout(ctx, joinTime)
	defer cancel()
	if l.protocol(w) == packet.V311 {
		return l.joinOld(ctx, w)
	}
	s, err := l.connect(ctx, w, packet.V5, false)
	if err == nil {
		w.old = old{}
		return s, nil
	}
	var closed *closing
	var no *refusal
	says := errors.As(err, &no) && (no.old || no.code == packet.UnsupportedVersion)
	if l.opts.Protocol == packet.V5 || !says && !errors.As(err, &closed) {
		return nil, err
	}
	s, err = l.joinOld(ctx, w)
	if err == nil {
		w.old = old{is: true}
		if !says {
			w.old.until = time.Now().Add(oldAgain)
		}
		l.log.Info("the broker does not speak MQTT 5", "url", w.URL)
	}
	return s, err
}

// joinOld connects by MQTT 3.1.1, with the bridge extension if there are imports. A broker that supports this extension does not
// send messages back to the connection that they came from, and keeps the retain flag of live messages. If the broker rejects it,
// joinOld tries again without.
func (l *Link) joinOld(ctx context.Context, w *way) (*session, error) {
	bridge := len(l.opts.Import) > 0 && !w.plain
	s, err := l.connect(ctx, w, packet.V311, bridge)
	if bridge && (isRefusal(err, packet.UnsupportedVersion) || errors.Is(err, io.EOF)) {
		if s, err = l.connect(ctx, w, packet.V311, false); err == nil {
			w.plain = true
		}
	}
	return s, err
}

// connect opens a connection and waits for CONNACK.
func (l *Link) connect(ctx context.Context, w *way, v packet.Version, bridge bool) (*session, error) {
	conn, err := w.Dial(ctx)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	s := &session{
		link: l, conn: conn, out: packet.NewWriter(conn, v), version: v, bridge: bridge, marked: bridge || v >= packet.V5, url: w.URL,
		answered: make(chan struct{}), born: make(chan struct{}), began: time.Now(), limits: l.noLimits(),
	}
	s.rest = &rest{Conn: conn}
	s.in = &packet.Reader{Reader: bufio.NewReader(s.rest), Version: v, Max: l.opts.MaxMessage + naming.MaxTopic + 8}
	if v >= packet.V5 {
		s.in.Max += maxProperties
	}
	s.open, s.end = context.WithCancelCause(context.Background())
	if err := s.handshake(); err != nil {
		s.close(err)
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return nil, err
	}
	return s, nil
}

// maxProperties is room for the properties of an incoming message, beside its payload.
const maxProperties = 64 << 10

// handshake sends CONNECT and handles CONNACK.
func (s *session) handshake() error {
	if _, err := s.conn.Write(s.connectPacket().Append(nil, s.version)); err != nil {
		return s.link.unanswered(err)
	}
	p, err := s.in.FromServer()
	if err != nil {
		return s.link.unanswered(err)
	}
	ack, ok := p.(*packet.Connack)
	if !ok {
		return errors.New("the broker's first packet is not CONNACK")
	}
	if ack.Code != packet.Success {
		return newRefusal(ack, s.version)
	}
	s.limit(ack.Properties)
	for _, id := range s.link.flight.connected(ack.SessionPresent, s.limits.inFlight) {
		s.answer(packet.TypePubrel, id)
	}
	if !ack.SessionPresent {
		s.link.inbox.forget()
		s.link.standing.forget(s.url)
	}
	s.link.echoes.connected(ack.SessionPresent && !s.marked)
	return nil
}

// connectPacket returns the CONNECT of the link.
func (s *session) connectPacket() *packet.Connect {
	o := &s.link.opts
	p := &packet.Connect{
		Version: s.version, Bridge: s.bridge, CleanStart: s.link.clean, ClientID: o.ClientID,
		KeepAlive: uint16(min((o.KeepAlive+o.AnswerTime)/time.Second, 65535)),
		Username:  o.Username, Named: o.Username != "", Password: []byte(o.Password), Secret: o.Password != "",
		Properties: packet.Properties{{ID: packet.ReceiveMaximum, Number: underWay}},
	}
	if !s.link.clean {
		p.Properties = append(p.Properties, packet.Property{ID: packet.SessionExpiry, Number: seconds(o.SessionExpiry)})
	}
	if s.link.node != nil {
		p.Will = &packet.Will{QoS: 1}
		p.Will.Topic, p.Will.Payload = s.link.node.Will()
	} else if o.StateTopic != "" {
		p.Will = &packet.Will{QoS: min(o.QoS, 1), Retain: true, Topic: o.StateTopic, Payload: []byte(offline)}
	}
	return p
}

// seconds returns a time for a property.
func seconds(d time.Duration) uint32 { return uint32(min(max(d.Seconds(), 1), 1<<32-1)) }

// limits are the broker's limits (MQTT 5, 3.2.2.3).
type limits struct {
	inFlight int           // messages of QoS 1 and 2 without an acknowledgement
	packet   int           // bytes; 0: no limit
	qos      byte          // highest
	noRetain bool          // it does not retain messages
	ping     time.Duration // between two PINGREQs
}

func (l *Link) noLimits() limits { return limits{inFlight: underWay, qos: 2, ping: l.opts.KeepAlive} }

// limit sets the limits of the connection from the properties of CONNACK.
func (s *session) limit(p packet.Properties) {
	m := &s.limits
	m.inFlight = min(m.inFlight, int(p.Number(packet.ReceiveMaximum, underWay)))
	m.packet = int(min(p.Number(packet.MaximumPacketSize, 0), 1<<28))
	m.qos = byte(p.Number(packet.MaximumQoS, 2))
	m.noRetain = p.Number(packet.RetainAvailable, 1) == 0
	if s := p.Number(packet.ServerKeepAlive, 0); s > 0 {
		m.ping = min(m.ping, time.Duration(s)*time.Second*2/3)
	}
	o := &s.link.opts
	if id := p.Text(packet.AssignedClientID); id != "" {
		o.ClientID = id
	}
	if m.qos < o.QoS || m.noRetain && o.StateTopic != "" {
		s.link.log.Warn("the broker has limits; sending messages with lower settings", "url", s.url, "qos", m.qos, "retain", !m.noRetain)
	}
}

// fit gives a message the properties that the broker accepts.
func (s *session) fit(p *packet.Publish) {
	p.QoS = min(p.QoS, s.limits.qos)
	p.Retain = p.Retain && !s.limits.noRetain
}

// tooLong returns an error for a message that is too long for the broker.
func (s *session) tooLong(p *packet.Publish) error {
	const others = 2 << 10 // more than everything besides topic and payload
	if m := s.limits.packet; m > 0 && len(p.Payload)+len(p.Topic)+others > m {
		if size := len(p.Append(nil, s.version)); size > m {
			return fmt.Errorf("the packet has %d bytes; the broker accepts at most %d", size, m)
		}
	}
	return nil
}
