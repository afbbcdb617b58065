package store

import (
	"slices"
	"sync/atomic"
	"time"
)

// Histories are the histories of a realm. Any goroutine may read them; one at a time may change them. The zero value is empty.
type Histories struct {
	list atomic.Pointer[[]*History]
}

// All returns the histories. The list is immutable.
func (s *Histories) All() []*History {
	if list := s.list.Load(); list != nil {
		return *list
	}
	return nil
}

// Set replaces the list.
func (s *Histories) Set(list []*History) { s.list.Store(&list) }

// Add adds a history.
func (s *Histories) Add(h *History) { s.Set(append(slices.Clip(s.All()), h)) }

// Restore adds an event that the log of durable events has at a position to the histories that it matches. end is when its
// publisher's limit passes; zero: never.
func (s *Histories) Restore(e *Event, at, end time.Time, position uint64) {
	var past *PastEvent
	for _, h := range s.All() {
		if !h.Match.Matches(h.URI, string(e.Topic)) || e.Filter.BySession() {
			continue
		}
		if past == nil {
			past = RestorePast(e, at, end)
		}
		h.Restore(past, position)
	}
}

// Needed returns the first position of an event that a history needs and only that log has; 0 if there is none.
func (s *Histories) Needed() (first uint64) {
	for _, h := range s.All() {
		if n := h.Needed(); n != 0 && (first == 0 || n < first) {
			first = n
		}
	}
	return first
}

// Last returns the last position in that log that a history knows.
func (s *Histories) Last() (last uint64) {
	for _, h := range s.All() {
		last = max(last, h.Last())
	}
	return last
}

// Release makes the archives take over the events at these positions of that log. It reports whether there are any.
func (s *Histories) Release(first, last uint64) (any bool) {
	for _, h := range s.All() {
		any = h.Release(first, last) || any
	}
	return any
}
