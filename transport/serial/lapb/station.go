package lapb

import (
	"context"
	"io"
	"os"
	"strings"
	"sync"
	"time"
	"unicode"

	"runnel/transport/serial/hdlc"
)

// readSize is the size of one read: a few frames.
const readSize = 1 << 10

// The baud rate is suspected to be wrong when at least suspectOctets octets have arrived over suspectAfter without one
// valid frame.
const (
	suspectAfter  = 5 * time.Second
	suspectOctets = 16
)

// Status is the state of a station and its counters.
type Status struct {
	Up          bool
	Since       time.Time // when Up last changed
	Err         error     // why the last connection ended
	Peer        Identity  // from the other end's XID; zero if there was none
	BaudSuspect bool      // octets have arrived for 5 s without a valid frame
	T1          time.Duration

	In, Out uint64 // octets on the wire
	Link    Counters
	Framing hdlc.Counters
}

// Hooks are called from a station's Run. Each may be nil.
type Hooks struct {
	Log         func(line string) // the other end sent a log line; line is printable text
	BaudSuspect func()            // Status.BaudSuspect has become true
}

// Station is a link on an open port. Run moves the data, Accept returns the streams.
type Station struct {
	// Static after construction.
	config Config
	port   io.ReadWriteCloser
	hooks  Hooks
	single bool // ends with its first connection

	mu      sync.Mutex
	changed sync.Cond // on mu: signals any change that a method may be waiting for

	// Guarded by mu.
	link       *Link
	current    *Stream // nil while the link is down
	unaccepted bool    // current was not accepted yet
	since      time.Time
	cause      error    // why the last connection ended
	lines      []string // log lines received and not yet passed to the hook
	in, out    uint64
	failed     error // why the station has stopped
	noise      noise

	// Owned by Run's reader; its counters are guarded by mu.
	decoder *hdlc.Decoder

	stop sync.Once
	done chan struct{} // closed when Run has returned
}

// New returns a station that owns the open port, or an error that names the invalid parameter in c.
func New(port io.ReadWriteCloser, c Config, hooks Hooks) (*Station, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	return newStation(port, c.withDefaults(), hooks), nil
}

func newStation(port io.ReadWriteCloser, c Config, hooks Hooks) *Station {
	s := &Station{config: c, port: port, hooks: hooks, since: time.Now(), decoder: hdlc.NewDecoder(c.Info), done: make(chan struct{})}
	s.changed.L = &s.mu
	s.link = NewLink(c, (*user)(s), s.since)
	return s
}

// Run works until the port fails or Close is called, then closes the port and returns the reason: os.ErrClosed after Close.
// Call it once.
func (s *Station) Run() error {
	defer close(s.done)
	reading := make(chan struct{})
	go func() {
		defer close(reading)
		s.fail(s.receive())
	}()
	s.fail(s.transmit())
	s.port.Close() // makes the reader return
	<-reading
	return s.failed
}

// Accept waits for the next connection. Connections that ended before they were accepted are skipped. Accept returns an
// error when the port fails, ctx ends or the station is closed.
func (s *Station) Accept(ctx context.Context) (*Stream, error) {
	stop := context.AfterFunc(ctx, s.wake)
	defer stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch {
		case s.failed != nil:
			return nil, s.failed
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case s.unaccepted:
			s.unaccepted = false
			return s.current, nil
		}
		s.changed.Wait()
	}
}

// Close sends the data already written, disconnects, and waits until Run has closed the port and returned. The wait is
// bounded, even if the other end or the port does not react.
func (s *Station) Close() error {
	s.stop.Do(func() {
		s.mu.Lock()
		s.link.Stop(time.Now())
		s.changed.Broadcast()
		s.mu.Unlock()
		late := time.AfterFunc(s.config.linger()+s.config.T1, func() {
			s.fail(os.ErrClosed)
			s.port.Close()
		})
		defer late.Stop()
		<-s.done
	})
	return nil
}

// Log sends a line for the other end's log. It may be lost.
func (s *Station) Log(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.link.SendLog(line)
	s.changed.Broadcast()
}

// Status returns the current status.
func (s *Station) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Status{
		Up: s.current != nil, Since: s.since, Err: s.cause, Peer: s.link.Peer(), BaudSuspect: s.noise.suspect,
		T1: s.config.T1, In: s.in, Out: s.out, Link: s.link.Counters(), Framing: s.decoder.Counters(),
	}
}

