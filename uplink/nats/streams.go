package nats

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"runnel/edge/client"
	"runnel/uplink/nats/conn"
	"runnel/uplink/nats/jetstream"
	"runnel/uplink/spool"
)

const (
	settle     = 200 * time.Millisecond // after a failure, before the next check; doubles up to settleLast if further failures follow
	settleLast = 10 * time.Second
	askAgain   = 2 * time.Second // between two checks of a JetStream that does not answer
	askSeldom  = time.Minute     // the longest pause before another attempt to create a stream or consumer without permission
	duplicates = 5 * time.Minute // how long a stream recognizes repetitions by Nats-Msg-Id
)

// watchStreams checks whether JetStream answers, creates the stream and the consumers, and repeats that after
// failures. While JetStream does not answer, topics of class disk and durable are held.
func (s *session) watchStreams(ctx context.Context) {
	pause, calm := askAgain, settle
	var last time.Time // when a failure was last noticed
	disturbed := false // by a failure, since the last check
	for first := true; ; first = false {
		made, err := s.prepare(ctx)
		if ctx.Err() != nil {
			return
		}
		was := s.away.Load()
		if err != nil {
			text := "JetStream does not answer; events wait until it does (" + err.Error() + ")"
			if s.away.Store(&text); was == nil {
				s.link.log.Warn("JetStream is away; events of class disk and durable wait", "err", err)
			}
		} else if s.away.Store(nil); was != nil {
			s.link.log.Info("JetStream is back")
		}
		if first {
			close(s.prepared)
		}
		if err == nil && (made || was != nil || disturbed) {
			s.link.opts.Spool.Retry() // the stream may have had no leader for a moment
		}
		disturbed = false
		waiting := err == nil && s.consume(ctx)
		var again <-chan time.Time
		switch {
		case err != nil || waiting:
			pause = askAgain
			again = time.After(pause)
		case s.unfinished(): // an operator has to change something
			again = time.After(pause)
			pause = min(2*pause, askSeldom)
		}
		select {
		case <-again:
		case <-s.trouble:
			if time.Since(last) > askSeldom {
				calm = settle
			}
			if !client.Sleep(ctx, calm) {
				return
			}
			calm, last, disturbed = min(2*calm, settleLast), time.Now(), true
		case <-ctx.Done():
			return
		}
	}
}

// prepare creates the streams and the bucket that the rules need. made reports whether it has created a stream. err
// is not nil while JetStream does not answer.
func (s *session) prepare(ctx context.Context) (made bool, err error) {
	var missing []*way
	names := make(map[string]bool)
	for _, w := range s.link.kept {
		streams, err := s.js.StreamsOf(ctx, w.subject)
		switch {
		case s.isPlain(err):
			s.goPlain()
			return false, nil
		case jetstream.Temporary(err):
			return false, err
		case err != nil:
			continue // the user may publish, but may not query JetStream
		case len(streams) == 0:
			missing = append(missing, w)
		}
		for _, name := range streams {
			names[name] = true
		}
		s.link.ruled(w.what, nil)
	}
	if len(missing) > 0 {
		if err := s.makeStream(ctx, missing); err != nil {
			return false, err
		}
		made = true
	}
	for name := range names {
		if _, err := s.js.Stream(ctx, name); jetstream.Temporary(err) {
			return false, fmt.Errorf("stream %s: %w", name, err)
		}
	}
	return made, s.prepareBucket(ctx)
}

// goPlain records that the server has no JetStream. Durable imports then become ordinary ones.
func (s *session) goPlain() {
	if s.plain.Swap(true) {
		return
	}
	for _, w := range s.link.imports {
		if w.Store != spool.Durable {
			continue
		}
		if _, err := s.conn.Subscribe(w.subject, "", s.arrived); err != nil {
			continue // the connection has ended
		}
		s.link.ruled(w.what, errNoKeeper)
	}
}

var errNoKeeper = errors.New("the NATS server has no JetStream, so events that are published while the link is down are lost; start it with JetStream, or import without store = \"durable\"")

// isPlain reports whether an error means that the server has no JetStream at all.
func (s *session) isPlain(err error) bool {
	return jetstream.IsCode(err, jetstream.CodeNotEnabled, jetstream.CodeNotForAccount) ||
		errors.Is(err, conn.ErrNoResponders) && !s.conn.Info().JetStream
}

// makeStream creates the link's stream, or adds subjects to it. It returns an error only if JetStream does not
// answer. Other errors appear in State.
func (s *session) makeStream(ctx context.Context, missing []*way) error {
	o := &s.link.opts
	info, err := s.js.Stream(ctx, o.Stream)
	before := len(info.Config.Subjects)
	subjects := info.Config.Subjects
	for _, w := range missing {
		subjects = addSubject(subjects, w.subject)
	}
	if jetstream.IsCode(err, jetstream.CodeStreamNotFound) {
		_, err = s.js.CreateStream(ctx, jetstream.StreamConfig{
			Name: o.Stream, Description: "made by Runnel", Subjects: subjects, Replicas: s.replicas(), MaxBytes: o.StreamSize, MaxAge: o.StreamAge,
			Duplicates: min(duplicates, cmp.Or(o.StreamAge, duplicates)), AllowDirect: true,
		})
	} else if err == nil {
		err = s.js.SetSubjects(ctx, o.Stream, subjects)
	}
	if err == nil {
		s.link.log.Info("stream stores the exported events", "stream", o.Stream, "subjects", subjects, "new", len(subjects)-before)
	}
	if jetstream.Temporary(err) {
		return err
	}
	if err != nil {
		err = fmt.Errorf("make stream %s: %w; make a stream for the subject yourself, or allow the user of this link to make it", o.Stream, err)
	}
	for _, w := range missing {
		s.link.ruled(w.what, err)
	}
	return nil
}

