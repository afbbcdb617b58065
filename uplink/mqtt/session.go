package mqtt

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"
)

// session is one connection with the broker, from CONNACK to its end. The goroutine of run reads. Others write, drain the
// spool, and send PINGREQ.
type session struct {
	// Static after join.
	link   *Link
	conn   net.Conn
	in     *reader // owned by run
	rest   *rest   // below in
	out    *outgoing
	bridge bool // with the bridge extension: the broker does not send back the link's messages
	url    string
	asked  []subscription // filters of the SUBSCRIBE under way
	heard  bool           // the broker has sent a packet after CONNACK; owned by run
	open   context.Context
	end    context.CancelCauseFunc

	began    time.Time
	pinged   atomic.Int64  // time of the last PINGREQ, in ns since began
	answered chan struct{} // closed by run on the first PINGRESP
}

// The protocol's versions. The bridge bit is a common extension. A broker that supports it does not send messages back to the
// connection that they came from, and keeps the retain flag of live messages.
const (
	protocolName  = "MQTT"
	version311    = 4
	versionBridge = version311 | 0x80
)

const (
	// joinTime bounds dialling and the wait for CONNACK.
	joinTime = 10 * time.Second

	// A slow line carries at least slowest bytes a second. Bytes sent before may delay an answer accordingly, by mostSlack at
	// most.
	slowest   = 1 << 10
	mostSlack = time.Minute

	// leaveTime bounds the end of a connection in good order.
	leaveTime = 2 * time.Second
)

const (
	online  = "online"
	offline = "offline"
)

// join connects with the bridge extension if there are imports. If the broker rejects it, join tries again without.
func (l *Link) join(ctx context.Context, w *way) (*session, error) {
	ctx, cancel := context.WithTimeout(ctx, joinTime)
	defer cancel()
	bridge := len(l.opts.Import) > 0 && !w.plain
	s, err := l.connect(ctx, w, bridge)
	if bridge && (errors.Is(err, packets.ErrorRefusedBadProtocolVersion) || errors.Is(err, io.EOF)) {
		if s, err = l.connect(ctx, w, false); err == nil {
			w.plain = true
		}
	}
	return s, err
}

// connect opens a connection and waits for CONNACK.
func (l *Link) connect(ctx context.Context, w *way, bridge bool) (*session, error) {
	conn, err := w.Dial(ctx)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	s := &session{
		link: l, conn: conn, out: newOutgoing(conn), bridge: bridge, url: w.URL, answered: make(chan struct{}), began: time.Now(),
	}
	s.rest = &rest{Conn: conn}
	s.in = &reader{bufio.NewReader(s.rest), l.opts.MaxMessage + maxTopic + 8}
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

// handshake sends CONNECT and handles CONNACK.
func (s *session) handshake() error {
	if err := s.connectPacket().Write(s.conn); err != nil {
		return err
	}
	p, err := s.in.next()
	if err != nil {
		return s.link.unanswered(err)
	}
	ack, ok := p.(*packets.ConnackPacket)
	if !ok {
		return errors.New("the broker's first packet is not CONNACK")
	}
	if ack.ReturnCode != packets.Accepted {
		return refusal(ack.ReturnCode, packets.ConnErrors[ack.ReturnCode])
	}
	for _, id := range s.link.flight.connected(ack.SessionPresent) {
		s.answer(packets.Pubrel, id)
	}
	if !ack.SessionPresent {
		s.link.inbox.forget()
		s.link.standing.forget(s.url)
	}
	s.link.echoes.connected(ack.SessionPresent && !s.bridge)
	return nil
}

// connectPacket returns the CONNECT of the link.
func (s *session) connectPacket() *packets.ConnectPacket {
	o := &s.link.opts
	p := &packets.ConnectPacket{FixedHeader: headOf(packets.Connect)}
	p.ProtocolName, p.ProtocolVersion = protocolName, version311
	if s.bridge {
		p.ProtocolVersion = versionBridge
	}
	p.ClientIdentifier, p.CleanSession = o.ClientID, s.link.clean
	p.Keepalive = uint16(min((o.KeepAlive+o.AnswerTime)/time.Second, 65535))
	if o.Username != "" {
		p.UsernameFlag, p.Username = true, o.Username
	}
	if o.Password != "" {
		p.PasswordFlag, p.Password = true, []byte(o.Password)
	}
	if o.StateTopic != "" {
		p.WillFlag, p.WillRetain, p.WillQos = true, true, min(o.QoS, 1)
		p.WillTopic, p.WillMessage = o.StateTopic, []byte(offline)
	}
	return p
}

// run serves the connection until it ends or ctx is done, and returns why it has ended.
func (s *session) run(ctx context.Context) error {
	sending, stop := context.WithCancel(s.open)
	defer stop()
	var work sync.WaitGroup
	work.Go(func() { s.close(s.out.run()) })
	s.begin()
	work.Go(s.ping)
	work.Go(func() {
		if err := s.drain(sending); sending.Err() == nil {
			s.close(err)
		}
	})
	work.Go(func() {
		select {
		case <-ctx.Done():
			stop()
			s.leave()
			s.close(ctx.Err())
		case <-s.open.Done():
		}
	})
	s.close(s.read())
	work.Wait()
	return context.Cause(s.open)
}

// close closes the connection and ends everything that waits for it. The first reason is kept.
func (s *session) close(why error) {
	s.end(why)
	s.out.close(why)
	s.conn.Close()
}

// begin publishes the link's state, and subscribes to the filters that the broker's session lacks.
func (s *session) begin() {
	s.publishState(online)
	s.announce()
	missing, stale := s.link.standing.compare(s.url, s.link.filters)
	if len(stale) > 0 {
		p := &packets.UnsubscribePacket{FixedHeader: headOf(packets.Unsubscribe)}
		p.MessageID, p.Topics = idUnsubscribe, stale
		s.out.send(p)
		s.link.standing.dropped(s.url, stale)
	}
	if len(missing) == 0 {
		return
	}
	p := &packets.SubscribePacket{FixedHeader: headOf(packets.Subscribe)}
	p.MessageID = idSubscribe
	for _, f := range missing {
		p.Topics, p.Qoss = append(p.Topics, f.filter), append(p.Qoss, f.qos)
	}
	s.asked = missing
	s.link.echoes.subscribing(p.Topics)
	s.link.resent.subscribing(p.Topics)
	s.out.send(p)
}

// publishState publishes the link's state. The last will publishes it when the link can't.
func (s *session) publishState(state string) {
	o := &s.link.opts
	if o.StateTopic == "" {
		return
	}
	p := newPublish(o.StateTopic, []byte(state), min(o.QoS, 1))
	p.Retain, p.MessageID = true, idLinkState
	s.send(p)
}

// send sends a PUBLISH, and notes its echo.
func (s *session) send(p *packets.PublishPacket) {
	s.link.echoes.expect(p.TopicName, p.Payload, !s.bridge, p.Retain)
	s.out.send(p)
}

func newPublish(topic string, payload []byte, qos byte) *packets.PublishPacket {
	p := &packets.PublishPacket{FixedHeader: headOf(packets.Publish)}
	p.TopicName, p.Payload, p.Qos = topic, payload, qos
	return p
}

// leave waits a moment for the events under way and sends DISCONNECT, so that the broker does not publish the will.
func (s *session) leave() {
	ctx, cancel := context.WithTimeout(context.Background(), leaveTime)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { s.conn.Close() })
	defer stop()
	s.link.flight.clear(ctx)
	s.publishState(offline)
	s.out.send(&packets.DisconnectPacket{FixedHeader: headOf(packets.Disconnect)})
	s.out.flush()
	// The broker closes the connection. If the link did so with unread data, TCP would reset it, and the broker might lose the
	// last packets.
	select {
	case <-s.open.Done():
	case <-ctx.Done():
	}
}

