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

	"runnel/transport/mqtt/packet"
)

// session is one connection with the broker, from CONNACK to its end. The goroutine of run reads. Others write, drain the
// spool, and send PINGREQ.
type session struct {
	// Static after join.
	link   *Link
	conn   net.Conn
	in     *packet.Reader // owned by run
	rest   *rest          // below in
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

// join connects with the bridge extension if there are imports. A broker that supports this extension does not send messages back
// to the connection that they came from, and keeps the retain flag of live messages. If the broker rejects it, join tries again
// without.
func (l *Link) join(ctx context.Context, w *way) (*session, error) {
	ctx, cancel := context.WithTimeout(ctx, joinTime)
	defer cancel()
	bridge := len(l.opts.Import) > 0 && !w.plain
	s, err := l.connect(ctx, w, bridge)
	if bridge && (isRefusal(err, packet.UnsupportedVersion) || errors.Is(err, io.EOF)) {
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
		link: l, conn: conn, out: newOutgoing(conn, packet.V311), bridge: bridge, url: w.URL, answered: make(chan struct{}), began: time.Now(),
	}
	s.rest = &rest{Conn: conn}
	s.in = &packet.Reader{Reader: bufio.NewReader(s.rest), Version: packet.V311, Max: l.opts.MaxMessage + maxTopic + 8}
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
	if _, err := s.conn.Write(s.connectPacket().Append(nil, s.out.version)); err != nil {
		return err
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
		return &refusal{ack.Code.FromV311()}
	}
	for _, id := range s.link.flight.connected(ack.SessionPresent) {
		s.answer(packet.TypePubrel, id)
	}
	if !ack.SessionPresent {
		s.link.inbox.forget()
		s.link.standing.forget(s.url)
	}
	s.link.echoes.connected(ack.SessionPresent && !s.bridge)
	return nil
}

// connectPacket returns the CONNECT of the link.
func (s *session) connectPacket() *packet.Connect {
	o := &s.link.opts
	p := &packet.Connect{
		Version: s.out.version, Bridge: s.bridge, CleanStart: s.link.clean, ClientID: o.ClientID,
		KeepAlive: uint16(min((o.KeepAlive+o.AnswerTime)/time.Second, 65535)),
		Username:  o.Username, Named: o.Username != "", Password: []byte(o.Password), Secret: o.Password != "",
	}
	if o.StateTopic != "" {
		p.Will = &packet.Will{QoS: min(o.QoS, 1), Retain: true, Topic: o.StateTopic, Payload: []byte(offline)}
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
		s.out.send(&packet.Unsubscribe{ID: idUnsubscribe, Topics: stale})
		s.link.standing.dropped(s.url, stale)
	}
	if len(missing) == 0 {
		return
	}
	p := &packet.Subscribe{ID: idSubscribe}
	var topics []string
	for _, f := range missing {
		topics = append(topics, f.filter)
		p.Filters = append(p.Filters, packet.Filter{Topic: f.filter, Options: packet.Options(f.qos)})
	}
	s.asked = missing
	s.link.echoes.subscribing(topics)
	s.link.resent.subscribing(topics)
	s.out.send(p)
}

// publishState publishes the link's state. The last will publishes it when the link can't.
func (s *session) publishState(state string) {
	o := &s.link.opts
	if o.StateTopic == "" {
		return
	}
	p := newPublish(o.StateTopic, []byte(state), min(o.QoS, 1))
	p.Retain, p.ID = true, idLinkState
	s.send(p)
}

// send sends a PUBLISH, and notes its echo.
func (s *session) send(p *packet.Publish) {
	s.link.echoes.expect(p.Topic, p.Payload, !s.bridge, p.Retain)
	s.out.send(p)
}

func newPublish(topic string, payload []byte, qos byte) *packet.Publish {
	return &packet.Publish{Topic: topic, Payload: payload, QoS: qos}
}

// leave waits a moment for the events under way and sends DISCONNECT, so that the broker does not publish the will.
func (s *session) leave() {
	ctx, cancel := context.WithTimeout(context.Background(), leaveTime)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { s.conn.Close() })
	defer stop()
	s.link.flight.clear(ctx)
	s.publishState(offline)
	s.out.send(new(packet.Disconnect))
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
		p, err := s.in.FromServer()
		if err == packet.ErrTooLarge {
			s.tooLarge(p.(*packet.Publish))
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
func (s *session) handle(p packet.Packet) error {
	s.heard = true
	switch p := p.(type) {
	case *packet.Publish:
		s.arrived(p)
	case *packet.Ack:
		s.acknowledged(p)
	case *packet.Suback:
		if p.Type == packet.TypeSuback {
			return s.subscribed(p)
		}
	case packet.Ping:
		s.pong()
	default:
		return errors.New("the broker sent a second CONNACK")
	}
	return nil
}

// acknowledged handles the acknowledgements of both directions.
func (s *session) acknowledged(p *packet.Ack) {
	switch p.Type {
	case packet.TypePubrel:
		s.link.inbox.released(p.ID)
		s.answer(packet.TypePubcomp, p.ID)
	case packet.TypePuback:
		s.landed(p.ID, false)
		s.link.announced.acknowledged(p.ID)
	case packet.TypePubrec:
		s.link.flight.received(p.ID)
		s.answer(packet.TypePubrel, p.ID)
	case packet.TypePubcomp:
		s.landed(p.ID, true)
	}
}

// answer sends a packet that consists of an id only.
func (s *session) answer(kind packet.Type, id uint16) { s.out.send(&packet.Ack{Type: kind, ID: id}) }

// subscribed handles SUBACK.
func (s *session) subscribed(p *packet.Suback) error {
	filters := s.asked
	if p.ID != idSubscribe || len(p.Codes) != len(filters) {
		return errors.New("the broker sent a SUBACK that answers no SUBSCRIBE")
	}
	for i, f := range filters {
		var err error
		if p.Codes[i] > 2 {
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
