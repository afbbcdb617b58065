package serial

import (
	"sync"
	"sync/atomic"
	"time"

	"runnel/transport/serial/lapb"
)

// Phase is the current activity of a line.
type Phase string

const (
	Stopped   Phase = "stopped"   // Run is not running
	Waiting   Phase = "waiting"   // the device is missing
	Refused   Phase = "refused"   // the port cannot be opened; see State.Err
	Listening Phase = "listening" // the port is open, without a peer
	Serving   Phase = "serving"   // a peer uses the port
)

// State is the state of a line and its counters.
type State struct {
	Phase  Phase
	Since  time.Time // when Phase last changed
	Device string    // the open device, or ""
	Err    error     // last reason for failing to open or losing the port, or nil

	ErrAt time.Time // when Err occurred

	Opens   uint64 // successful openings of the port
	Losses  uint64 // failures of the open port
	Peers   uint64 // peers served
	In, Out uint64 // bytes
	Skipped uint64 // bytes received outside of any peer's stream

	UART *Errors      // hardware errors since Run began; nil if the driver does not count them
	Link *lapb.Status // framing HDLC only: the link's status, with counters since Run began
}

// Errors counts characters that a UART received wrongly.
type Errors struct {
	Framing uint64 // missing stop bit: wrong baud rate or noise
	Parity  uint64
	Overrun uint64 // lost because the UART or the driver was not read in time
	Breaks  uint64 // break conditions: unplugged or without power
}

func (e Errors) plus(o Errors) Errors {
	return Errors{e.Framing + o.Framing, e.Parity + o.Parity, e.Overrun + o.Overrun, e.Breaks + o.Breaks}
}

func (e Errors) minus(o Errors) Errors {
	return Errors{e.Framing - o.Framing, e.Parity - o.Parity, e.Overrun - o.Overrun, e.Breaks - o.Breaks}
}

// uartState sums the counters of the ports opened so far. A driver counts since it was loaded, for all programs.
type uartState struct {
	mu     sync.Mutex
	port   *Port // nil while no port is open
	before Errors
	now    Errors // since before, as last read; an unplugged port cannot be read
	past   Errors
	known  bool // the driver of some port counts
}

func (u *uartState) begin(p *Port) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if errors, ok := p.errors(); ok {
		u.port, u.before, u.now, u.known = p, errors, Errors{}, true
	}
}

// detach keeps the counters of the port.
func (u *uartState) detach() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.past = u.sum()
	u.port = nil
}

// sum returns the total. Call it with mu held.
func (u *uartState) sum() Errors {
	if u.port == nil {
		return u.past
	}
	if errors, ok := u.port.errors(); ok {
		u.now = errors.minus(u.before)
	}
	return u.past.plus(u.now)
}

func (u *uartState) errors() *Errors {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.known {
		return nil
	}
	sum := u.sum()
	return &sum
}

type counters struct {
	opens, losses, peers, in, out, skipped atomic.Uint64
}

// status is the part of State that changes together.
type status struct {
	mu     sync.Mutex
	phase  Phase
	since  time.Time
	device string
	err    error
	errAt  time.Time
}

// enter changes the state. It reports whether the phase or the error is new.
func (s *status) enter(phase Phase, device string, err error) (news bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		news = s.err == nil || s.err.Error() != err.Error()
		s.err, s.errAt = err, time.Now()
	}
	if s.phase != phase {
		news = true
		s.phase, s.since = phase, time.Now()
	}
	s.device = device
	return news
}

// State returns the current state.
func (l *Line) State() State {
	l.status.mu.Lock()
	defer l.status.mu.Unlock()
	s := State{
		Phase: l.status.phase, Since: l.status.since, Device: l.status.device, Err: l.status.err, ErrAt: l.status.errAt,
		Opens: l.count.opens.Load(), Losses: l.count.losses.Load(), Peers: l.count.peers.Load(),
		In: l.count.in.Load(), Out: l.count.out.Load(), Skipped: l.count.skipped.Load(),
	}
	s.UART = l.uart.errors()
	if l.framing == HDLC {
		link := l.link.status()
		s.Link = &link
		s.In, s.Out, s.Skipped = link.In, link.Out, link.Framing.Skipped
	}
	return s
}
