package durable

import (
	"cmp"
	"slices"
	"time"
)

// maintain drops events beyond the bounds, removes segments that are no longer needed, and retries a failed write.
func (s *Store) maintain() {
	s.due = false
	s.retry()
	if s.rewrite {
		s.saveCursors()
	}
	s.mu.Lock()
	subs := slices.Clone(s.subs)
	s.mu.Unlock()
	again := time.Duration(0)
	for _, d := range subs {
		d.keepBounds()
		s.mu.Lock()
		if d.MaxAge > 0 && d.events > 0 {
			again = ageInterval
		}
		s.mu.Unlock()
	}
	for s.overLimit() {
		if !s.dropSegment(subs) {
			break
		}
	}
	s.removeFinished()
	s.mu.Lock()
	if s.broken != nil {
		again = retryInterval
	}
	s.mu.Unlock()
	if again > 0 && !s.due {
		s.timer.Reset(again)
	}
}

// retry repeats a failed write when it is due.
func (s *Store) retry() {
	s.mu.Lock()
	due := s.broken != nil && !time.Now().Before(s.retryAt)
	s.mu.Unlock()
	if due {
		s.write()
	}
}

// overLimit reports whether the log is too large, and has a segment that may be removed.
func (s *Store) overLimit() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.segments) > 1 && s.octets() > s.Limit
}

// dropSegment removes the oldest segment, even if subscriptions still need it. It returns false if it cannot.
func (s *Store) dropSegment(subs []*Subscription) bool {
	s.mu.Lock()
	oldest := s.segments[0]
	s.mu.Unlock()
	for _, d := range subs {
		for d.drop(excess{through: oldest.last, reason: "size"}) {
		}
		s.mu.Lock()
		if d.floor < oldest.last {
			d.setFloor(oldest.last, place{oldest.number, oldest.octets})
			if d.read < d.floor {
				d.setRead(d.floor, d.floorAt)
			}
			d.version++
		}
		s.mu.Unlock()
	}
	return s.removeSegment(oldest, true)
}

// removeFinished removes the segments that no subscription needs. Segments that only histories need stay as long as
// they take less than half of the log's limit.
func (s *Store) removeFinished() {
	for {
		s.mu.Lock()
		var oldest segment
		if len(s.segments) > 1 {
			oldest = s.segments[0]
		}
		for _, d := range s.subs {
			if d.floor < oldest.last {
				oldest.number = 0
			}
		}
		crowded := s.octets() > s.Limit/2
		s.mu.Unlock()
		if oldest.number == 0 || !crowded && s.needed(oldest) || !s.removeSegment(oldest, false) {
			return
		}
	}
}

// needed reports whether a history needs events of the segment.
func (s *Store) needed(g segment) bool {
	if s.Needed == nil {
		return false
	}
	first := s.Needed()
	return first != 0 && first <= g.last
}

// removeSegment removes the oldest segment. If the histories have not taken over the events that they need, the
// segment stays, unless it must go.
func (s *Store) removeSegment(oldest segment, must bool) bool {
	number := oldest.number
	if s.Release != nil && !s.Release(0, oldest.last, false) && (!must || s.closed) {
		return false
	}
	for _, g := range s.journal.Segments() { // those before it have no readable record
		if g.Number > number {
			break
		}
		if err := s.journal.Remove(g.Number); err != nil {
			s.Report(err)
			return false
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.segments = slices.DeleteFunc(s.segments, func(g segment) bool { return g.number <= number })
	return true
}

// excess selects the events to drop: the oldest ones, until all of its conditions are met.
type excess struct {
	events  int
	octets  int64
	before  int64  // drop older events; ms since 1970
	through uint64 // drop events up to this position
	reason  string
}

// keepBounds drops the events beyond the subscription's bounds.
func (d *Subscription) keepBounds() {
	for {
		d.store.mu.Lock()
		x := excess{reason: "size", octets: d.octets - d.MaxSize}
		if d.MaxEvents > 0 && d.events > d.MaxEvents {
			x.events, x.reason = d.events-d.MaxEvents, "count"
		}
		if limit := time.Now().Add(-d.MaxAge).UnixMilli(); d.MaxAge > 0 && d.events > 0 && d.oldest < limit {
			x.before, x.reason = limit, "age"
		}
		d.store.mu.Unlock()
		if x.events <= 0 && x.octets <= 0 && x.before == 0 || !d.drop(x) {
			return
		}
	}
}

// dropped is an event to drop.
type dropped struct {
	position uint64
	size     int64
	next     place
}

const maxDrop = 4096 // events in one call of drop

// drop drops at most maxDrop events. It returns false once no events are left to drop.
func (d *Subscription) drop(x excess) bool {
	s := d.store
	s.mu.Lock()
	floor, from, version := d.floor, d.floorAt, d.version
	s.mu.Unlock()
	var list []dropped
	var oldest int64 // of those that stay
	err := s.scan(from, new(unpacker), func(h *head, _, next place) bool {
		if h.position <= floor || !d.matches(h) {
			return true
		}
		if x.events <= 0 && x.octets <= 0 && h.at >= x.before && h.position > x.through {
			oldest = h.at
			return false
		}
		if len(list) == maxDrop {
			return false
		}
		list = append(list, dropped{h.position, h.size, next})
		x.events--
		x.octets -= h.size
		return true
	})
	if err != nil {
		s.Report(err)
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if d.oldest = max(d.oldest, oldest); len(list) == 0 {
		return false
	}
	if d.version == version {
		d.cut(list, x.reason)
	}
	return true
}

// cut drops events, and records the gap. The caller holds mu.
func (d *Subscription) cut(list []dropped, reason string) {
	first, events := uint64(0), 0
	for _, x := range list {
		if x.position <= d.floor {
			continue // acknowledged in the meantime
		}
		e, i := d.find(x.position)
		if e == nil || !e.done {
			first = cmp.Or(first, x.position)
			events++
			d.shrinkBacklog(1, x.size)
		}
		if e != nil {
			e.done = true
			e.release()
			delete(d.byID, e.id)
			d.flight = slices.Delete(d.flight, i, i+1)
		}
	}
	last := list[len(list)-1]
	if last.position <= d.floor {
		return
	}
	d.setFloor(last.position, last.next)
	if d.read < d.floor {
		d.setRead(d.floor, d.floorAt)
	}
	d.version++
	d.advance()
	wake(d.wake)
	if events == 0 {
		return
	}
	d.dropped += uint64(events)
	d.addGap(&gap{First: first, Last: last.position, Events: uint64(events), Reason: reason})
	if d.store.loud() {
		d.store.Log.Warn("durable subscription has reached a bound; dropping its oldest events", "subscription", d.Name,
			"reason", reason, "events", events, "total", d.dropped)
	}
}
