package lines

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"runnel/transport/serial/reading"
)

// divideTelegrams is divide for a device that sends telegrams.
func (s *Sensor) divideTelegrams(publish func(reading.Event)) (push func([]byte, time.Time), stop func()) {
	f := newFramer(s.parser.telegram, time.Now(),
		func(telegram []byte) { s.line(telegram, time.Now(), publish) },
		func(telegram []byte, err error) { s.badTelegram(telegram, err) })
	if !f.bySilence() {
		return f.push, func() {}
	}
	t := &timedFramer{framer: f}
	t.timer = time.AfterFunc(time.Hour, t.silent)
	t.timer.Stop()
	return t.push, t.stop
}

func (s *Sensor) badTelegram(telegram []byte, err error) {
	s.wakeAsker()
	if !errors.Is(err, errPartial) {
		s.countBad(telegram, err, time.Now())
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.Partial++
}

// timedFramer is a framer for telegrams that end by silence: a timer notices it.
type timedFramer struct {
	mu      sync.Mutex
	framer  *framer     // guarded by mu
	timer   *time.Timer // static after construction
	stopped bool        // guarded by mu
}

func (t *timedFramer) push(octets []byte, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.framer.push(octets, now)
	if len(octets) > 0 {
		t.timer.Reset(t.framer.t.Silence)
	}
}

func (t *timedFramer) silent() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.stopped {
		return
	}
	if rest := t.framer.t.Silence - time.Since(t.framer.last); rest > 0 {
		t.timer.Reset(rest)
		return
	}
	t.framer.paused()
}

func (t *timedFramer) stop() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stopped = true
	t.timer.Stop()
}

// maxHex is how many bytes an excerpt of a binary telegram shows.
const maxHex = 40

// excerpt returns the beginning of a line or telegram for people.
func (p *Parser) excerpt(line []byte) string {
	if !p.format.binary() {
		return Excerpt(line)
	}
	if len(line) > maxHex {
		return fmt.Sprintf("% x...", line[:maxHex])
	}
	return fmt.Sprintf("% x", line)
}
