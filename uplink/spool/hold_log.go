package spool

import (
	"errors"
	"fmt"
	"iter"
	"path/filepath"
	"slices"

	"runnel/edge/journal"
)

// The log of held events has records of two kinds: events, and marks, which say that a topic's events up to a number are
// gone. A mark must stay as long as there is a segment before it.

// heldSegment is what is to be known of one file of held events.
type heldSegment struct {
	number         uint64
	octets         int64 // of the file
	sealed         bool  // it was found damaged, and is not appended to
	records        int   // of events
	live           int   // events that are still held
	liveOctets     int64 // of these
	first, last    uint64
	oldest, newest int64 // by the spool's clock
	tallies        map[*heldTopic]tally
	marks          map[string]uint64
}

// tally is what a segment has of one topic.
type tally struct {
	events int
	octets int64
}

// doomed is a segment to be deleted, after so many commits.
type doomed struct{ number, commits uint64 }

func newHeldSegment(number uint64) *heldSegment {
	return &heldSegment{number: number, tallies: make(map[*heldTopic]tally), marks: make(map[string]uint64)}
}

func (g *heldSegment) add(t *heldTopic, octets int64) {
	g.live++
	g.liveOctets += octets
	n := g.tallies[t]
	g.tallies[t] = tally{n.events + 1, n.octets + octets}
}

func (g *heldSegment) subtract(t *heldTopic, events int, octets int64) {
	g.live -= events
	g.liveOctets -= octets
	n := g.tallies[t]
	if n = (tally{n.events - events, n.octets - octets}); n.events > 0 {
		g.tallies[t] = n
	} else {
		delete(g.tallies, t)
	}
}

// record notes an event's record.
func (g *heldSegment) record(sequence uint64, at int64) {
	if g.records++; g.records == 1 {
		g.first, g.last, g.oldest = sequence, sequence, at
	}
	g.first, g.last, g.newest = min(g.first, sequence), max(g.last, sequence), at
}

// mark has it written down up to which number a topic's events are gone.
func (s *Spool) mark(t *heldTopic) {
	h := &s.held
	gone := t.handed
	if first, ok := t.window.first(); ok {
		gone = first - 1
	}
	if len(h.segments) == 0 && !h.busy {
		return // there is nothing that it would be about
	}
	if len(h.marks) == 0 {
		h.marksAt = s.clock.now()
		signal(s.wake)
	}
	h.marks[t.name] = gone
}

// heldDueAt returns when the held events are to be written.
func (s *Spool) heldDueAt() (at int64, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := &s.held
	if h.log == nil || len(h.tail)+len(h.marks) == 0 {
		return 0, false
	}
	at = h.marksAt + s.opts.SpillAfter.Milliseconds()
	if len(h.tail) > 0 {
		at = h.dueAt
	}
	if s.pinned > s.opts.MaxMemory/2 {
		at = 0
	}
	if s.alarm != nil && h.waiting == 0 {
		at = max(at, s.writer.retryAt)
	}
	return at, true
}

// heldBatch is what one write puts into the log.
type heldBatch struct {
	events []*heldEvent
	marks  map[string]uint64
	number uint64 // of the segment
	octets int64  // of the segment, with it
	failed bool
}

// commitHeld writes what waits to the log of held events and syncs it.
func (s *Spool) commitHeld() error {
	s.mu.Lock()
	h := &s.held
	h.busy = true
	settled, until := s.settledTo(), h.tailBase+len(h.tail)
	s.mu.Unlock()
	var done []heldBatch
	err := s.writable()
	for err == nil {
		b := s.gatherHeld(until)
		if len(b.events)+len(b.marks) == 0 {
			break
		}
		if _, err = h.log.Append(s.heldRecords(b, settled)); err == nil {
			b.number, b.octets = h.log.Newest()
		} else {
			b.failed = true
		}
		done = append(done, b)
	}
	if failed := h.log.Sync(); failed != nil {
		h.log.Seal()
		err = errors.Join(err, failed)
		for i := range done {
			done[i].failed = true
		}
	}
	s.heldCommitted(done, err)
	return err
}

// gatherHeld takes what one write can hold.
func (s *Spool) gatherHeld(until int) (b heldBatch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := &s.held
	octets := int64(0)
	for i, in := range h.tail {
		if in.writing || in.gone {
			continue
		}
		if h.tailBase+i >= until {
			break
		}
		if octets += in.octets; len(b.events) > 0 && octets > commitOctets {
			return b
		}
		in.writing = true
		b.events = append(b.events, in)
	}
	b.marks, h.marks = h.marks, make(map[string]uint64) // behind the events that they are about
	return b
}

func (s *Spool) heldRecords(b heldBatch, settled uint64) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for _, in := range b.events {
			s.writer.scratch = appendHeld(s.writer.scratch[:0], in, settled)
			if !yield(s.writer.scratch) {
				return
			}
		}
		for topic, gone := range b.marks {
			s.writer.scratch = appendGone(s.writer.scratch[:0], topic, s.epoch, gone, settled, s.clock.now())
			if !yield(s.writer.scratch) {
				return
			}
		}
		if cap(s.writer.scratch) > 2*commitOctets {
			s.writer.scratch = nil // a long one came
		}
	}
}

