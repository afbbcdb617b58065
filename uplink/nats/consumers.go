package nats

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strings"
	"time"

	"runnel/uplink/nats/jetstream"
	"runnel/uplink/spool"
)

// A durable import has a consumer in each stream that stores a part of its pattern. An import begins when its first
// consumer is created. If a stream stores a part only later, the import reads that stream's events since its own
// beginning.

// consume begins the durable imports that are not being consumed. waiting means that a consumer or its stream does not
// answer; unfinished means any other obstacle. Exports continue meanwhile.
func (s *session) consume(ctx context.Context) (waiting, unfinished bool) {
	if s.plain.Load() {
		return false, false
	}
	for _, w := range s.link.imports {
		if w.Store != spool.Durable {
			continue
		}
		silent, err := s.consumeAll(ctx, w)
		s.link.recordRule(w.what, err)
		waiting, unfinished = waiting || silent, unfinished || err != nil
	}
	return waiting, unfinished
}

// consumeAll begins to consume the streams of an import. A stream that fails does not delay the others.
func (s *session) consumeAll(ctx context.Context, w *way) (waiting bool, err error) {
	of := s.streams[w]
	if of.err != nil {
		return false, of.err
	}
	var found []*part
	for _, stream := range of.streams {
		p := &part{way: w, stream: stream}
		if s.isPulling(p) {
			continue
		}
		if failed := s.look(ctx, p); failed != nil {
			waiting, err = waiting || jetstream.Temporary(failed), failed
			continue
		}
		if p.lost == "" {
			s.beganBefore(w, &p.old)
		}
		found = append(found, p)
	}
	before := s.since[w]
	for _, p := range found {
		if p.isNew() && err != nil && before.IsZero() {
			continue // the consumer of another stream knows when the import began
		}
		consumer, failed := s.consumer(ctx, p, before)
		if failed != nil {
			waiting, err = waiting || jetstream.Temporary(failed), failed
			continue
		}
		s.setPulling(p, true)
		s.work.Go(func() { s.pull(s.open, p, consumer) })
	}
	return waiting, err
}

func (p *part) key() string { return p.way.subject + " " + p.stream }

func (s *session) isPulling(p *part) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pulling[p.key()]
}

func (s *session) setPulling(p *part, on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pulling[p.key()] = on; !on {
		s.ended[p.key()] = p
	}
}

// reached returns the number of the last message of a part that this session has received; 0: unknown.
func (s *session) reached(p *part) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if before := s.ended[p.key()]; before != nil && before.born == p.born {
		return before.last
	}
	return 0
}

// part is the part of a durable import that one stream stores.
type part struct {
	way    *way
	stream string
	born   uint64                 // when the stream was created, in ms since 1970
	last   uint64                 // number of its last message, later of the last received one; 0: unknown. Owned by pull while that runs
	old    jetstream.ConsumerInfo // of an earlier session; its name is empty if there is none
	lost   string                 // name of a consumer that does not answer and may be replaced
}

func (p *part) isNew() bool { return p.old.Name == "" && p.lost == "" }

// look requests the state of a part's stream, and of the consumer of an earlier session.
func (s *session) look(ctx context.Context, p *part) error {
	info, err := s.js.Stream(ctx, p.stream)
	if err != nil {
		return err
	}
	p.born, p.last = uint64(max(info.Created.UnixMilli(), 1)), info.State.Last
	p.old, p.lost, err = s.former(ctx, p.stream, p.way)
	return err
}

// sinceMark precedes the time of an import's beginning in the description of a consumer.
const sinceMark = ", since "

// beganBefore records when an import began, according to one of its consumers: the time in its description, or else of
// its creation.
func (s *session) beganBefore(w *way, c *jetstream.ConsumerInfo) {
	at := c.Created
	if _, text, ok := strings.Cut(c.Config.Description, sinceMark); ok {
		if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
			at = t
		}
	}
	if c.Name != "" && (s.since[w].IsZero() || at.Before(s.since[w])) {
		s.since[w] = at
	}
}

