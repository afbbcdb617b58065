package serial

import (
	"sync"
	"sync/atomic"
	"time"

	"runnel/transport/serial/lapb"
)

// Phase says what a line is doing.
type Phase string

const (
	Stopped   Phase = "stopped"   // Run is not running
	Waiting   Phase = "waiting"   // the device is not there
	Refused   Phase = "refused"   // it is there and cannot be opened; see State.Err
	Listening Phase = "listening" // the port is open, and no peer speaks
	Serving   Phase = "serving"   // a peer has the port
)

// State is what a line is doing and has done.
type State struct {
	Phase  Phase
	Since  time.Time // of the phase
	Device string    // the device that is open; "" if none is
	Err    error     // why the port could not be opened, or was lost, the last time; nil if it never happened

	ErrAt time.Time // when that was

	Opens   uint64 // times the port was opened
	Losses  uint64 // times the device went away
	Peers   uint64 // peers that were served
	In, Out uint64 // octets
	Skipped uint64 // octets in that were no peer's

	UART *Errors      // what the hardware complains of, since Run began; nil if the driver does not count it
	Link *lapb.Status // with framing HDLC, else nil; its counters are those since Run began
}

// Errors are characters that a UART could not take as it should.
type Errors struct {
	Framing uint64 // without a stop bit: another baud rate, or noise
	Parity  uint64
	Overrun uint64 // lost because nobody took them in time: in the UART, or in the driver
	Breaks  uint64 // the line was held low: unplugged, or without power
}

func (e Errors) plus(o Errors) Errors {
	return Errors{e.Framing + o.Framing, e.Parity + o.Parity, e.Overrun + o.Overrun, e.Breaks + o.Breaks}
}

func (e Errors) minus(o Errors) Errors {
	return Errors{e.Framing - o.Framing, e.Parity - o.Parity, e.Overrun - o.Overrun, e.Breaks - o.Breaks}
}

// uartState sums up what the ports counted. A driver counts from when it was loaded, for all programs.
type uartState struct {
	mu     sync.Mutex
	port   *Port // nil while none is open
	before Errors
	now    Errors // since then, when it was last looked at: who is unplugged says nothing
	past   Errors
	known  bool // some driver counts
}

func (u *uartState) begin(p *Port) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if errors, ok := p.errors(); ok {
		u.port, u.before, u.now, u.known = p, errors, Errors{}, true
	}
}

// end keeps what the port has counted.
func (u *uartState) end() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.past = u.sum()
	u.port = nil
}

// sum is called with mu held.
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

// status is the part of State that changes as a whole.
type status struct {
	mu     sync.Mutex
	phase  Phase
	since  time.Time
	device string
	err    error
	errAt  time.Time
}

// enter reports whether this is news: another phase, or another reason for it.
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

// State returns the line's state.
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
