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

// readSize is what is asked for at once: some frames.
const readSize = 1 << 10

// suspectAfter is how long octets may arrive without one good frame before the baud rate is suspected to be wrong, and
// suspectOctets how many there must be.
const (
	suspectAfter  = 5 * time.Second
	suspectOctets = 16
)

// Status is what a station is doing and has done.
type Status struct {
	Up          bool
	Since       time.Time // of the connection, or of its absence
	Err         error     // why the last connection ended
	Peer        Identity  // what the other end says of itself; zero if it does not
	BaudSuspect bool      // octets arrive, and for 5 s no frame among them
	T1          time.Duration

	In, Out uint64 // octets on the wire
	Link    Counters
	Framing hdlc.Counters
}

// Hooks are called by a station's Run when there is something to tell. Both may be nil.
type Hooks struct {
	Log         func(line string) // a log line of the other end, one line of printable text
	BaudSuspect func()            // Status.BaudSuspect has become true
}

// Station is a link on an open port. Run moves the octets; Accept hands out the streams.
type Station struct {
	// Static after construction.
	config Config
	port   io.ReadWriteCloser
	hooks  Hooks
	once   bool // for one connection

	mu      sync.Mutex
	changed sync.Cond // on mu: something that somebody may wait for is different

	// Guarded by mu.
	link    *Link
	current *Stream // nil while the link is down
	fresh   bool    // current was not accepted yet
	since   time.Time
	cause   error    // why the last connection ended
	lines   []string // of the device, not yet told
	in, out uint64
	failed  error // why the station does not work any more
	noise   noise

	// Owned by Run's reader, but for its counters, which are guarded by mu.
	decoder *hdlc.Decoder

	stop sync.Once
	done chan struct{} // closed when Run has returned
}

// New returns a station on an open port, which it owns. The error says what is wrong with c.
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

// Run works until the port fails or Close is called, and closes the port. It is called once. It returns why, which is
// os.ErrClosed after Close.
func (s *Station) Run() error {
	defer close(s.done)
	reading := make(chan struct{})
	go func() {
		defer close(reading)
		s.fail(s.receive())
	}()
	s.fail(s.transmit())
	s.port.Close() // which ends the reader
	<-reading
	return s.failed
}

// Accept waits for the next connection. Streams that were over before anybody accepted them are skipped. A port that
// fails, ctx and Close end the waiting.
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
		case s.fresh:
			s.fresh = false
			return s.current, nil
		}
		s.changed.Wait()
	}
}

// Close sends what was written, tells the other end, and has Run close the port and return, for which it waits. If the
// other end or the port takes nothing, that is over in some time.
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

// Log sends a line to the other end's log. It may get lost.
func (s *Station) Log(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.link.Say(line)
	s.changed.Broadcast()
}

// Status returns the station's state.
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

// fail ends everything. The first reason stays.
func (s *Station) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed != nil {
		return
	}
	s.failed = err
	if s.current != nil {
		s.over(err, time.Now())
	}
	s.changed.Broadcast()
}

// over ends the current stream.
func (s *Station) over(cause error, now time.Time) {
	s.current.err = cause
	s.current, s.fresh = nil, false
	s.since, s.cause = now, cause
	s.changed.Broadcast()
}

// receive reads until the port fails.
func (s *Station) receive() error {
	buf := make([]byte, readSize)
	for {
		n, err := s.port.Read(buf)
		lines, suspect := s.take(buf[:n])
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

// take hands octets to the link. It returns what is to be told.
func (s *Station) take(p []byte) (lines []string, suspect bool) {
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

// transmit writes what is due, until the port fails or the link is stopped.
func (s *Station) transmit() error {
	timer := time.AfterFunc(time.Hour, s.wake)
	defer timer.Stop()
	buf := []byte{hdlc.Flag, hdlc.Flag} // what the other end has heard so far, if anything, was no frame
	for len(buf) > 0 {
		if _, err := s.port.Write(buf); err != nil {
			return err
		}
		buf = s.next(buf[:0], timer)
	}
	return os.ErrClosed
}

// next waits until something is due. It returns nothing when that will not be.
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

// user is the Station as its Link calls it, with mu held.
type user Station

func (u *user) Up() {
	s := (*Station)(u)
	s.current, s.fresh = &Stream{station: s}, true
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
	s.over(cause, s.link.now)
	if s.once && s.failed == nil && !s.link.stopping {
		s.failed = cause
	}
}

func (u *user) Log(line []byte) {
	if u.hooks.Log != nil {
		u.lines = append(u.lines, printable(line))
	}
}

// printable makes a line of text of what a device sent.
func printable(line []byte) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, strings.TrimSpace(strings.ToValidUTF8(string(line), "\uFFFD")))
}

// noise is what arrived since the last good frame.
type noise struct {
	count   int
	first   time.Time
	suspect bool
}

// octets reports whether noise has become suspect.
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

// Dial calls the other end over an open port, which it owns, and returns the stream when the link is up, or an error
// when ctx is done. The port is closed with the stream, and used for no other.
func Dial(ctx context.Context, port io.ReadWriteCloser, c Config, hooks Hooks) (*Stream, error) {
	if err := c.Validate(); err != nil {
		port.Close()
		return nil, err
	}
	s := newStation(port, c.withDefaults(), hooks)
	s.once = true
	go s.Run()
	stream, err := s.Accept(ctx)
	if err != nil {
		s.Close()
		return nil, err
	}
	return stream, nil
}
