package uplink

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Status collects the data of State. Its methods may be called from any goroutine.
type Status struct {
	EventsUp, EventsDown, CallsUp, CallsDown Counter

	Looped atomic.Uint64 // see State

	mu sync.Mutex
	// Guarded by mu.
	up        bool
	since     time.Time
	url       string
	lastError string
	erredAt   time.Time
	clash     string
	clashEnd  time.Time // until when clash holds; zero: until the far side is joined
	sessions  uint64
	refused   map[string]string // the reason by rule
}

// NewStatus returns the status of a new link.
func NewStatus() *Status { return &Status{since: time.Now(), refused: make(map[string]string)} }

// Counter counts one direction. Its methods may be called from any goroutine.
type Counter struct {
	forwarded, dropped atomic.Uint64
	failing            atomic.Bool // the last event or call was dropped
}

// Forward counts an event or call that has crossed.
func (c *Counter) Forward() {
	c.forwarded.Add(1)
	if c.failing.Load() {
		c.failing.Store(false)
	}
}

// Drop counts an event or call that has not crossed. It reports whether it is the first one after a success.
func (c *Counter) Drop() (first bool) {
	c.dropped.Add(1)
	return !c.failing.Swap(true)
}

// Lose counts events that the far side could not keep.
func (c *Counter) Lose(n uint64) { c.dropped.Add(n) }

// Forwarded returns how many have crossed.
func (c *Counter) Forwarded() uint64 { return c.forwarded.Load() }

func (c *Counter) snapshot() Flow {
	return Flow{Forwarded: c.forwarded.Load(), Dropped: c.dropped.Load()}
}

// Joined records a session at the far side.
func (s *Status) Joined(url string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.up, s.since, s.url = true, time.Now(), url
	if s.clashEnd.IsZero() {
		s.clash = ""
	}
	s.sessions++
}

// Ended records the end of a session, or a failed attempt. err may be nil.
func (s *Status) Ended(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.lastError, s.erredAt = err.Error(), time.Now()
	}
	if s.up {
		s.up, s.since, s.url = false, time.Now(), ""
	}
}

// Clashes records that another router has the identity of this link. The record is valid for a while; 0: until the
// link joins the far side. Clashes reports whether the clash is new.
func (s *Status) Clashes(text string, lasts time.Duration) (news bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	news = s.clashes() == ""
	s.clash, s.clashEnd = text, time.Time{}
	if lasts > 0 {
		s.clashEnd = time.Now().Add(lasts)
	}
	return news
}

// clashes returns the current clash. The caller holds mu.
func (s *Status) clashes() string {
	if !s.clashEnd.IsZero() && time.Now().After(s.clashEnd) {
		return ""
	}
	return s.clash
}

// SetRuleResult records the answer of a router to a rule; a nil err means accepted. It reports whether the answer has
// changed.
func (s *Status) SetRuleResult(rule string, err error) (news bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before, refused := s.refused[rule]
	if err == nil {
		delete(s.refused, rule)
		return refused
	}
	s.refused[rule] = err.Error()
	return before != err.Error()
}

// Snapshot returns the State, without the fields that only the link knows.
func (s *Status) Snapshot() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	state := State{
		Up: s.up, Since: s.since, URL: s.url, LastError: s.lastError, LastErrorAt: s.erredAt, Clash: s.clashes(),
		Reconnects: max(s.sessions, 1) - 1, Looped: s.Looped.Load(),
		EventsUp: s.EventsUp.snapshot(), EventsDown: s.EventsDown.snapshot(),
		CallsUp: s.CallsUp.snapshot(), CallsDown: s.CallsDown.snapshot(),
	}
	for rule, reason := range s.refused {
		state.Refused = append(state.Refused, rule+": "+reason)
	}
	slices.Sort(state.Refused)
	return state
}
