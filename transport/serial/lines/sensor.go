package lines

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"runnel/transport/serial/reading"
)

// readSize is the size of one read from the port.
const readSize = 4 << 10

// The baud rate is suspected to be wrong when at least suspectBytes bytes have arrived over suspectAfter without one
// readable line.
const (
	suspectAfter = 5 * time.Second
	suspectBytes = 16
)

// maxExcerpt is the length of an excerpt in characters.
const maxExcerpt = 120

// State counts the input of a sensor.
type State struct {
	Good    uint64 // lines that became events
	Bad     uint64 // lines that cannot be parsed, including NotUTF8 and Long
	NotUTF8 uint64
	Long    uint64
	Check   uint64 // telegrams with a wrong check; they are bad as well
	Ignored uint64 // lines that the configuration leaves out
	Partial uint64 // lines that began before the port was opened; not counted as bad

	BadFields uint64 // fields left out of good lines because they cannot be used
	BadField  string // the last such field and the reason
	BadInARow uint64 // bad lines since the last good or ignored line

	LastGood  time.Time
	LastBad   time.Time
	BadLine   string // excerpt of the last bad line, printable
	BadReason string

	Asked            uint64 // requests sent
	Unanswered       uint64 // requests without an answer
	UnansweredInARow uint64

	BaudSuspect bool // text has arrived for some time without a readable line
}

// Sensor reads a device that prints lines. State may be called from any goroutine, Run from one at a time.
type Sensor struct {
	// Static after construction.
	parser *Parser
	bad    func(State) // called for some bad lines, for the log; may be nil

	// Send writes a request to the device of Run. It is set before Run if the configuration has requests.
	Send     func(ctx context.Context, request []byte) error
	answered chan struct{} // see asker

	publisher *publisher // nil if each reading is published; static after construction

	mu    sync.Mutex
	state State
	noise noise
}

// noise is the input since the last readable line.
type noise struct {
	octets int
	since  time.Time
}

// NewSensor returns a sensor whose lines are parsed by p. bad may be nil; it is called for the first, second, fourth,
// eighth bad line and so on.
func NewSensor(p *Parser, bad func(State)) *Sensor {
	return &Sensor{parser: p, bad: bad, answered: make(chan struct{}, 1), publisher: newPublisher(p)}
}

// State returns the current counters.
func (s *Sensor) State() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state
}

// Run reads lines and publishes events until a read fails, and returns that error. A line that began before Run is
// skipped unless its format proves that it is complete. With requests, Run closes the device if it can be closed.
func (s *Sensor) Run(device io.Reader, publish func(reading.Event)) error {
	s.mu.Lock()
	s.noise, s.state.BaudSuspect = noise{}, false
	s.mu.Unlock()
	publish, flush := s.filtered(publish)
	defer flush()
	push, stop := s.divide(publish)
	defer stop()
	defer s.startAsking(device)()
	buf := make([]byte, readSize)
	for {
		n, err := device.Read(buf)
		now := time.Now()
		push(buf[:n], now)
		s.received(n, now)
		if err != nil {
			return err
		}
	}
}

// divide returns a function that takes the bytes that arrive and publishes the events in them, and one that ends it.
func (s *Sensor) divide(publish func(reading.Event)) (push func([]byte, time.Time), stop func()) {
	if s.parser.telegram != nil {
		return s.divideTelegrams(publish)
	}
	split := newSplitter(s.parser.max, time.Now(), s.countLong, func(line []byte) { s.partial(line, publish) })
	return func(octets []byte, now time.Time) {
		split.push(octets, now, func(line []byte) { s.line(line, now, publish) })
	}, func() {}
}

func (s *Sensor) line(line []byte, now time.Time, publish func(reading.Event)) {
	if !s.parser.format.binary() && strings.TrimSpace(string(line)) == "" {
		return
	}
	e, flaws, err := s.parser.read(line, now)
	s.wakeAsker()
	switch {
	case err == nil:
		s.countGood(flaws, now)
		publish(e)
	case errors.Is(err, errIgnored):
		s.countIgnored()
	default:
		s.countBad(line, err, now)
	}
}

// received counts n bytes that arrived at now.
func (s *Sensor) received(n int, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.noise.octets == 0 {
		s.noise.since = now
	}
	s.noise.octets += n
	if s.noise.octets >= suspectBytes && now.Sub(s.noise.since) >= suspectAfter {
		s.state.BaudSuspect = true
	}
}

func (s *Sensor) countGood(flaws []string, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.Good++
	s.state.LastGood, s.state.BadInARow = now, 0
	if len(flaws) > 0 {
		s.state.BadFields += uint64(len(flaws))
		s.state.BadField = Excerpt([]byte(flaws[len(flaws)-1]))
	}
	s.noise, s.state.BaudSuspect = noise{}, false
}

func (s *Sensor) countIgnored() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.Ignored++
	s.state.BadInARow = 0
	s.noise, s.state.BaudSuspect = noise{}, false
}

// partial handles a line that may have begun before the port was opened. It is used if its format proves it complete.
func (s *Sensor) partial(line []byte, publish func(reading.Event)) {
	now := time.Now()
	if s.parser.complete(line) {
		if e, flaws, err := s.parser.read(line, now); err == nil {
			s.countGood(flaws, now)
			publish(e)
			return
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.Partial++
}

func (s *Sensor) countLong() {
	s.wakeAsker()
	s.mu.Lock()
	s.state.Long++
	s.mu.Unlock()
	s.countBad(nil, errors.New("longer than max_line"), time.Now())
}

func (s *Sensor) countBad(line []byte, err error, now time.Time) {
	s.mu.Lock()
	s.state.Bad++
	s.state.BadInARow++
	switch {
	case errors.Is(err, errUTF8):
		s.state.NotUTF8++
	case errors.Is(err, errCheck):
		s.state.Check++
	case errors.Is(err, errTooLong):
		s.state.Long++
	}
	s.state.LastBad, s.state.BadLine, s.state.BadReason = now, s.parser.excerpt(line), Excerpt([]byte(err.Error()))
	if len(line) > 0 && legible(line) {
		s.noise, s.state.BaudSuspect = noise{}, false // text at a wrong baud rate is not legible
	}
	state := s.state
	s.mu.Unlock()
	if n := state.Bad; n&(n-1) == 0 && s.bad != nil {
		s.bad(state)
	}
}

// Printable returns line as valid UTF-8 with everything unprintable replaced by blanks, safe for a terminal.
func Printable(line []byte) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, strings.ToValidUTF8(string(line), "\uFFFD"))
}

func legible(line []byte) bool {
	return bytes.IndexFunc(line, func(r rune) bool { return r == utf8.RuneError || !unicode.IsPrint(r) && r != '\t' }) < 0
}

// Excerpt returns the printable beginning of line, at most maxExcerpt characters.
func Excerpt(line []byte) string {
	runes := []rune(strings.TrimSpace(Printable(line[:min(len(line), 2*maxExcerpt)])))
	if len(runes) > maxExcerpt {
		return string(runes[:maxExcerpt]) + "..."
	}
	return string(runes)
}
