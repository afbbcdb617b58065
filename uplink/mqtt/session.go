package mqtt

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"runnel/transport/mqtt/packet"
)

// session is one connection with the broker, from CONNACK to its end. The goroutine of run reads. Others write, drain the
// spool, and send PINGREQ.
type session struct {
	// Static after join.
	link    *Link
	conn    net.Conn
	in      *packet.Reader // owned by run
	rest    *rest          // below in
	out     *packet.Writer
	version packet.Version
	bridge  bool // with the bridge extension of 3.1.1
	marked  bool // the broker does not send back the link's messages, and live messages say whether they are retained
	limits  limits
	url     string
	asked   []subscription // filters of the SUBSCRIBE in progress

	// Owned by run.
	heard bool              // the broker has sent a packet after CONNACK
	own   []*packet.Publish // messages of the link itself that wait for acknowledgements of others

	open context.Context
	end  context.CancelCauseFunc

	began    time.Time
	pinged   atomic.Int64  // time of the last PINGREQ, in ns since began
	answered chan struct{} // closed by run on the first PINGRESP
	pings    pings

	born     chan struct{} // closed when the Edge Node has sent NBIRTH
	unproven []uint64      // data of the Edge Node that the broker may not have; owned by drain
}

const (
	// joinTime bounds dialling and the wait for CONNACK.
	joinTime = 10 * time.Second

	// A slow line carries at least slowest bytes a second. Bytes sent before may delay an answer accordingly, by mostSlack at
	// most.
	slowest   = 1 << 10
	mostSlack = time.Minute

	// explainTime bounds the wait for a DISCONNECT after writing has failed.
	explainTime = time.Second

	// leaveTime bounds the end of a connection in good order.
	leaveTime = 2 * time.Second
)

const (
	online  = "online"
	offline = "offline"
)

