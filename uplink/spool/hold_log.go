package spool

import (
	"errors"
	"fmt"
	"iter"
	"slices"
)

// The log of held events contains events and marks. A mark states that the events of a topic up to a number were
// removed. It must be kept as long as there is an older segment.

// heldSegment describes one file of held events.
type heldSegment struct {
	number         uint64
	octets         int64 // bytes of the file
	sealed         bool  // found damaged; not appended to
	records        int   // number of event records
	live           int   // events that are still held
	liveOctets     int64 // bytes of these events
	first, last    uint64
	oldest, newest int64 // by the spool's clock
	tallies        map[*heldTopic]tally
	marks          map[string]uint64
}

// tally counts the events of one topic in a segment.
type tally struct {
	events int
	octets int64
}

// deletion is a segment to be deleted after the given number of commits.
type deletion struct{ number, commits uint64 }

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

// record counts the record of an event.
func (g *heldSegment) record(sequence uint64, at int64) {
	if g.records++; g.records == 1 {
		g.first, g.last, g.oldest = sequence, sequence, at
	}
	g.first, g.last, g.newest = min(g.first, sequence), max(g.last, sequence), at
}

// mark schedules a mark for a topic: its events up to some number were removed.
func (s *Spool) mark(t *heldTopic) {
	h := &s.held
	gone := t.returned
	if first, ok := t.window.first(); ok {
		gone = first - 1
	}
	if len(h.segments) == 0 && !h.busy {
		return // the log has no events
	}
	if len(h.marks) == 0 {
		h.marksAt = s.clock.now()
		signal(s.wake)
	}
	h.marks[t.name] = gone
}

// heldQueue describes the held events and marks that are not written.
func (s *Spool) heldQueue() queue {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := &s.held
	if h.log == nil || len(h.tail)+len(h.marks) == 0 {
		return queue{}
	}
	q := queue{some: true, at: h.marksAt + s.opts.SpillAfter.Milliseconds(), answerBy: never, urgent: s.urgent()}
	if len(h.tail) > 0 {
		q.at = h.dueAt
	}
	if h.callbacks > 0 {
		q.answerBy = q.at
	}
	return q
}

// heldBatch is the content of one write to the log.
type heldBatch struct {
	events []*heldEvent
	marks  map[string]uint64
	number uint64 // of the segment
	octets int64  // size of the segment including the batch
	failed bool
}

// commitHeld writes and syncs the held events and marks that are not written.
func (s *Spool) commitHeld() error {
	s.mu.Lock()
	h := &s.held
	h.busy = true
	if number, _ := h.log.Newest(); slices.ContainsFunc(h.toDelete, func(d deletion) bool { return d.number == number }) {
		h.log.Seal() // nothing may be added to a segment that is about to be deleted
	}
	acked, until := s.ackedTo(), h.tailBase+len(h.tail)
	s.mu.Unlock()
	var done []heldBatch
	err := s.writable()
	for err == nil {
		b := s.gatherHeld(until)
		if len(b.events)+len(b.marks) == 0 {
			break
		}
		if _, err = h.log.Append(s.heldRecords(b, acked)); err == nil {
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

// gatherHeld takes as many events and marks as fit into one write, which then goes to one segment. Marks follow the last events.
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
		if octets += in.octets + int64(len(in.reason)); len(b.events) > 0 && octets > commitOctets {
			return b
		}
		in.writing = true
		b.events = append(b.events, in)
	}
	b.marks = make(map[string]uint64) // after the events that they refer to
	for topic, gone := range h.marks {
		if octets += int64(len(topic)) + cost; len(b.events)+len(b.marks) > 0 && octets > commitOctets {
			break
		}
		b.marks[topic] = gone
		delete(h.marks, topic)
	}
	return b
}

func (s *Spool) heldRecords(b heldBatch, acked uint64) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for _, in := range b.events {
			s.writer.scratch = appendHeld(s.writer.scratch[:0], in, acked)
			if !yield(s.writer.scratch) {
				return
			}
		}
		for topic, gone := range b.marks {
			s.writer.scratch = appendGone(s.writer.scratch[:0], topic, s.epoch, gone, acked, s.clock.now())
			if !yield(s.writer.scratch) {
				return
			}
		}
		if cap(s.writer.scratch) > 2*commitOctets {
			s.writer.scratch = nil // do not keep the memory of a long record
		}
	}
}

