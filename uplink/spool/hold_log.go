package spool

import (
	"errors"
	"fmt"
	"iter"
	"slices"
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
	err = errors.Join(err, h.log.Sync())
	for i := range done {
		done[i].failed = done[i].failed || !h.log.Holds(done[i].number, done[i].octets)
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

// oldest returns since when the oldest held event waits.
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
