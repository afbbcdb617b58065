package lines

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"runnel/transport/serial/reading"
)

// readSize is what is asked of the port at once.
const readSize = 4 << 10

// suspectAfter is how long text may arrive without one good line before the baud rate is suspected to be wrong, and
// suspectOctets how much there must be.
const (
	suspectAfter  = 5 * time.Second
	suspectOctets = 16
)

// maxShown is how much of a bad line is shown.
const maxShown = 120

// State is what a sensor has heard.
type State struct {
	Good    uint64 // lines that became events
	Bad     uint64 // those that can't be understood; NotUTF8 and Long are among them
	NotUTF8 uint64
	Long    uint64
	Ignored uint64 // lines that the configuration does not want
	Partial uint64 // lines that began before the port was opened; they are not counted as bad

	BadFields uint64 // fields of good lines that could not be used, and were left out
	BadField  string // the last one, and why
	BadInARow uint64 // bad lines since the last one that was good, or not wanted

	LastGood  time.Time
	LastBad   time.Time
	BadLine   string // the last one, shortened, made printable
	BadReason string

	BaudSuspect bool // text arrives, and for some time no good line among it
}

// Sensor reads a device that prints lines. State may be called from any goroutine; Run by one at a time.
type Sensor struct {
	// Static after construction.
	parser *Parser
	bad    func(State) // tells of a bad line; may be nil

	mu    sync.Mutex
	state State
	noise noise
}

// noise is what arrived since the last good line.
type noise struct {
	octets int
	since  time.Time
}

// NewSensor returns a sensor whose lines p understands. bad is called for bad lines, after the first, the second, the
// fourth, the eighth and so on: it is for the log.
func NewSensor(p *Parser, bad func(State)) *Sensor { return &Sensor{parser: p, bad: bad} }

// State returns what was heard so far.
func (s *Sensor) State() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state
}

// Run reads lines until the device fails, and returns why. A line that it is in the middle of at first is skipped.
func (s *Sensor) Run(device io.Reader, publish func(reading.Event)) error {
	s.mu.Lock()
	s.noise, s.state.BaudSuspect = noise{}, false
	s.mu.Unlock()
	split := newSplitter(s.parser.max, time.Now(), s.tooLong, func(line []byte) { s.first(line, publish) })
	buf := make([]byte, readSize)
	for {
		n, err := device.Read(buf)
		now := time.Now()
		split.push(buf[:n], now, func(line []byte) { s.line(line, now, publish) })
		s.hear(n, now)
		if err != nil {
			return err
		}
	}
}

func (s *Sensor) line(line []byte, now time.Time, publish func(reading.Event)) {
	if strings.TrimSpace(string(line)) == "" {
		return
	}
	e, flaws, err := s.parser.read(line, now)
	switch {
	case err == nil:
		s.good(flaws, now)
		publish(e)
	case errors.Is(err, errIgnored):
		s.ignored()
	default:
		s.wrong(line, err, now)
	}
}

// hear counts octets.
func (s *Sensor) hear(n int, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.noise.octets == 0 {
		s.noise.since = now
	}
	s.noise.octets += n
	if s.noise.octets >= suspectOctets && now.Sub(s.noise.since) >= suspectAfter {
		s.state.BaudSuspect = true
	}
}

func (s *Sensor) good(flaws []string, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.Good++
	s.state.LastGood, s.state.BadInARow = now, 0
	if len(flaws) > 0 {
		s.state.BadFields += uint64(len(flaws))
		s.state.BadField = Shown([]byte(flaws[len(flaws)-1]))
	}
	s.noise, s.state.BaudSuspect = noise{}, false
}

func (s *Sensor) ignored() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.Ignored++
	s.state.BadInARow = 0
	s.noise, s.state.BaudSuspect = noise{}, false
}

// first is for a line that may have begun before the port was opened. If its format tells that it is whole, it is used.
func (s *Sensor) first(line []byte, publish func(reading.Event)) {
	now := time.Now()
	if s.parser.proves(line) {
		if e, flaws, err := s.parser.read(line, now); err == nil {
			s.good(flaws, now)
			publish(e)
			return
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.Partial++
}

func (s *Sensor) tooLong() {
	s.mu.Lock()
	s.state.Long++
	s.mu.Unlock()
	s.wrong(nil, errors.New("too long"), time.Now())
}

func (s *Sensor) wrong(line []byte, err error, now time.Time) {
	s.mu.Lock()
	s.state.Bad++
	s.state.BadInARow++
	if errors.Is(err, errUTF8) {
		s.state.NotUTF8++
	}
	s.state.LastBad, s.state.BadLine, s.state.BadReason = now, Shown(line), Shown([]byte(err.Error()))
	if len(line) > 0 && legible(line) {
		s.noise, s.state.BaudSuspect = noise{}, false // another baud rate's text is none
	}
	state := s.state
	s.mu.Unlock()
	if n := state.Bad; n&(n-1) == 0 && s.bad != nil {
		s.bad(state)
	}
}

// Legible makes of a line what a terminal can be trusted with.
func Legible(line []byte) string {
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

// Shown makes of a line what can be shown: printable, and not long.
func Shown(line []byte) string {
	runes := []rune(strings.TrimSpace(Legible(line[:min(len(line), 2*maxShown)])))
	if len(runes) > maxShown {
		return string(runes[:maxShown]) + "..."
	}
	return string(runes)
}
