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

	Opens   uint64 // times the port was opened
	Losses  uint64 // times the device went away
	Peers   uint64 // peers that were served
	In, Out uint64 // octets
	Skipped uint64 // octets in that were no peer's

	Link *lapb.Status // with framing HDLC, else nil; its counters are those since Run began
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
}

// enter reports whether this is news: another phase, or another reason for it.
func (s *status) enter(phase Phase, device string, err error) (news bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		news = s.err == nil || s.err.Error() != err.Error()
		s.err = err
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
		Phase: l.status.phase, Since: l.status.since, Device: l.status.device, Err: l.status.err,
		Opens: l.count.opens.Load(), Losses: l.count.losses.Load(), Peers: l.count.peers.Load(),
		In: l.count.in.Load(), Out: l.count.out.Load(), Skipped: l.count.skipped.Load(),
	}
	if l.framing == HDLC {
		link := l.link.status()
		s.Link = &link
		s.In, s.Out, s.Skipped = link.In, link.Out, link.Framing.Skipped
	}
	return s
}