func (s *Station) wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.changed.Broadcast()
}

// fail stops the station. The first reason is kept.
func (s *Station) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed != nil {
		return
	}
	s.failed = err
	if s.current != nil {
		s.closeStream(err, time.Now())
	}
	s.changed.Broadcast()
}

// closeStream ends the current stream.
func (s *Station) closeStream(cause error, now time.Time) {
	s.current.err = cause
	s.current, s.unaccepted = nil, false
	s.since, s.cause = now, cause
	s.changed.Broadcast()
}

// receive reads until the port fails.
func (s *Station) receive() error {
	buf := make([]byte, readSize)
	for {
		n, err := s.port.Read(buf)
		lines, suspect := s.process(buf[:n])
		for _, line := range lines {
			s.hooks.Log(line)
		}
		if suspect && s.hooks.BaudSuspect != nil {
			s.hooks.BaudSuspect()
		}
		if err != nil {
			return err
		}
	}
}

// process passes octets to the link. It returns the arguments for calls of the hooks.
func (s *Station) process(p []byte) (lines []string, suspect bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.in += uint64(len(p))
	now := time.Now()
	suspect = s.noise.octets(len(p), now)
	for _, b := range p {
		if f, ok := s.decoder.Push(b); ok {
			s.noise, suspect = noise{}, false
			s.link.Frame(f, now)
		}
	}
	s.changed.Broadcast()
	lines, s.lines = s.lines, nil
	return lines, suspect
}

// transmit writes the frames that are due until the port fails or the link is stopped.
func (s *Station) transmit() error {
	timer := time.AfterFunc(time.Hour, s.wake)
	defer timer.Stop()
	buf := []byte{hdlc.Flag, hdlc.Flag} // flags end any partial frame that the other end has received
	for len(buf) > 0 {
		if _, err := s.port.Write(buf); err != nil {
			return err
		}
		buf = s.next(buf[:0], timer)
	}
	return os.ErrClosed
}

// next waits until something is due. It returns nothing once the link is stopped or the station has failed.
func (s *Station) next(buf []byte, timer *time.Timer) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.failed == nil {
		now := time.Now()
		buf = s.link.Append(buf, now)
		if len(buf) > 0 || s.link.Stopped() {
			s.out += uint64(len(buf))
			return buf
		}
		if at := s.link.Deadline(); !at.IsZero() {
			timer.Reset(at.Sub(now))
		}
		s.changed.Wait()
	}
	return nil
}

// user is the Station as seen by its Link, which calls it with mu held.
type user Station

func (u *user) Up() {
	s := (*Station)(u)
	s.current, s.unaccepted = &Stream{station: s}, true
	s.since = s.link.now
	s.changed.Broadcast()
}

func (u *user) Receive(p []byte) {
	if u.current.closed {
		u.link.Free(len(p))
		return
	}
	u.current.in = append(u.current.in, p...)
}

func (u *user) Down(cause error) {
	s := (*Station)(u)
	s.closeStream(cause, s.link.now)
	if s.single && s.failed == nil && !s.link.stopping {
		s.failed = cause
	}
}

func (u *user) Log(line []byte) {
	if u.hooks.Log != nil {
		u.lines = append(u.lines, printable(line))
	}
}

// printable returns line as one line of printable text.
func printable(line []byte) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, strings.TrimSpace(strings.ToValidUTF8(string(line), "\uFFFD")))
}

// noise is the input since the last valid frame.
type noise struct {
	count   int
	first   time.Time
	suspect bool
}

// octets adds to the noise and reports whether it has become suspect.
func (n *noise) octets(count int, now time.Time) (news bool) {
	if n.count == 0 {
		n.first = now
	}
	n.count += count
	if n.suspect || n.count < suspectOctets || now.Sub(n.first) < suspectAfter {
		return false
	}
	n.suspect = true
	return true
}

// Dial calls the other end over an open port, which it owns. It returns the stream when the link is up, or an error when
// ctx ends. The port is closed with the stream.
func Dial(ctx context.Context, port io.ReadWriteCloser, c Config, hooks Hooks) (*Stream, error) {
	if err := c.Validate(); err != nil {
		port.Close()
		return nil, err
	}
	s := newStation(port, c.withDefaults(), hooks)
	s.single = true
	go s.Run()
	stream, err := s.Accept(ctx)
	if err != nil {
		s.Close()
		return nil, err
	}
	return stream, nil
}
