package spool

import (
	"math"
	"time"
)

// An event expires when the limit that its publisher has set ends (wamp.KeyTTL). Next returns expired events as well: the
// drain checks the limit when it sends an event, and calls Expire if the limit has passed.
//
// The limit is measured by the spool's own clock. For an event of an earlier run, the time of day decides as well, because the
// router may have been off for hours. If the time of day is before the event was put in, that time is unknown and the event
// expires.

const (
	maxLimit  = math.MaxInt64 / int64(time.Millisecond) // ms
	clockSlew = time.Minute / time.Millisecond          // by how much the time of day may have been set back meanwhile
)

// Left returns the remaining time of the event, for the far side. over reports that the event has expired. Without a
// limit, the results are 0 and false.
func (e *Event) Left() (left time.Duration, over bool) {
	if e.Expires.IsZero() {
		return 0, false
	}
	left = time.Until(e.Expires)
	return left, left <= 0
}

// limited returns the bit that an expiry adds to the kind of a record.
func (e *Event) limited() recordKind {
	if e.limit > 0 {
		return limited
	}
	return 0
}

// expiry returns when an event expires that was put in at a time by the spool's clock.
func (s *Spool) expiry(e *Event, at int64) (t time.Time) {
	if e.limit == 0 {
		return t
	}
	left := e.limit - (s.clock.now() - at)
	if e.Epoch != s.epoch {
		byDay := e.until - time.Now().UnixMilli()
		if byDay > e.limit+int64(clockSlew) {
			byDay = 0
		}
		left = min(left, byDay)
	}
	return time.Now().Add(time.Duration(left) * time.Millisecond)
}

// Expire removes an event that Next has returned and whose time has passed. It is counted, and leaves no gap.
func (s *Spool) Expire(sequence uint64) {
	s.mu.Lock()
	if f, ok := s.held.inFlight[sequence]; ok {
		s.expireHeld(f, sequence)
		s.expired++
	} else if s.window.waits(sequence) && s.remove(sequence) {
		s.expired++
	}
	s.unlockAndCall()
	signal(s.more)
}

// expireHeld removes a held event. If the event had to test its topic, the next event does that.
func (s *Spool) expireHeld(f heldFlight, sequence uint64) {
	h, t := &s.held, f.topic
	delete(h.inFlight, sequence)
	if f.attempt == h.attempt {
		t.inFlight--
	}
	if t.state == topicProbing {
		t.state = topicDue
	}
	t.window.remove(sequence)
	s.removeHeld(t, f, sequence, nil)
	if t.events > 0 {
		h.recount(t)
	}
}
