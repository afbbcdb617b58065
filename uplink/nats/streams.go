package nats

import (
	"cmp"
	"context"
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
	settle     = 200 * time.Millisecond // pause after a failure, before the next check; doubles up to settleLast with further failures
	settleLast = 10 * time.Second
	askAgain   = 2 * time.Second // time between two checks of a JetStream that does not answer
	askSeldom  = time.Minute     // the longest pause before another attempt to create a stream or consumer without permission
	duplicates = 5 * time.Minute // how long a stream recognizes repetitions by Nats-Msg-Id
)

// watchStreams checks whether JetStream answers, creates the stream and the consumers, and repeats that after failures.
// While JetStream does not answer, the spool holds topics of class disk and durable.
func (s *session) watchStreams(ctx context.Context) {
	pause, calm := askAgain, settle
	var last time.Time // when a failure was last noticed
	disturbed := false // a failure has occurred since the last check
	for first := true; ; first = false {
		made, err := s.prepare(ctx)
		if ctx.Err() != nil {
			return
		}
		was := s.away.Load()
		if err != nil {
			text := "JetStream does not answer; events wait until it does (" + err.Error() + ")"
			if s.away.Store(&text); was == nil {
				s.link.log.Warn("JetStream does not answer; events of class disk and durable wait", "err", err)
			}
		} else if s.away.Store(nil); was != nil {
			s.link.log.Info("JetStream answers again")
		}
		kept := s.prepareBucket(ctx)
		if first {
			close(s.prepared)
		}
		if err == nil && (made || was != nil || disturbed) {
			s.link.opts.Spool.Retry() // the stream may have lacked a leader for a moment
		}
		disturbed = false
		waiting, unfinished := false, false
		if err == nil {
			waiting, unfinished = s.consume(ctx)
		}
		var again <-chan time.Time
		switch {
		case err != nil || waiting || jetstream.Temporary(kept):
			pause = askAgain
			again = time.After(pause)
		case unfinished || kept != nil: // an operator has to change something
			again = time.After(pause)
			pause = min(2*pause, askSeldom)
		case len(s.streams) > 0: // further streams may store parts of the imports
			again = time.After(askSeldom)
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

// storage is the streams of a rule.
type storage struct {
	streams []string
	err     error // why they are missing
}

// prepare creates the streams that the rules need. made reports whether it has created one. err is not nil while
// JetStream is unavailable.
func (s *session) prepare(ctx context.Context) (made bool, err error) {
	var missing []*way
	names, complete := make(map[string]bool), true
	s.streams = make(map[*way]storage)
	for _, w := range s.link.kept {
		streams, err := s.js.StreamsOf(ctx, w.subject)
		switch {
		case s.isPlain(err):
			s.goPlain()
			return false, nil
		case jetstream.Temporary(err):
			return false, err
		case err != nil:
			complete = false // the user may publish, but may not use the API
		case len(streams) == 0:
			missing = append(missing, w)
			continue
		}
		for _, name := range streams {
			names[name] = true
		}
		if s.streams[w] = (storage{streams, err}); err == nil {
			s.link.recordRule(w.what, nil)
		}
	}
	if len(missing) > 0 {
		err := s.makeStream(ctx, missing)
		if jetstream.Temporary(err) {
			return false, err
		}
		for _, w := range missing {
			s.streams[w] = storage{[]string{s.link.opts.Stream}, err}
			s.link.recordRule(w.what, err)
		}
		if made = err == nil; made {
			names[s.link.opts.Stream] = true
		}
	}
	if s.sources.Store(nil); complete {
		s.sources.Store(&names)
	}
	for name := range names {
		if _, err := s.js.Stream(ctx, name); jetstream.Temporary(err) {
			return false, fmt.Errorf("stream %s: %w", name, err)
		}
	}
	return made, nil
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
		if _, err := s.conn.Subscribe(w.subject, "", s.receive); err != nil {
			continue // the connection has ended
		}
		s.link.recordRule(w.what, errNoKeeper)
	}
}

var errNoKeeper = errors.New("the NATS server has no JetStream, so events that are published while the link is down are lost; start it with JetStream, or import without store = \"durable\"")

// isPlain reports whether an error means that the server does not have JetStream.
func (s *session) isPlain(err error) bool {
	return jetstream.IsCode(err, jetstream.CodeNotEnabled, jetstream.CodeNotForAccount) ||
		errors.Is(err, conn.ErrNoResponders) && !s.conn.Info().JetStream
}

// makeStream creates the link's stream, or adds subjects to it.
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
		err = fmt.Errorf("create stream %s: %w; create a stream for the subject yourself, or allow this link's user to create it", o.Stream, err)
	}
	return err
}

// replicas returns the number of replicas of streams that the link creates.
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
