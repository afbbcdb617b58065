package spool

import (
	"path/filepath"
	"slices"
	"time"

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
	h.movedTo = marks
	for t := h.front; t != nil; t = t.next {
		h.movedTo[t.name] = t.last
	}
	s.retireHeld()
	if h.events > 0 {
		s.log.Warn("held topics of an earlier run restored", "topics", len(h.topics), "events", h.events, "bytes", h.octets)
	}
	return nil
}

// recoverMarks opens the log. It returns the marks: by topic, the number up to which its events were removed.
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
		s.logFound(dir, found, r)
	}
	return marks, err
}

// adoptHeld counts a held event left from an earlier run.
func (s *Spool) adoptHeld(seg *heldSegment, rec *record, marks map[string]uint64) {
	h := &s.held
	seg.record(rec.Sequence, rec.at)
	t := h.topics[rec.Topic]
	if rec.Sequence <= marks[rec.Topic] || t != nil && rec.Sequence <= t.last {
		return // gone, or written twice after a failed write
	}
	if t == nil {
		h.logLimit = logLimit{since: time.Now(), n: linesMost} // one line covers all topics
		t = s.holdTopic(rec.Topic, rec.reason, 0)
		t.since, t.state, t.returned = rec.Time, topicDue, rec.Sequence-1
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
	h.recount(t)
	h.logLimit = logLimit{}
}

// loadHeld reads a segment into the cache.
func (s *Spool) loadHeld(seg heldSegment) {
	p := heldCache{number: seg.number, octets: seg.octets, events: make([]item, 0, seg.records)}
	arena := make([]byte, 0, seg.octets)
	topic := ""
	err := s.held.log.Each(seg.number, seg.octets, func(data []byte) {
		from := len(arena)
		arena = append(arena, data...)
		if r, ok := decode(arena[from:], topic); ok && r.kind == heldRecord {
			topic = r.Topic
			p.events = append(p.events, item{r.Event, octetsOf(&r.Event), r.at})
		}
	})
	s.held.cache = p
	if len(p.events) < seg.records {
		s.noteHeldUnreadable(&seg, err)
	}
}

// noteHeldUnreadable handles held events that can no longer be read. loaded is the segment as it was when it was read.
func (s *Spool) noteHeldUnreadable(loaded *heldSegment, err error) {
	s.mu.Lock()
	defer s.unlockAndCall()
	h := &s.held
	i := slices.IndexFunc(h.segments, func(seg *heldSegment) bool { return seg.number == loaded.number })
	if i < 0 || h.segments[i].octets != loaded.octets {
		return // dropped in the meantime, or appended to and loaded again
	}
	seg := h.segments[i]
	seg.records = len(h.cache.events)
	there := make(map[*heldTopic]tally)
	for j := range h.cache.events {
		e := &h.cache.events[j]
		if t := h.topics[e.Topic]; t != nil && (e.Sequence > t.returned || t.window.has(e.Sequence)) {
			n := there[t]
			there[t] = tally{n.events + 1, n.octets + e.octets}
		}
	}
	h.forgetUnreadable(seg)
	if h.pass.segment == seg.number {
		h.pass.record = 0 // the records have other places now; those already sent are not sent again
	}
	m := loss{reason: ByDamage, first: seg.first, last: seg.last, held: true}
	for t, n := range seg.tallies {
		if missing := n.events - there[t].events; missing > 0 {
			m.count += missing
			m.octets += n.octets - there[t].octets
			s.subtractHeld(seg, t, missing, n.octets-there[t].octets)
		}
	}
	s.log.Error("held events are unreadable on disk and lost", "events", m.count, "err", err)
	if m.count > 0 {
		s.recordLoss(m)
	}
	s.retireHeld()
}

// forgetUnreadable removes the events of a loaded segment that are in flight but can no longer be read. Their answers
// are ignored.
func (h *held) forgetUnreadable(seg *heldSegment) {
	for sequence, f := range h.inFlight {
		readable := slices.ContainsFunc(h.cache.events, func(e item) bool { return e.Sequence == sequence })
		if f.isIn(seg) && !readable {
			h.forgetFlight(sequence)
			f.topic.window.remove(sequence)
		}
	}
}