// heldCommitted notes what has become of a commit.
func (s *Spool) heldCommitted(done []heldBatch, err error) {
	s.mu.Lock()
	defer s.unlockAndTell()
	h := &s.held
	h.busy = false
	for _, b := range done {
		if b.failed {
			for _, in := range b.events {
				in.writing = false
			}
			for topic, gone := range b.marks {
				h.marks[topic] = max(gone, h.marks[topic])
			}
			continue
		}
		s.heldPlaced(b)
	}
	if err != nil {
		for _, in := range h.tail {
			s.tellHeld(in, fmt.Errorf("store event: %w", err))
		}
		h.marksAt = s.clock.now()
	} else {
		h.commits++
	}
	h.trimTail()
	if len(h.tail) > 0 {
		h.dueAt = s.clock.now() // they came meanwhile
	}
	s.retireHeld()
	s.boundHeldFiles()
	s.freed()
	signal(s.more) // there is room to move others
}

// heldPlaced notes what was written to a segment.
func (s *Spool) heldPlaced(b heldBatch) {
	h := &s.held
	var seg *heldSegment
	if n := len(h.segments); n > 0 && h.segments[n-1].number == b.number {
		seg = h.segments[n-1]
	} else {
		seg = newHeldSegment(b.number)
		h.segments = append(h.segments, seg)
	}
	seg.octets = b.octets
	behind := h.pass.inTail || h.pass.segment > seg.number
	for _, in := range b.events {
		seg.record(in.Sequence, in.at)
		if in.writing = false; in.gone {
			continue
		}
		if behind {
			in.topic.missed = h.pass.number
		}
		seg.add(in.topic, in.octets)
		in.gone, in.segment = true, seg
		s.inMemory -= in.octets
		s.pinned -= in.octets
		s.tellHeld(in, nil)
		if in.copied {
			in.copied = false
			s.settle(in.Sequence)
			s.depth++
			s.octets += in.octets
		}
	}
	for topic, gone := range b.marks {
		seg.marks[topic] = gone
	}
}

func (s *Spool) tellHeld(in *heldEvent, err error) {
	if in.stored != nil {
		s.words = append(s.words, word{in.stored, err})
		in.stored = nil
		s.held.waiting--
	}
}

// trimTail lets go of what was written, or is gone, at the front of the tail.
func (h *held) trimTail() {
	n := 0
	for n < len(h.tail) && h.tail[n].gone && !h.tail[n].writing {
		n++
	}
	h.tail = slices.Delete(h.tail, 0, n)
	h.tailBase += n
}

// retireHeld has segments deleted of which nothing is held any more. Marks that are still needed are written once more
// before.
func (s *Spool) retireHeld() {
	h := &s.held
	for i := 0; i < len(h.segments); {
		seg := h.segments[i]
		if seg.live > 0 || h.busy && i == len(h.segments)-1 {
			i++
			continue
		}
		for topic, gone := range seg.marks {
			if i > 0 && h.marks[topic] < gone {
				h.marks[topic] = gone
			}
		}
		h.segments = slices.Delete(h.segments, i, i+1)
		h.doomed = append(h.doomed, doomed{seg.number, h.commits})
		signal(s.wake)
	}
	if len(h.segments) == 0 && !h.busy {
		clear(h.marks) // there is nothing that they would be about
	}
}

// trimHeld deletes the files of segments of which nothing is held any more.
func (s *Spool) trimHeld() error {
	h := &s.held
	for {
		s.mu.Lock()
		if len(h.doomed) == 0 || len(h.segments) > 0 && len(h.marks) > 0 && h.doomed[0].commits >= h.commits {
			s.mu.Unlock()
			return nil
		}
		number := h.doomed[0].number
		s.mu.Unlock()
		if err := h.log.Remove(number); err != nil {
			return err
		}
		s.mu.Lock()
		h.doomed = slices.DeleteFunc(h.doomed, func(d doomed) bool { return d.number == number })
		s.mu.Unlock()
	}
}

// boundHeldFiles drops what is oldest where the files have become too large, for events that are still held lie scattered
// in them.
func (s *Spool) boundHeldFiles() {
	h, octets := &s.held, int64(0)
	for _, seg := range h.segments {
		octets += seg.octets
	}
	for octets > s.opts.MaxOctets && len(h.segments) > 1 {
		octets -= h.segments[0].octets
		s.dropHeldSegment(h.segments[0], BySize)
	}
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

// subtractHeld takes events of a segment out whose numbers are not known.
func (s *Spool) subtractHeld(seg *heldSegment, t *heldTopic, events int, octets int64) {
	h := &s.held
	seg.subtract(t, events, octets)
	t.events -= events
	t.octets -= octets
	h.events -= events
	h.octets -= octets
	s.depth -= events
	s.octets -= octets
	if t.events == 0 {
		s.mark(t)
		s.unhold(t)
	} else {
		h.review(t)
	}
}

// heldOldest returns since when the oldest held event waits.
func (h *held) oldest() (at int64, ok bool) {
	if len(h.segments) > 0 {
		return h.segments[0].oldest, true
	}
	for _, in := range h.tail {
		if !in.gone {
			return in.at, true
		}
	}
	return 0, false
}

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
