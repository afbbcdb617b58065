package nats

import (
	"context"
	"errors"
	"strings"
	"time"

	"runnel/edge/client"
	"runnel/edge/codec"
	"runnel/edge/wamp"
	"runnel/uplink"
	"runnel/uplink/nats/conn"
	"runnel/uplink/nats/jetstream"
	"runnel/uplink/nats/payload"
	"runnel/uplink/nats/subject"
	"runnel/uplink/spool"
)

const (
	drainBatch = 64          // events taken from the spool at a time
	late       = time.Second // an event that has waited longer carries its time of publication
)

var (
	errNoJetStream = errors.New("the NATS server has no JetStream; start it with JetStream, or export with store = \"disk\" or \"memory\"")
	errNoStream    = errors.New("no stream stores the subject, or its stream has no leader at the moment")
)

// drain sends the events in the spool in order, until ctx is done or the connection ends.
func (s *session) drain(ctx context.Context) error {
	select {
	case <-s.prepared:
	case <-ctx.Done():
		return nil
	}
	store := s.link.opts.Spool
	store.Rewind()
	for after := uint64(0); ; {
		events, err := store.Next(ctx, after, drainBatch)
		if err != nil {
			return err
		}
		if err := s.conn.Room(ctx); err != nil {
			return err
		}
		for i := range events {
			if err := s.forward(ctx, &events[i]); err != nil {
				return err
			}
			if !events[i].Held {
				after = events[i].Sequence
			}
		}
	}
}

// forward sends one event. It waits while too many events are in flight.
func (s *session) forward(ctx context.Context, e *spool.Event) error {
	if _, over := e.Left(); over {
		s.link.opts.Spool.Expire(e.Sequence)
		return nil
	}
	if topic, ok := strings.CutPrefix(e.Topic, bucketMark); ok {
		return s.putAgain(ctx, e, topic)
	}
	toStream := lasting(e) && !(s.plain.Load() && e.Class == spool.Disk)
	if toStream && s.plain.Load() {
		s.reject(e.Sequence, e.Topic, errNoJetStream)
		return nil
	}
	if away := s.away.Load(); toStream && away != nil {
		if s.reject(e.Sequence, e.Topic, errors.New(*away)); s.away.Load() == nil {
			signal(s.trouble) // JetStream has recovered meanwhile, and its retry was too early for this event
		}
		return nil
	}
	m, err := s.link.message(e, toStream)
	if err != nil {
		s.reject(e.Sequence, e.Topic, err)
		return nil
	}
	if text, refused := s.refusal(m.Subject); refused && !e.Probe {
		s.reject(e.Sequence, e.Topic, denial(m.Subject, text))
		return nil
	}
	p := parcel{sequence: e.Sequence, topic: e.Topic, subject: m.Subject, value: s.link.value(e, e.Topic, &m)}
	for {
		if toStream {
			err = s.store(ctx, p, m)
		} else {
			err = s.publish(p, m)
		}
		if err != conn.ErrFull {
			break
		}
		if err := s.conn.Room(ctx); err != nil {
			return err
		}
		client.Sleep(ctx, time.Millisecond) // there may be room for bytes, but not for another request
	}
	var tooLarge *conn.TooLarge
	if errors.As(err, &tooLarge) || err == conn.ErrSubject {
		s.reject(e.Sequence, e.Topic, err)
		err = nil
	}
	return err
}

// refusal returns the server's error for a subject to which the link may not publish. If there is no new error for
// the subject, a probe may try it again.
func (s *session) refusal(subject string) (text string, refused bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	text, refused = s.refused[subject]
	return text, refused
}

// store publishes an event to its stream. Until the stream has stored the first event of this session, store sends one
// event at a time. This keeps the order if the first events fail.
func (s *session) store(ctx context.Context, p parcel, m conn.Out) error {
	select {
	case s.slots <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	answered := make(chan struct{})
	proven := s.proven.Load()
	err := s.js.Send(m, s.isSource, func(_ jetstream.PubAck, err error) {
		s.stored(p, err)
		if !proven {
			close(answered)
		}
	})
	if err != nil {
		<-s.slots
		return err
	}
	if !proven {
		select {
		case <-answered:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// isSource reports whether a stream may acknowledge events. An event may be missing from its own stream even if another
// one has stored it.
func (s *session) isSource(stream string) bool {
	known := s.sources.Load()
	return known == nil || (*known)[stream]
}

// stored handles the stream's answer to an event without waiting.
func (s *session) stored(p parcel, err error) {
	if err == nil {
		if s.proven.Store(true); p.value != nil {
			s.put(p)
		} else {
			s.finish(p)
		}
		return
	}
	<-s.slots
	var denied *conn.Denied
	switch {
	case errors.Is(err, conn.ErrClosed) || s.open.Err() != nil:
		return // the next session sends it again
	case errors.As(err, &denied):
		err = denial(p.subject, denied.Text)
	case errors.Is(err, conn.ErrNoResponders):
		err = errNoStream
		signal(s.trouble)
	case jetstream.Temporary(err), err == jetstream.ErrNoPubAck: // the subject may have another stream now
		signal(s.trouble)
	}
	s.reject(p.sequence, p.topic, err)
}

// message returns an event as a message. toStream means that it is published to a stream.
func (l *Link) message(e *spool.Event, toStream bool) (m conn.Out, err error) {
	uri, body := e.Topic, e.Payload
	if e.Gap != nil {
		uri, body, err = l.gap(e.Gap)
	}
	if err == nil {
		m.Subject, err = subject.Of(uri)
	}
	if err == nil {
		m.Data, err = payload.Encode(body, l.opts.Serializer)
	}
	if err != nil {
		return m, err
	}
	h := append(make(conn.Header, 0, len(e.Options)+256), e.Options...)
	if len(h) == 0 {
		h = h.Add(payload.TypeField, payload.Event).Add(payload.HopsField, payload.Hops([]client.Hop{l.place()}))
	}
	origin := string(h.Get(payload.OriginField))
	if origin == "" {
		origin = payload.Origin(client.Origin{Node: l.opts.Node, Epoch: e.Epoch, Sequence: e.Sequence})
		h = h.Add(payload.OriginField, origin)
	}
	if toStream {
		h = h.Add(payload.MsgIDField, origin)
	}
	if time.Since(e.Time).Abs() > late {
		h = h.Add(payload.TimeField, payload.Time(e.Time))
	}
	if left, _ := e.Left(); left > 0 {
		h = h.Add(payload.TTLField, payload.Timeout(left))
	}
	if len(m.Data) > 0 {
		h = h.Add(payload.ContentTypeField, payload.ContentType(l.opts.Serializer))
	}
	m.Header = h
	return m, nil
}

// gap returns the report about missing events.
func (l *Link) gap(g *spool.Gap) (topic string, p codec.Payload, err error) {
	p, err = codec.NewPayload(wamp.CBOR, nil, map[string]any{
		"node": l.opts.Node, "uplink": l.opts.Name, "reason": string(g.Reason), "first": g.First, "last": g.Last,
		"count": g.Count, "octets": g.Octets, "since": g.Since.UTC().Format(time.RFC3339),
	})
	return uplink.GapTopic, p, err
}