// heldCommitted updates the held events after a commit.
func (s *Spool) heldCommitted(done []heldBatch, err error) {
	s.mu.Lock()
	defer s.unlockAndCall()
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
		s.heldWritten(b)
	}
	if err != nil {
		for _, in := range h.tail {
			s.resolveHeld(in, fmt.Errorf("store event: %w", err))
		}
		h.marksAt = s.clock.now()
	} else {
		h.commits++
	}
	h.trimTail()
	if len(h.tail) > 0 {
		h.dueAt = s.clock.now() // they were added during the commit
	}
	s.retireHeld()
	s.boundHeldFiles()
	s.signalRoom()
	signal(s.more) // there is room to move further events
}

// heldWritten records that a batch was written to a segment.
func (s *Spool) heldWritten(b heldBatch) {
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
			in.topic.skippedIn = h.pass.number
		}
		seg.add(in.topic, in.octets)
		in.gone, in.segment = true, seg
		s.inMemory -= in.octets
		s.memoryOnly -= in.octets
		s.resolveHeld(in, nil)
		if in.copied {
			in.copied = false
			s.remove(in.Sequence)
			s.depth++
			s.octets += in.octets
		}
	}
	for topic, gone := range b.marks {
		seg.marks[topic] = gone
	}
}

func (s *Spool) resolveHeld(in *heldEvent, err error) {
	if in.stored != nil {
		s.callbacks = append(s.callbacks, callback{in.stored, err})
		in.stored = nil
		s.held.callbacks--
	}
}

// trimTail removes written and removed events from the front of the tail.
func (h *held) trimTail() {
	n := 0
	for n < len(h.tail) && h.tail[n].gone && !h.tail[n].writing {
		n++
	}
	clear(h.tail[:n])
	h.tail = h.tail[n:]
	h.tailBase += n
}

// retireHeld schedules segments without held events for deletion. Marks in them that are still needed are written again
// first. The newest segment stays as long as there is an older one: it is where such marks are written to.
func (s *Spool) retireHeld() {
	h := &s.held
	for i := 0; i < len(h.segments); {
		seg := h.segments[i]
		newest := i == len(h.segments)-1 && !seg.sealed
		if seg.live > 0 || newest && (h.busy || i > 0) {
			i++
			continue
		}
		for topic, gone := range seg.marks {
			if i > 0 && h.marks[topic] < gone {
				h.marks[topic] = gone
			}
		}
		h.segments = slices.Delete(h.segments, i, i+1)
		h.toDelete = append(h.toDelete, deletion{seg.number, h.commits})
		signal(s.wake)
	}
	if len(h.segments) == 0 && !h.busy {
		clear(h.marks) // the log has no events
	}
}

// trimHeld deletes the files of segments scheduled for deletion.
func (s *Spool) trimHeld() error {
	h := &s.held
	for {
		s.mu.Lock()
		if len(h.toDelete) == 0 || len(h.segments) > 0 && len(h.marks) > 0 && h.toDelete[0].commits >= h.commits {
			s.mu.Unlock()
			return nil
		}
		number := h.toDelete[0].number
		s.mu.Unlock()
		if err := h.log.Remove(number); err != nil {
			return err
		}
		s.mu.Lock()
		h.toDelete = slices.DeleteFunc(h.toDelete, func(d deletion) bool { return d.number == number })
		s.mu.Unlock()
	}
}

// boundHeldFiles drops the oldest segments if the files are too large in total. A few events may keep many files alive.
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

// subtractHeld removes events from the totals if their numbers are unknown.
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
		s.unholdTopic(t)
	} else {
		h.recount(t)
	}
}

// oldest returns the time of the oldest held event.
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
