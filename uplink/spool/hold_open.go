package spool

import (
	"path/filepath"
	"slices"

	"runnel/edge/journal"
)

// recoverHeld reads the log of held events.
func (s *Spool) recoverHeld(r *recovery) error {
	h := &s.held
	marks, err := s.recoverMarks(r)
	if err != nil {
		return err
	}
	for _, info := range h.log.Segments() {
		seg := newHeldSegment(info.Number)
		seg.octets, seg.sealed = info.Octets, info.Sealed
		h.log.Each(info.Number, info.Octets, func(data []byte) {
			rec, ok := decode(data, "")
			switch {
			case ok && rec.kind == goneRecord:
				seg.marks[rec.Topic] = rec.Sequence
			case ok && rec.kind == heldRecord:
				s.adoptHeld(seg, &rec, marks)
			}
		})
		if seg.records > 0 || len(seg.marks) > 0 || info.Sealed {
			h.segments = append(h.segments, seg)
		}
	}
	h.was = marks
	for t := h.front; t != nil; t = t.next {
		h.was[t.name] = t.last
	}
	s.retireHeld()
	if h.events > 0 {
		s.log.Warn("topics are held from an earlier run", "topics", len(h.topics), "events", h.events, "size", h.octets)
	}
	return nil
}

// recoverMarks opens the log, and returns up to which number the events of topics are gone.
func (s *Spool) recoverMarks(r *recovery) (marks map[string]uint64, err error) {
	h := &s.held
	dir := filepath.Join(s.opts.Dir, "held")
	marks = make(map[string]uint64)
	var found journal.Found
	h.log, found, err = journal.OpenOn(s.opts.disk, dir, s.lanes[Disk].limit, func(_ uint64, data []byte) {
		rec, ok := decode(data, "")
		if !ok || rec.kind != heldRecord && rec.kind != goneRecord {
			r.unread++
			return
		}
		r.note(&rec)
		if rec.kind == goneRecord {
			marks[rec.Topic] = max(marks[rec.Topic], rec.Sequence)
		}
	})
	if err == nil {
		s.tellOf(dir, found, r)
	}
	return marks, err
}

// adoptHeld counts a held event that is left from an earlier run.
func (s *Spool) adoptHeld(seg *heldSegment, rec *record, marks map[string]uint64) {
	h := &s.held
	seg.record(rec.Sequence, rec.at)
	t := h.topics[rec.Topic]
	if rec.Sequence <= marks[rec.Topic] || t != nil && rec.Sequence <= t.last {
		return // gone, or written twice after a failure
	}
	if t == nil {
		h.lines.n = linesMost // one line tells of all
		t = s.holdTopic(rec.Topic, rec.reason, 0)
		t.since, t.state, t.handed = rec.Time, due, rec.Sequence-1
	}
	t.last = rec.Sequence
	octets := octetsOf(&rec.Event)
	seg.add(t, octets)
	t.events++
	t.octets += octets
	h.events++
	h.octets += octets
	s.depth++
	s.octets += octets
	h.review(t)
	h.lines = lines{}
}

// loadHeld reads a segment back.
func (s *Spool) loadHeld(seg heldSegment) {
	p := heldPiece{number: seg.number, octets: seg.octets, events: make([]kept, 0, seg.records)}
	arena := make([]byte, 0, seg.octets)
	topic := ""
	err := s.held.log.Each(seg.number, seg.octets, func(data []byte) {
		from := len(arena)
		arena = append(arena, data...)
		if r, ok := decode(arena[from:], topic); ok && r.kind == heldRecord {
			topic = r.Topic
			p.events = append(p.events, kept{r.Event, octetsOf(&r.Event), r.at})
		}
	})
	s.held.piece = p
	if len(p.events) < seg.records {
		s.heldUnreadable(seg.number, err)
	}
}

// heldUnreadable notes that held events can't be read any more.
func (s *Spool) heldUnreadable(number uint64, err error) {
	s.mu.Lock()
	defer s.unlockAndTell()
	h := &s.held
	i := slices.IndexFunc(h.segments, func(seg *heldSegment) bool { return seg.number == number })
	if i < 0 {
		return // dropped meanwhile
	}
	seg := h.segments[i]
	seg.records = len(h.piece.events)
	there := make(map[*heldTopic]tally)
	for j := range h.piece.events {
		e := &h.piece.events[j]
		if t := h.topics[e.Topic]; t != nil && (e.Sequence > t.handed || t.window.has(e.Sequence)) {
			n := there[t]
			there[t] = tally{n.events + 1, n.octets + e.octets}
		}
	}
	m := lost{reason: ByDamage, first: seg.first, last: seg.last, held: true}
	for t, n := range seg.tallies {
		if missing := n.events - there[t].events; missing > 0 {
			m.count += missing
			m.octets += n.octets - there[t].octets
			s.subtractHeld(seg, t, missing, n.octets-there[t].octets)
		}
	}
	s.log.Error("held events can't be read back from disk, and are lost", "events", m.count, "err", err)
	if m.count > 0 {
		s.missing(m)
	}
	s.retireHeld()
}
