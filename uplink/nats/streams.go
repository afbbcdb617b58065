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
	settle     = 200 * time.Millisecond // after trouble, before the next question
	askAgain   = 2 * time.Second        // pause between two questions to a JetStream that is away
	duplicates = 5 * time.Minute        // how long a stream recognizes repetitions by Nats-Msg-Id
)

// watchStreams finds out whether JetStream is there, makes the stream and the consumers, and repeats that after trouble. While
// JetStream is away, topics of class disk and durable are held.
func (s *session) watchStreams(ctx context.Context) {
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
		if err == nil && (made || was != nil) {
			s.link.opts.Spool.Retry()
		}
		var again <-chan time.Time
		if err != nil || s.unfinished() {
			again = time.After(askAgain)
		}
		select {
		case <-again:
		case <-s.trouble:
			if !client.Sleep(ctx, settle) {
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

// prepare makes what the rules need. made reports whether it has made a stream. err is not nil while JetStream is away.
func (s *session) prepare(ctx context.Context) (made bool, err error) {
	var missing []*way
	names := make(map[string]bool)
	for _, w := range s.link.exports {
		if !w.lasts() {
			continue
		}
		streams, err := s.js.StreamsOf(ctx, w.subject)
		switch {
		case s.isPlain(err):
			s.plain.Store(true)
			return false, nil
		case jetstream.Temporary(err):
			return false, err
		case err != nil:
			continue // the user may publish, but not ask
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
	if err := s.prepareBucket(ctx); err != nil {
		return false, err
	}
	return made, s.consume(ctx)
}

// isPlain reports whether an error says that there is no JetStream at all.
func (s *session) isPlain(err error) bool {
	return jetstream.IsCode(err, jetstream.CodeNotEnabled, jetstream.CodeNotForAccount) ||
		errors.Is(err, conn.ErrNoResponders) && !s.conn.Info().JetStream
}

// makeStream makes the link's stream, or adds subjects to it. Its error says that JetStream is away. Other errors show in State.
func (s *session) makeStream(ctx context.Context, missing []*way) error {
	o := &s.link.opts
	info, err := s.js.Stream(ctx, o.Stream)
	config := info.Config
	change := s.js.UpdateStream
	if jetstream.IsCode(err, jetstream.CodeStreamNotFound) {
		config = jetstream.StreamConfig{
			Name: o.Stream, Description: "made by Runnel", Replicas: s.replicas(), MaxBytes: o.StreamSize, MaxAge: o.StreamAge, Duplicates: min(duplicates, cmp.Or(o.StreamAge, duplicates)),
			AllowDirect: true,
		}
		change, err = s.js.CreateStream, nil
	}
	if err == nil {
		before := len(config.Subjects)
		for _, w := range missing {
			config.Subjects = addSubject(config.Subjects, w.subject)
		}
		_, err = change(ctx, config)
		if err == nil {
			s.link.log.Info("stream stores the exported events", "stream", o.Stream, "subjects", config.Subjects, "new", len(config.Subjects)-before)
		}
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

// replicas returns how many servers keep what the link makes.
func (s *session) replicas() int {
	switch {
	case s.link.opts.Replicas > 0:
		return s.link.opts.Replicas
	case s.conn.Info().Cluster != "":
		return 3
	}
	return 1
}

// addSubject adds a subject to those of a stream, which must not overlap.
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

var errNoSource = errors.New("no stream stores this subject; make one, or import without store = \"durable\"")

// consume begins the durable imports that are not being consumed.
func (s *session) consume(ctx context.Context) error {
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
		if s.isPlain(err) {
			err = errNoJetStream
		} else if jetstream.Temporary(err) {
			return err
		}
		if s.link.ruled(w.what, err); err != nil {
			continue
		}
		s.mu.Lock()
		s.pulling[w.subject] = true
		s.mu.Unlock()
		s.work.Go(func() { s.pull(s.open, w, consumer, born) })
	}
	return nil
}

// consumer returns the durable consumer of an import, and when its stream was made.
func (s *session) consumer(ctx context.Context, w *way) (c *jetstream.Consumer, born uint64, err error) {
	streams, err := s.js.StreamsOf(ctx, w.subject)
	if err != nil {
		return nil, 0, err
	}
	if len(streams) == 0 {
		return nil, 0, errNoSource
	}
	info, err := s.js.Stream(ctx, streams[0])
	if err != nil {
		return nil, 0, err
	}
	config := jetstream.ConsumerConfig{
		Durable: s.link.consumerName(w), Description: s.link.opts.Node + ", " + w.what, Filter: w.subject,
		Deliver: "new", AckWait: ackWait, MaxAckPending: underWay,
	}
	c, err = s.js.CreateConsumer(ctx, streams[0], config)
	return c, uint64(max(info.Created.UnixMilli(), 1)), err
}

// consumerName names the durable consumer of an import by the node and the rule.
func (l *Link) consumerName(w *way) string {
	readable := strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' {
			return c
		}
		return '-'
	}, l.opts.Node)
	sum := sha256.Sum256([]byte(l.opts.Node + " " + w.Match.String() + " " + w.Topic))
	return fmt.Sprintf("runnel-%s-%x", readable[:min(len(readable), 60)], sum[:6])
}
