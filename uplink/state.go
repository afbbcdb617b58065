package uplink

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"runnel/uplink/spool"
)

// State is how a link is doing.
type State struct {
	Name        string
	Up          bool      // the central router was joined
	Since       time.Time // when Up became what it is
	URL         string    // the way that led to the session; "" while there is none
	LastError   string    // why the last session or attempt ended; "" if none has
	LastErrorAt time.Time // when that was
	Reconnects  uint64    // sessions after the first
	Clash       string    // why the centre refuses the link: another router has this one's id; "": it does not
	Refused     []string  // rules that a router refuses now, and why

	RoundTrip time.Duration // to the central router and back, as measured last; 0: not yet
	Interest  bool          // the central router tells what is subscribed and registered there
	Looped    uint64        // events and calls that were not let over because they had been there, or had come too far

	Queue spool.State // exported events that wait for the centre

	EventsUp, EventsDown Flow // local to central, central to local
	CallsUp, CallsDown   Flow // by local callers, by callers at the centre
}

// Flow counts one direction. An event is dropped when there is no session to publish it in, when it is too large for
// the other router, or when events come faster than they can be forwarded; a call is dropped, that is answered with
// wamp.error.network_failure, when there is no session to make it in.
type Flow struct{ Forwarded, Dropped uint64 }

// status is what State is made of.
type status struct {
	eventsUp, eventsDown, callsUp, callsDown flow
	looped                                   atomic.Uint64

	mu sync.Mutex
	// Guarded by mu.
	up        bool
	since     time.Time
	url       string
	lastError string
	erredAt   time.Time
	clash     string
	sessions  uint64
	refused   map[string]string // what a router says to a rule
}

type flow struct{ forwarded, dropped atomic.Uint64 }

func (f *flow) snapshot() Flow {
	return Flow{Forwarded: f.forwarded.Load(), Dropped: f.dropped.Load()}
}

// joined notes a session at the central router.
func (s *status) joined(url string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.up, s.since, s.url, s.clash = true, time.Now(), url, ""
	s.sessions++
}

// left notes its end.
func (s *status) left(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.up, s.since, s.url = false, time.Now(), ""
	s.lastError, s.erredAt = err.Error(), time.Now()
}

// failed notes an attempt that came to nothing.
func (s *status) failed(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lastError, s.erredAt = err.Error(), time.Now()
}

// clashes notes that another node has the id of this one. It reports whether that is news.
func (s *status) clashes(text string) (news bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	news = s.clash == ""
	s.clash = text
	return news
}

// ruled notes what a router says to a rule; nil is consent.
func (s *status) ruled(what string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		delete(s.refused, what)
	} else {
		s.refused[what] = err.Error()
	}
}

func (s *status) snapshot() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	state := State{
		Up: s.up, Since: s.since, URL: s.url, LastError: s.lastError, LastErrorAt: s.erredAt, Clash: s.clash, Reconnects: max(s.sessions, 1) - 1,
		Looped:   s.looped.Load(),
		EventsUp: s.eventsUp.snapshot(), EventsDown: s.eventsDown.snapshot(),
		CallsUp: s.callsUp.snapshot(), CallsDown: s.callsDown.snapshot(),
	}
	for what, why := range s.refused {
		state.Refused = append(state.Refused, fmt.Sprintf("%s: %s", what, why))
	}
	slices.Sort(state.Refused)
	return state
}
