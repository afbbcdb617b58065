package spool

import (
	"bytes"
	"slices"
)

// heldEvent is a held event that is not yet written to the log of held events.
type heldEvent struct {
	item
	topic   *heldTopic
	reason  string       // why the topic is held
	stored  func(error)  // see entry
	copied  bool         // also in its lane, until it is written here
	writing bool         // Run is writing it
	gone    bool         // acknowledged, dropped or written
	segment *heldSegment // where it was written
}

// dropped reports whether the event was acknowledged or dropped before it was written.
func (in *heldEvent) dropped() bool { return in.gone && in.segment == nil }

// mustMove reports whether an event reached by Next belongs to the held events.
func (s *Spool) mustMove(e *item) (t *heldTopic, ok bool) {
	if len(s.held.topics) == 0 || e.Gap != nil {
		return nil, false
	}
	if t = s.held.topics[e.Topic]; t == nil {
		return nil, false
	}
	if e.Sequence > s.returned {
		return t, !t.canPass()
	}
	i := s.window.find(e.Sequence)
	return t, i >= 0 && !s.window.list[i].moved && (s.window.list[i].rejected || s.window.list[i].attempt != s.held.attempt)
}

// passed records that an event of a held topic was sent from its lane, after the held ones.
func (s *Spool) passed(t *heldTopic) {
	if t != nil {
		t.before++
	}
}

// movedEarlier reports whether an event of an earlier run was already moved to the held events. It is in its lane too if
// the router was killed in between.
func (s *Spool) movedEarlier(e *item) bool {
	return len(s.held.movedTo) > 0 && e.Gap == nil && e.Epoch != s.epoch && e.Sequence <= s.held.movedTo[e.Topic]
}

// moveToHeld moves the event found by a cursor to the held events. It returns false if the event must wait for room in
// memory, or for answers to events of its topic that are in flight.
func (s *Spool) moveToHeld(c *cursor, t *heldTopic) bool {
	e := &c.found
	if t.before > 0 || !s.roomToMove(e.octets) {
		return false
	}
	own := c.entry
	if own != nil && own.Sequence == e.Sequence && own.gone {
		return true // dropped to make room
	}
	s.markReturned(e)
	in := &heldEvent{item: *e, topic: t}
	if in.Class == Memory {
		in.Class = Disk
	}
	if own != nil && own.Sequence == e.Sequence && own.state == unwritten {
		in.stored, own.stored = own.stored, nil
		s.remove(e.Sequence)
		s.depth++
		s.octets += e.octets
	} else {
		in.Options, in.Payload.Raw = bytes.Clone(e.Options), bytes.Clone(e.Payload.Raw)
		in.copied = true
		s.window.list[s.window.find(e.Sequence)].moved = true
	}
	s.addHeld(in)
	return true
}

// addHeld appends an event to the held ones.
func (s *Spool) addHeld(in *heldEvent) {
	h, t := &s.held, in.topic
	in.Topic, in.reason = t.name, t.reason // shared strings
	if t.last == 0 {
		t.returned = in.Sequence - 1
	}
	t.last = in.Sequence
	t.events++
	t.octets += in.octets
	h.events++
	h.octets += in.octets
	s.inMemory += in.octets
	s.memoryOnly += in.octets
	if in.stored != nil {
		h.callbacks++
	}
	if due := s.heldDue(in); len(h.tail) == 0 || due < h.dueAt {
		h.dueAt = due
	}
	h.tail = append(h.tail, in)
	h.recount(t)
	signal(s.wake)
}

// heldDue returns when an event is to be written, which is when its lane would have written it.
func (s *Spool) heldDue(in *heldEvent) int64 {
	switch {
	case in.copied:
		return s.clock.now() + s.opts.SpillAfter.Milliseconds()
	case in.stored != nil:
		return in.at + s.opts.Sync.Milliseconds()
	}
	return in.at + s.opts.SpillAfter.Milliseconds()
}

// roomToMove makes room in memory for an event that is to be moved. It returns false if the event must wait for the
// disk. Events of class Memory, which the disk does not take, are dropped: they may come after the event, which would wait
// forever.
func (s *Spool) roomToMove(octets int64) bool {
	for s.memoryOnly > 0 && s.memoryOnly+octets > s.opts.MaxMemory {
		if s.alarm == nil && s.behind() {
			signal(s.wake)
			return false
		}
		if s.alarm != nil && s.dropTail(ByMemory) {
			continue
		}
		l := s.lanes[Memory]
		e := s.droppableEntry(l)
		if e == nil {
			return true // the rest is in flight
		}
		s.dropEntry(l, e, ByMemory)
	}
	return true
}

// behind reports whether Run has events to write.
func (s *Spool) behind() bool {
	return len(s.held.tail) > 0 || s.held.busy || slices.ContainsFunc(s.lanes[:], (*lane).behind)
}

// firstRejected returns the number of the first event returned by Next that must be moved.
func (s *Spool) firstRejected() (sequence uint64, ok bool) {
	for i := range s.window.list[s.window.head:] {
		u := &s.window.list[s.window.head+i]
		if u.removed || u.moved {
			continue
		}
		if t := s.held.topics[u.topic]; t != nil && (u.rejected || u.attempt != s.held.attempt) {
			return u.sequence, true
		}
	}
	s.held.movePending = false
	return 0, false
}

// answered records that an event of a lane was acknowledged. Its topic may be held.
func (s *Spool) answered(u *flight) {
	if len(s.held.topics) == 0 || u.rejected || u.moved || u.attempt != s.held.attempt {
		return
	}
	if t := s.held.topics[u.topic]; t != nil && t.before > 0 {
		t.before--
		signal(s.more)
	}
}

// unanswered counts the events of a topic in flight in this attempt.
func (w *window) unanswered(topic string, attempt uint64) (n int) {
	for i := range w.list[w.head:] {
		if u := &w.list[w.head+i]; !u.removed && !u.rejected && u.attempt == attempt && u.topic == topic {
			n++
		}
	}
	return n
}

// rejected reports whether an event of a topic is to be moved because the far side has rejected it.
func (w *window) rejected(topic string) bool {
	return slices.ContainsFunc(w.list[w.head:], func(u flight) bool { return u.rejected && !u.removed && !u.moved && u.topic == topic })
}