// consumer returns the durable consumer of a part. If an earlier session has left messages unacknowledged, a new
// consumer replaces its consumer, and begins with the first of these messages. The old consumer would deliver them
// again only after later messages. The local router drops events that it already has.
//
// before is the time when the import began; zero: it begins now.
func (s *session) consumer(ctx context.Context, p *part, before time.Time) (*jetstream.Consumer, error) {
	w, old, drop := p.way, &p.old, p.old.Name
	behind := old.AckFloor.Sequence+1 < old.Config.StartSequence // nats-server 2.9 forgets both in a crash
	if old.Name != "" && (p.lost != "" || old.AckPending == 0 && old.Waiting == 0 && !behind) {
		p.last = old.AckFloor.Sequence
		return s.js.Existing(p.stream, old.Name), nil
	}
	reached := s.reached(p)
	config := jetstream.ConsumerConfig{
		Durable: s.link.consumerName(w, 0), Description: s.link.opts.Node + ", " + w.what, Filter: w.subject, AckWait: ackWait, MaxAckPending: underWay,
		Deliver: "by_start_sequence", StartSequence: p.last + 1,
	}
	switch {
	case old.Name != "" && (old.AckFloor.Sequence > 0 || old.Config.StartSequence > 0):
		config.StartSequence = max(old.AckFloor.Sequence+1, old.Config.StartSequence)
	case p.lost != "":
		s.link.log.Warn("consumer does not answer; a new one begins with all events of the stream, and the realm drops those that it has",
			"stream", p.stream, "consumer", p.lost)
		config.Deliver, config.StartSequence, drop = "all", 0, p.lost
	case reached > 0 && old.Name == "": // the consumer was deleted
		config.StartSequence = reached + 1
	case !before.IsZero() && p.born > uint64(before.UnixMilli()):
		config.Deliver, config.StartSequence = "all", 0
	case !before.IsZero():
		config.Deliver, config.StartSequence, config.StartTime = "by_start_time", 0, &before
	}
	if since := s.since[w]; !since.IsZero() {
		config.Description += sinceMark + since.Format(time.RFC3339Nano)
	}
	if config.Durable == drop {
		config.Durable = s.link.consumerName(w, 1)
	}
	c, err := s.js.CreateConsumer(ctx, p.stream, config)
	if err != nil {
		return nil, err
	}
	p.last = max(config.StartSequence, 1) - 1
	s.beganBefore(w, &jetstream.ConsumerInfo{Name: c.Name, Created: c.Created})
	if drop != "" {
		if err = s.deleteConsumer(ctx, p.stream, drop); p.lost != "" {
			err = nil // the lost consumer does not answer
		}
	}
	return c, err
}

// lostTime is how long a consumer may be silent while its stream answers. The election of its leader takes less time,
// but servers may lose a consumer in a crash. Tests shorten it.
var lostTime = 15 * time.Second

// former returns the consumer of an earlier session. If there is none, its name is empty. A killed link may have left
// two consumers; former deletes the one with fewer acknowledged messages. lost is the name of a consumer that does not
// answer and may be replaced.
func (s *session) former(ctx context.Context, stream string, w *way) (last jetstream.ConsumerInfo, lost string, err error) {
	var silence error
	for turn := range 2 {
		name := s.link.consumerName(w, turn)
		info, err := s.js.Consumer(ctx, stream, name)
		switch {
		case jetstream.IsCode(err, jetstream.CodeConsumerNotFound):
			continue
		case jetstream.Temporary(err) && silence == nil:
			lost, silence = name, err
			continue
		case err != nil:
			return last, "", err
		}
		delete(s.silent, stream+" "+name)
		drop := last.Name
		if drop == "" || info.AckFloor.Sequence > last.AckFloor.Sequence {
			last = info
		} else {
			drop = info.Name
		}
		if drop != "" {
			if err := s.deleteConsumer(ctx, stream, drop); err != nil {
				return last, "", err
			}
		}
	}
	if lost != "" && last.Name == "" {
		since, known := s.silent[stream+" "+lost]
		if !known {
			since = time.Now()
			s.silent[stream+" "+lost] = since
		}
		if time.Since(since) < lostTime {
			return last, "", silence
		}
	}
	return last, lost, nil
}

// deleteConsumer deletes a consumer, unless it is gone already.
func (s *session) deleteConsumer(ctx context.Context, stream, name string) error {
	err := s.js.DeleteConsumer(ctx, stream, name)
	if jetstream.IsCode(err, jetstream.CodeConsumerNotFound) {
		return nil
	}
	return err
}

// consumerName names the durable consumers of an import by the node and the rule. turn is 0 or 1.
func (l *Link) consumerName(w *way, turn int) string {
	readable := strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' {
			return c
		}
		return '-'
	}, l.opts.Node)
	sum := sha256.Sum256([]byte(l.opts.Node + " " + w.Match.String() + " " + w.Topic))
	return fmt.Sprintf("runnel-%s-%x-%d", readable[:min(len(readable), 60)], sum[:6], turn)
}