// read handles the broker's packets until the connection ends.
func (s *session) read() error {
	for {
		if s.in.Buffered() == 0 {
			if err := s.out.room(); err != nil {
				return err
			}
			if err := s.wait(); err != nil {
				return err
			}
		}
		p, err := s.in.next()
		if err == errTooLarge {
			s.tooLarge(p.(*packets.PublishPacket))
			continue
		}
		if err == nil {
			err = s.handle(p)
		}
		if err != nil {
			return err
		}
	}
}

// handle handles one packet. An error ends the connection.
func (s *session) handle(p received) error {
	s.heard = true
	switch p := p.(type) {
	case *packets.PublishPacket:
		s.arrived(p)
	case *packets.PubrelPacket:
		s.link.inbox.released(p.MessageID)
		s.answer(packets.Pubcomp, p.MessageID)
	case *packets.PubackPacket:
		s.landed(p.MessageID, false)
		s.link.announced.acknowledged(p.MessageID)
	case *packets.PubrecPacket:
		s.link.flight.received(p.MessageID)
		s.answer(packets.Pubrel, p.MessageID)
	case *packets.PubcompPacket:
		s.landed(p.MessageID, true)
	case *packets.SubackPacket:
		return s.subscribed(p)
	case *packets.UnsubackPacket:
	case *packets.PingrespPacket:
		s.pong()
	default:
		return errors.New("the broker sent a second CONNACK")
	}
	return nil
}

// answer sends a packet that consists of an id only.
func (s *session) answer(kind byte, id uint16) {
	p := packets.PubackPacket{FixedHeader: headOf(kind), MessageID: id}
	s.out.send(&p) // all kinds have this form
}

// subscribed handles SUBACK.
func (s *session) subscribed(p *packets.SubackPacket) error {
	filters := s.asked
	if p.MessageID != idSubscribe || len(p.ReturnCodes) != len(filters) {
		return errors.New("the broker sent a SUBACK that answers no SUBSCRIBE")
	}
	for i, f := range filters {
		var err error
		if p.ReturnCodes[i] > 2 {
			err = errors.New("the broker refuses the subscription to " + f.filter)
		} else {
			s.link.standing.added(s.url, f)
		}
		if s.link.status.SetRuleResult(f.rule+", "+f.filter, err) && err != nil {
			s.link.log.Warn("rule refused", "rule", f.rule, "err", err)
		}
	}
	return nil
}
