package spool

import (
	"iter"
	"time"
)

// loss describes events that were dropped at one time.
type loss struct {
	reason      Reason
	first, last uint64 // sequence numbers
	count       int
	octets      int64
	refused     bool // the events were refused, so the gap follows all others
	held        bool // the events were held
}

// gapKey distinguishes gaps that are extended separately.
type gapKey struct {
	reason  Reason
	refused bool
	held    bool
}

// recordLoss counts dropped events and leaves a gap for them. Successive losses of a kind extend one gap, which moves to
// the position of its last event, until Next has returned it. For refused events, the gap also ends with the next event
// that is accepted.
func (s *Spool) recordLoss(m loss) {
	s.drops.Events += uint64(m.count)
	s.drops.Octets += uint64(m.octets)
	s.newGaps = true
	signal(s.wake)
	key := gapKey{m.reason, m.refused, m.held}
	if e := s.openGaps[key]; e != nil && !e.gone && e.Sequence > s.returned && (!m.refused || e.Gap.Last == m.first-1) {
		s.extend(e, m)
		return
	}
	now := time.Now()
	e := &entry{octets: cost, at: s.clock.now(), Event: Event{
		Epoch: s.epoch, Sequence: m.last, Time: now,
		Gap: &Gap{Reason: m.reason, First: m.first, Last: m.last, Count: uint64(m.count), Octets: uint64(m.octets), Since: now},
	}}
	if !m.movable() {
		s.last++
		e.Sequence = s.last
	}
	s.drops.Runs++
	s.openGaps[key] = e
	s.log.Warn("dropping events", "reason", string(m.reason), "first", m.first)
	s.lanes[Memory].insert(e)
	s.count(e)
}

// movable reports whether the gap takes the number of its last event. If Next may have returned that event already,
// the gap gets a new number and follows all others.
func (m *loss) movable() bool { return !m.held && m.reason != ByDamage && m.reason != ByOperator }

// extend adds a loss to a gap, and moves the gap after its last event.
func (s *Spool) extend(e *entry, m loss) {
	g := e.Gap
	g.First, g.Last = min(g.First, m.first), max(g.Last, m.last)
	g.Count += uint64(m.count)
	g.Octets += uint64(m.octets)
	if !m.movable() || g.Last == e.Sequence {
		return
	}
	s.lanes[Memory].renumber(e, g.Last)
}

// saveGaps rewrites the log of gaps. There are few, and those that have grown must be stored only once.
func (s *Spool) saveGaps() error {
	if s.gaps == nil {
		return nil
	}
	s.mu.Lock()
	if !s.newGaps {
		s.mu.Unlock()
		return nil
	}
	s.newGaps = false
	var records [][]byte
	acked := s.ackedTo()
	for e := s.lanes[Memory].front; e != nil; e = e.next {
		if e.Gap != nil {
			records = append(records, appendGap(nil, e, acked))
		}
	}
	s.mu.Unlock()
	err := s.writable()
	if err == nil {
		err = s.gaps.Rewrite(all(records))
	}
	if err != nil {
		s.mu.Lock()
		s.newGaps = true
		s.mu.Unlock()
	}
	return err
}

func all(records [][]byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for _, r := range records {
			if !yield(r) {
				return
			}
		}
	}
}