// replicas returns how many servers keep the streams that the link creates.
func (s *session) replicas() int {
	switch {
	case s.link.opts.Replicas > 0:
		return s.link.opts.Replicas
	case s.conn.Info().Cluster != "":
		return 3
	}
	return 1
}

// addSubject adds a subject to those of a stream. The subjects of a stream must not overlap.
func addSubject(list []string, subject string) []string {
	covers := func(pattern, subject string) bool {
		p, t := strings.Split(pattern, "."), strings.Split(subject, ".")
		for i, part := range p {
			switch {
			case part == ">":
				return i < len(t)
			case i >= len(t) || part != "*" && part != t[i] || part == "*" && t[i] == ">":
				return false
			}
		}
		return len(p) == len(t)
	}
	if slices.ContainsFunc(list, func(have string) bool { return covers(have, subject) }) {
		return list
	}
	list = slices.DeleteFunc(list, func(have string) bool { return covers(subject, have) })
	return append(list, subject)
}

// unfinished reports whether a durable import is not consumed yet.
func (s *session) unfinished() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range s.link.imports {
		if w.Store == spool.Durable && !s.pulling[w.subject] && !s.plain.Load() {
			return true
		}
	}
	return false
}

var errNoSource = errors.New("no stream stores the subject")

// consume starts the durable imports that are not being consumed. waiting reports whether a consumer or its stream
// does not answer. Exports continue meanwhile.
func (s *session) consume(ctx context.Context) (waiting bool) {
	if s.plain.Load() {
		return false
	}
	for _, w := range s.link.imports {
		if w.Store != spool.Durable {
			continue
		}
		s.mu.Lock()
		busy := s.pulling[w.subject]
		s.mu.Unlock()
		if busy {
			continue
		}
		consumer, born, err := s.consumer(ctx, w)
		if s.link.ruled(w.what, err); err != nil {
			waiting = waiting || jetstream.Temporary(err)
			continue
		}
		s.mu.Lock()
		s.pulling[w.subject] = true
		s.mu.Unlock()
		s.work.Go(func() { s.pull(s.open, w, consumer, born) })
	}
	return waiting
}

// consumer returns the durable consumer of an import, and the time when its stream was created. If messages of an
// earlier session are not acknowledged, a new consumer replaces the old one and begins with the first of them: the
// old consumer would deliver them again only after later messages. The local router drops the messages that it
// already has.
func (s *session) consumer(ctx context.Context, w *way) (c *jetstream.Consumer, born uint64, err error) {
	streams, err := s.js.StreamsOf(ctx, w.subject)
	if err == nil && len(streams) == 0 {
		err = errNoSource
	}
	if err != nil {
		return nil, 0, err
	}
	stream := streams[0]
	info, err := s.js.Stream(ctx, stream)
	if err != nil {
		return nil, 0, err
	}
	born = uint64(max(info.Created.UnixMilli(), 1))
	config := jetstream.ConsumerConfig{
		Description: s.link.opts.Node + ", " + w.what, Filter: w.subject, AckWait: ackWait, MaxAckPending: underWay,
		Deliver: "by_start_sequence", StartSequence: info.State.Last + 1,
	}
	old, lost, err := s.former(ctx, stream, w)
	if err != nil {
		return nil, 0, err
	}
	drop := old.Name
	switch config.Durable = s.link.consumerName(w, 0); {
	case old.Name != "" && (lost != "" || old.AckPending == 0 && old.Waiting == 0):
		return s.js.Existing(stream, old.Name), born, nil
	case old.Name != "":
		config.StartSequence = max(old.AckFloor.Sequence+1, old.Config.StartSequence)
	case lost != "":
		s.link.log.Warn("a consumer does not answer; another one begins with all events of the stream, and the realm drops those that it has",
			"stream", stream, "consumer", lost)
		config.Deliver, config.StartSequence, drop = "all", 0, lost
	}
	if config.Durable == drop {
		config.Durable = s.link.consumerName(w, 1)
	}
	if c, err = s.js.CreateConsumer(ctx, stream, config); err != nil || drop == "" {
		return c, born, err
	}
	if err = s.deleteConsumer(ctx, stream, drop); lost != "" {
		err = nil // it does not answer
	}
	return c, born, err
}

// lostTime is how long a consumer may be silent while its stream answers. An election of its leader takes only a
// moment, but servers may lose a consumer in a crash. Tests shorten it.
var lostTime = 15 * time.Second

// former returns the consumer of an earlier session, or a consumer without a name if there is none. A link that was
// killed may have left two consumers: former deletes the one with fewer acknowledged messages. lost is a consumer
// that does not answer and may be replaced.
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
		delete(s.silent, name)
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
		since, known := s.silent[lost]
		if !known {
			since = time.Now()
			s.silent[lost] = since
		}
		if time.Since(since) < lostTime {
			return last, "", silence
		}
	}
	return last, lost, nil
}

// deleteConsumer deletes a consumer if it exists.
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