// run serves the connection until it ends or ctx is done, and returns why it has ended.
func (s *session) run(ctx context.Context) error {
	sending, stop := context.WithCancel(s.open)
	defer stop()
	var work sync.WaitGroup
	work.Go(func() { s.lost(s.out.Run()) })
	s.begin()
	work.Go(s.ping)
	work.Go(func() {
		if err := s.drain(sending); sending.Err() == nil {
			s.lost(err)
		}
	})
	work.Go(func() {
		select {
		case <-ctx.Done():
			stop()
			s.closeGracefully()
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
	s.out.Close(why)
	s.conn.Close()
}

// lost closes the connection because writing has failed. The broker may have sent a DISCONNECT with the reason, which the reader
// gets some time for.
func (s *session) lost(err error) {
	if s.mayExplain(err) {
		s.out.Close(err)
		select {
		case <-s.open.Done():
		case <-time.After(explainTime):
		}
	}
	s.close(err)
}

// mayExplain reports whether the reader may find the reason for an error of writing.
func (s *session) mayExplain(err error) bool { return s.version >= packet.V5 && endedByPeer(err) }

// begin publishes the link's state, and subscribes to the filters that the broker's session lacks.
func (s *session) begin() {
	if s.link.opts.StateTopic != "" {
		s.sendOwn(s.state(online))
	}
	s.announce()
	missing, stale := s.link.standing.compare(s.url, s.filters())
	if len(stale) > 0 {
		s.out.Send(&packet.Unsubscribe{ID: idUnsubscribe, Topics: stale})
		s.link.standing.dropped(s.url, stale)
	}
	if len(missing) == 0 {
		return
	}
	p := &packet.Subscribe{ID: idSubscribe}
	var topics []string
	for _, f := range missing {
		topics = append(topics, f.filter)
		options := f.options
		if f.known && s.version >= packet.V5 {
			options |= packet.RetainIfNew
		}
		p.Filters = append(p.Filters, packet.Filter{Topic: f.filter, Options: options})
	}
	s.asked = missing
	s.link.echoes.subscribing(topics)
	s.link.resent.subscribing(topics)
	s.out.Send(p)
}

// filters returns the link's subscriptions, with the options of the connection's version.
func (s *session) filters() []subscription {
	list := slices.Clone(s.link.filters)
	for i := range list {
		f := &list[i]
		switch {
		case s.version < packet.V5:
		case f.calls:
			f.options |= packet.NoLocal | packet.RetainNever
		default:
			f.options |= packet.NoLocal | packet.RetainAsPublished
		}
	}
	return list
}

// state returns the message with the link's state. The last will publishes it when the link cannot.
func (s *session) state(state string) *packet.Publish {
	o := &s.link.opts
	p := newPublish(o.StateTopic, []byte(state), min(o.QoS, 1))
	p.Retain, p.ID = true, idLinkState
	return p
}

// sendOwn sends a message of the link itself. If the broker accepts no more unacknowledged messages, the message waits
// in own.
func (s *session) sendOwn(p *packet.Publish) {
	if s.fit(p); len(s.own) > 0 || p.QoS > 0 && s.version >= packet.V5 && !s.link.flight.reserve() {
		s.own = append(s.own, p)
		return
	}
	s.send(p)
}

// ownAcknowledged removes an acknowledged message of the link itself, and sends the next one.
func (s *session) ownAcknowledged(p *packet.Ack) {
	if p.Code.Failed() {
		s.link.log.Warn("the broker refuses one of the link's own messages", "topic", s.link.opts.StateTopic, "err", reason(p.Code, p.Properties))
	}
	s.link.announced.acknowledged(p.ID)
	if len(s.own) > 0 {
		s.send(s.own[0])
		s.own = s.own[1:]
	} else if s.version >= packet.V5 {
		s.link.flight.free()
	}
}

// send sends a PUBLISH, and notes its echo. It drops messages that are too long for the broker.
func (s *session) send(p *packet.Publish) {
	s.fit(p)
	if err := s.tooLong(p); err != nil {
		s.link.refuse(&s.link.status.EventsUp, "message not sent", p.Topic, err)
		return
	}
	s.link.echoes.expect(p.Topic, p.Payload, !s.marked, p.Retain)
	s.out.Send(p)
}

func newPublish(topic string, payload []byte, qos byte) *packet.Publish {
	return &packet.Publish{Topic: topic, Payload: payload, QoS: qos}
}

// closeGracefully waits a moment for the events in flight and sends DISCONNECT, so that the broker does not publish the will.
func (s *session) closeGracefully() {
	ctx, cancel := context.WithTimeout(context.Background(), leaveTime)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { s.conn.Close() })
	defer stop()
	s.link.flight.clear(ctx)
	if s.link.opts.StateTopic != "" {
		s.send(s.state(offline))
	}
	s.out.Send(s.prepareDisconnect())
	s.out.Flush(ctx)
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
			if err := s.out.Room(s.open); err != nil && !s.mayExplain(err) {
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
		s.receive(p)
	case *packet.Ack:
		s.acknowledged(p)
	case *packet.Suback:
		if p.Type == packet.TypeSuback {
			return s.subscribed(p)
		}
	case packet.Ping:
		s.pong()
	case *packet.Disconnect:
		return &goodbye{p.Code, reason(p.Code, p.Properties), p.Properties.Text(packet.ServerReference)}
	default:
		return fmt.Errorf("the broker sent a packet out of place (%T)", p)
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
		switch {
		case p.ID > idSpace:
			s.ownAcknowledged(p)
		case p.Code.Failed():
			s.refused(p)
		default:
			s.ackEvent(p.ID, false)
		}
	case packet.TypePubrec:
		if p.Code.Failed() {
			s.refused(p)
			return
		}
		s.link.flight.received(p.ID)
		s.answer(packet.TypePubrel, p.ID)
	case packet.TypePubcomp:
		s.ackEvent(p.ID, true)
	}
}

// answer sends a packet that consists of an id only.
func (s *session) answer(kind packet.Type, id uint16) { s.out.Send(&packet.Ack{Type: kind, ID: id}) }

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
			if s.version >= packet.V5 {
				err = fmt.Errorf("%w: %s", err, reason(p.Codes[i], p.Properties))
			}
		} else {
			s.link.standing.added(s.url, f)
		}
		if s.link.status.SetRuleResult(f.rule+", "+f.filter, err) && err != nil {
			s.link.log.Warn("rule refused", "rule", f.rule, "err", err)
		}
	}
	s.beginEdge()
	return nil
}
