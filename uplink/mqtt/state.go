package mqtt

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"runnel/uplink"
)

// status is what State is made of.
type status struct {
	eventsUp, eventsDown, callsDown flow
	looped                          atomic.Uint64

	mu sync.Mutex
	// Guarded by mu.
	up        bool
	since     time.Time
	url       string
	lastError string
	erredAt   time.Time
	clash     string    // another client has the client id of this link
	clashed   time.Time // when that was last seen
	sessions  uint64
	refused   map[string]string // what the broker or the local router says to a rule
}

type flow struct {
	forwarded, dropped atomic.Uint64
	failing            atomic.Bool // the log has a line about it already
}

func (f *flow) snapshot() uplink.Flow {
	return uplink.Flow{Forwarded: f.forwarded.Load(), Dropped: f.dropped.Load()}
}

// passed counts one that crossed.
func (f *flow) passed() {
	f.forwarded.Add(1)
	f.failing.Store(false)
}

// lost counts one that did not, and reports whether it is the first of a run.
func (f *flow) lost() bool {
	f.dropped.Add(1)
	return !f.failing.Swap(true)
}

// joined notes that a broker has taken us.
func (s *status) joined(url string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.up, s.since, s.url = true, time.Now(), url
	s.sessions++
}

// ended notes the end of a connection, or that there came none about. It reports whether there was one.
func (s *status) ended(err error) (was bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.lastError, s.erredAt = err.Error(), time.Now()
	}
	if s.up {
		s.up, s.since, s.url, was = false, time.Now(), "", true
	}
	return was
}

// clashes notes that another client has the client id of this link. It reports whether that is news.
func (s *status) clashes(text string) (news bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	news = s.clash == "" || time.Since(s.clashed) > takeoverWindow
	s.clash, s.clashed = text, time.Now()
	return news
}

// ruled notes what a rule has met with; nil is consent. It reports whether that is news.
func (s *status) ruled(what string, err error) (news bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before, refused := s.refused[what]
	if err == nil {
		delete(s.refused, what)
		return refused
	}
	s.refused[what] = err.Error()
	return before != err.Error()
}

func (s *status) snapshot() uplink.State {
	s.mu.Lock()
	defer s.mu.Unlock()
	state := uplink.State{
		Up: s.up, Since: s.since, URL: s.url, LastError: s.lastError, LastErrorAt: s.erredAt, Reconnects: max(s.sessions, 1) - 1,
		Looped: s.looped.Load(), EventsUp: s.eventsUp.snapshot(), EventsDown: s.eventsDown.snapshot(), CallsDown: s.callsDown.snapshot(),
	}
	if s.clash != "" && time.Since(s.clashed) <= takeoverWindow {
		state.Clash = s.clash
	}
	for what, why := range s.refused {
		state.Refused = append(state.Refused, what+": "+why)
	}
	slices.Sort(state.Refused)
	return state
}
