package mqtt

import (
	"context"
	"errors"
	"sort"

	"runnel/transport/mqtt/packet"
	"runnel/uplink/spool"
)

// drain sends the events in the spool in order, until ctx is done or the connection ends.
func (s *session) drain(ctx context.Context) error {
	if err := s.awaitBirth(ctx); err != nil {
		return err
	}
	store := s.link.opts.Spool
	store.Rewind()
	for after := uint64(0); ; {
		events, err := store.Next(ctx, after, underWay)
		if err != nil {
			return err
		}
		// A probe may cost the connection, so it goes last. No event of its topic follows it.
		sort.SliceStable(events, func(i, j int) bool { return rank(&events[i]) < rank(&events[j]) })
		for i := range events {
			if err := s.forward(ctx, &events[i]); err != nil {
				return err
			}
			if !events[i].Held {
				after = events[i].Sequence
			}
		}
		if err := s.prove(ctx); err != nil {
			return err
		}
		if min(s.link.opts.QoS, s.limits.qos) > 0 {
			continue
		}
		if err := s.out.Flush(ctx); err != nil {
			return err
		}
		for i := range events {
			store.Ack(events[i].Sequence)
		}
	}
}

func rank(e *spool.Event) int {
	if e.Probe {
		return 1
	}
	return 0
}

// forward sends one event. It waits while too many are in flight.
func (s *session) forward(ctx context.Context, e *spool.Event) error {
	if _, over := e.Left(); over {
		s.link.opts.Spool.Expire(e.Sequence)
		return nil
	}
	if ok, err := s.report(e); ok {
		return err
	}
	p, err := s.link.message(e, s.version)
	if err == nil && p != nil {
		s.fit(p)
		err = s.tooLong(p)
	}
	if err != nil {
		s.link.reject(e, err)
		return nil
	}
	if p == nil {
		s.link.opts.Spool.Ack(e.Sequence)
		return nil
	}
	if p.QoS == 0 {
		s.link.status.EventsUp.Forward()
		s.send(p)
		return s.out.Room(ctx)
	}
	if e.Alone || e.Probe && s.version < packet.V5 || s.link.trial.IsSuspect(e.Sequence) {
		return s.forwardAlone(ctx, e, p)
	}
	if err := s.launch(ctx, e, p); err != nil {
		return err
	}
	return s.out.Room(ctx)
}

// forwardAlone sends an event with nothing else in flight, after the broker has answered a PINGREQ in this
// connection.
func (s *session) forwardAlone(ctx context.Context, e *spool.Event, p *packet.Publish) error {
	select {
	case <-s.answered:
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := s.link.flight.clear(ctx); err != nil {
		return err
	}
	if err := s.launch(ctx, e, p); err != nil {
		return err
	}
	return s.link.flight.clear(ctx)
}

// launch sends an event with QoS 1 or 2.
func (s *session) launch(ctx context.Context, e *spool.Event, p *packet.Publish) error {
	f, err := s.link.flight.take(ctx, e.Epoch, e.Sequence, freight{p.Topic, len(p.Payload), e.Probe})
	if err != nil || f.done {
		return err
	}
	if p.QoS == 2 && f.release {
		s.answer(packet.TypePubrel, f.id)
	}
	p.ID, p.Dup = f.id, f.again
	s.send(p)
	return nil
}

// reject holds an event that cannot be sent, or drops it if its class is Memory.
func (l *Link) reject(e *spool.Event, err error) {
	if l.opts.Spool.Hold(e.Sequence, err.Error()) {
		return
	}
	l.refuse(&l.status.EventsUp, "cannot forward the event", e.Topic, err)
	l.opts.Spool.Ack(e.Sequence)
}

// refused holds an event that the broker has rejected with a reason code. Events of other topics are still sent.
func (s *session) refused(p *packet.Ack) {
	e, ok := s.link.flight.refused(p.ID)
	if p.Code == packet.PacketIDInUse {
		s.answer(packet.TypePubrel, p.ID) // the retry uses the same id
	}
	if !ok {
		return
	}
	s.link.trial.Acknowledged(e.sequence)
	s.link.reject(&spool.Event{Sequence: e.sequence, Topic: e.topic}, errors.New("the broker refuses it: "+reason(p.Code, p.Properties)))
}
