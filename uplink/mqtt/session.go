package mqtt

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"
)

// session is one connection with the broker, from CONNACK to its end. The goroutine of run reads; beside it one writes,
// one sends what is in the spool, and one asks whether the broker is there.
type session struct {
	// Static after join.
	link   *Link
	conn   net.Conn
	in     *reader // owned by run
	rest   *rest   // what it reads from
	out    *outgoing
	bridge bool // the broker keeps from us what we have sent
	url    string
	asked  []subscription // SUBSCRIBE is for these
	heard  bool           // the broker has sent something after CONNACK; owned by run
	open   context.Context
	end    context.CancelCauseFunc

	began    time.Time
	pinged   atomic.Int64  // when PINGREQ was sent last, in ns since the session began
	answered chan struct{} // closed with the first PINGRESP; by run
}

// The protocol's versions. The bit for bridges is an extension of the field: a broker that knows it does not send back
// what it has from this connection, and tells of live messages whether they are retained.
const (
	protocolName  = "MQTT"
	version311    = 4
	versionBridge = version311 | 0x80
)

const (
	// joinTime bounds connecting and the broker's answer.
	joinTime = 10 * time.Second

	// A slow link is taken to carry so many octets a second; what was sent may delay an answer, but not for longer than
	// mostSlack.
	slowest   = 1 << 10
	mostSlack = time.Minute

	// leaveTime is how long the last words may take.
	leaveTime = 2 * time.Second
)

const (
	online  = "online"
	offline = "offline"
)

// join connects and waits for CONNACK. A broker that does not know the protocol of bridges is asked again without it.
func (l *Link) join(ctx context.Context, w *way) (*session, error) {
	ctx, cancel := context.WithTimeout(ctx, joinTime)
	defer cancel()
	bridge := len(l.opts.Import) > 0 && !w.plain
	s, err := l.knock(ctx, w, bridge)
	if bridge && (errors.Is(err, packets.ErrorRefusedBadProtocolVersion) || errors.Is(err, io.EOF)) {
		if s, err = l.knock(ctx, w, false); err == nil {
			w.plain = true
		}
	}
	return s, err
}

// knock opens a connection and asks the broker to take it.
func (l *Link) knock(ctx context.Context, w *way, bridge bool) (*session, error) {
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
	if err := s.shake(); err != nil {
		s.close(err)
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return nil, err
	}
	return s, nil
}

func (s *session) shake() error {
	if err := s.hello().Write(s.conn); err != nil {
		return err
	}
	p, err := s.in.next()
	if err != nil {
		return s.link.unanswered(err)
	}
	ack, ok := p.(*packets.ConnackPacket)
	if !ok {
		return errors.New("the broker's first packet is no CONNACK")
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

// hello makes CONNECT.
func (s *session) hello() *packets.ConnectPacket {
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

// run serves the connection until it ends, or ctx is done, and returns why it ended.
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

// close ends the connection and whatever waits for it. The first reason counts.
func (s *session) close(why error) {
	s.end(why)
	s.out.close(why)
	s.conn.Close()
}

// begin says that the link is up, and subscribes to what the broker's session lacks.
func (s *session) begin() {
	s.tellState(online)
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

// tellState publishes what the last will says when the link can't.
func (s *session) tellState(state string) {
	o := &s.link.opts
	if o.StateTopic == "" {
		return
	}
	p := newPublish(o.StateTopic, []byte(state), min(o.QoS, 1))
	p.Retain, p.MessageID = true, idLinkState
	s.send(p)
}

// send sends a PUBLISH and remembers that it comes back, if it does.
func (s *session) send(p *packets.PublishPacket) {
	s.link.echoes.expect(p.TopicName, p.Payload, !s.bridge, p.Retain)
	s.out.send(p)
}

func newPublish(topic string, payload []byte, qos byte) *packets.PublishPacket {
	p := &packets.PublishPacket{FixedHeader: headOf(packets.Publish)}
	p.TopicName, p.Payload, p.Qos = topic, payload, qos
	return p
}

// leave waits for what is under way, as far as the broker is quick, and says goodbye: it is then not to publish the will.
func (s *session) leave() {
	ctx, cancel := context.WithTimeout(context.Background(), leaveTime)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { s.conn.Close() })
	defer stop()
	s.link.flight.clear(ctx)
	s.tellState(offline)
	s.out.send(&packets.DisconnectPacket{FixedHeader: headOf(packets.Disconnect)})
	s.out.flush()
	// The broker closes the connection. If we did, with something unread, it would be reset, and the broker might never see
	// what was said last.
	select {
	case <-s.open.Done():
	case <-ctx.Done():
	}
}

// ping asks now and then whether the broker is there.
func (s *session) ping() {
	tick := time.NewTicker(s.link.opts.KeepAlive)
	defer tick.Stop()
	for {
		s.pinged.Store(int64(time.Since(s.began)))
		s.out.send(&packets.PingreqPacket{FixedHeader: headOf(packets.Pingreq)})
		select {
		case <-tick.C:
		case <-s.open.Done():
			return
		}
	}
}

// pong notes PINGRESP.
func (s *session) pong() {
	s.link.roundTrip.Store(int64(time.Since(s.began)) - s.pinged.Load())
	select {
	case <-s.answered:
	default:
		close(s.answered)
	}
}

// wait waits for the broker's next packet. What stands in front of PINGREQ on a slow link is given time.
func (s *session) wait() error {
	o := &s.link.opts
	heard, sent := time.Now(), s.out.sent()
	for {
		slack := min(time.Duration(s.out.sent()-sent)*time.Second/slowest, mostSlack)
		silence := o.KeepAlive + o.AnswerTime + slack
		if time.Since(heard) >= silence {
			return fmt.Errorf("the broker was silent for %v: %w", silence, os.ErrDeadlineExceeded)
		}
		s.rest.silence = 0
		s.conn.SetReadDeadline(heard.Add(silence))
		_, err := s.in.Peek(1)
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			s.rest.silence = silence
			return err
		}
	}
}

// rest reads the rest of a packet: on a narrow line a long one may take its time, as long as some of it comes.
type rest struct {
	net.Conn
	silence time.Duration // that is borne; 0: the connection's deadline counts. Owned by the session's read
}

func (r *rest) Read(b []byte) (int, error) {
	if r.silence > 0 {
		r.Conn.SetReadDeadline(time.Now().Add(r.silence))
	}
	return r.Conn.Read(b)
}

// read handles the broker's packets until there are no more.
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

// handle does what one packet asks for. An error ends the connection.
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
		return errors.New("the broker sent CONNACK once more")
	}
	return nil
}

// answer sends one of the packets that are nothing but an id.
func (s *session) answer(kind byte, id uint16) {
	p := packets.PubackPacket{FixedHeader: headOf(kind), MessageID: id}
	s.out.send(&p) // their form is the same
}

// subscribed notes what the broker says to each filter.
func (s *session) subscribed(p *packets.SubackPacket) error {
	filters := s.asked
	if p.MessageID != idSubscribe || len(p.ReturnCodes) != len(filters) {
		return errors.New("the broker sent SUBACK for what was not asked for")
	}
	for i, f := range filters {
		var err error
		if p.ReturnCodes[i] > 2 {
			err = errors.New("the broker refuses the subscription to " + f.filter)
		} else {
			s.link.standing.added(s.url, f)
		}
		if s.link.status.Ruled(f.rule+", "+f.filter, err) && err != nil {
			s.link.log.Warn("rule refused", "rule", f.rule, "err", err)
		}
	}
	return nil
}
