package spool

import (
	"iter"
	"time"
)

// lost is a run of events that were dropped, or a part of one.
type lost struct {
	reason      Reason
	first, last uint64 // sequence numbers
	count       int
	octets      int64
	atEnd       bool // it was refused, and stands behind all others
	held        bool // the far side had rejected it
}

// run tells runs of drops apart.
type run struct {
	reason Reason
	atEnd  bool
	held   bool
}

// missing notes that events were dropped. A run of them leaves one gap: it stands where the last of them stood, grows with
// the run, and is closed when Next returns it. Of what was refused, a run ends with the next event that is taken in.
func (s *Spool) missing(m lost) {
	s.drops.Events += uint64(m.count)
	s.drops.Octets += uint64(m.octets)
	s.newGaps = true
	signal(s.wake)
	key := run{m.reason, m.atEnd, m.held}
	if e := s.runs[key]; e != nil && !e.gone && e.Sequence > s.handed && (!m.atEnd || e.Gap.Last == m.first-1) {
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
	s.runs[key] = e
	s.log.Warn("dropping events", "because", string(m.reason), "first", m.first)
	s.lanes[Memory].insert(e)
	s.count(e)
}

// movable reports whether the gap has the number of the last event that it stands for. Where that event may have been
// returned by Next already, the gap has a number of its own, and comes behind all others.
func (m *lost) movable() bool { return !m.held && m.reason != ByDamage && m.reason != ByOperator }

// extend lets a gap grow, and moves it behind the last event that it stands for.
func (s *Spool) extend(e *entry, m lost) {
	g := e.Gap
	g.First, g.Last = min(g.First, m.first), max(g.Last, m.last)
	g.Count += uint64(m.count)
	g.Octets += uint64(m.octets)
	if !m.movable() || g.Last == e.Sequence {
		return
	}
	l := s.lanes[Memory]
	l.unlink(e)
	e.Sequence, e.gone, e.prev, e.next = g.Last, false, nil, nil
	l.insert(e)
}

// saveGaps writes the gaps, which are few, all of them: those that have grown are to be on disk once.
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
	settled := s.settledTo()
	for e := s.lanes[Memory].front; e != nil; e = e.next {
		if e.Gap != nil {
			records = append(records, appendGap(nil, e, settled))
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
