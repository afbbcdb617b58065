package spool

import "bytes"

// heldEvent is a held event that is not written to the log of held ones yet.
type heldEvent struct {
	kept
	topic   *heldTopic
	reason  string       // of the topic
	stored  func(error)  // see entry
	copied  bool         // it is in its lane, too, which lets go of it when it is written here
	writing bool         // Run is at it
	gone    bool         // acknowledged or dropped
	segment *heldSegment // where it was written to
}

// diverts reports whether an event that Next comes to belongs to the held ones.
func (s *Spool) diverts(e *kept) (t *heldTopic, ok bool) {
	if len(s.held.topics) == 0 || e.Gap != nil {
		return nil, false
	}
	if t = s.held.topics[e.Topic]; t == nil {
		return nil, false
	}
	if e.Sequence > s.handed {
		return t, !t.passes()
	}
	i := s.window.find(e.Sequence)
	return t, i >= 0 && !s.window.list[i].moved && (s.window.list[i].rejected || s.window.list[i].attempt != s.held.attempt)
}

// overtakes notes that an event of a held topic goes its own way, behind the held ones.
func (s *Spool) overtakes(t *heldTopic) {
	if t != nil {
		t.before++
	}
}

// movedBefore reports whether an event of an earlier run was moved to the held ones, and is in its lane too: the router
// was killed in between.
func (s *Spool) movedBefore(e *kept) bool {
	return len(s.held.was) > 0 && e.Gap == nil && e.Epoch != s.epoch && e.Sequence <= s.held.was[e.Topic]
}

// divert moves the event that a cursor has found to the held ones. It reports false if it must wait: for answers to events
// of the topic that are under way, or for room in memory.
func (s *Spool) divert(c *cursor, t *heldTopic) bool {
	e := &c.found
	if t.before > 0 || !s.roomToMove(e.octets) {
		return false
	}
	s.hand(e)
	in := &heldEvent{kept: *e, topic: t}
	if in.Class == Memory {
		in.Class = Disk
	}
	own := c.entry
	if own != nil && own.Sequence == e.Sequence && !own.written && !own.writing {
		in.stored, own.stored = own.stored, nil
		s.settle(e.Sequence)
		s.depth++
		s.octets += e.octets
	} else {
		in.Options, in.Payload.Raw = bytes.Clone(e.Options), bytes.Clone(e.Payload.Raw)
		in.copied = true
		s.window.list[s.window.find(e.Sequence)].moved = true
	}
	s.shelve(in)
	return true
}

// shelve puts an event behind the held ones.
func (s *Spool) shelve(in *heldEvent) {
	h, t := &s.held, in.topic
	in.Topic, in.reason = t.name, t.reason // one text for all
	if t.last == 0 {
		t.handed = in.Sequence - 1
	}
	t.last = in.Sequence
	t.events++
	t.octets += in.octets
	h.events++
	h.octets += in.octets
	s.inMemory += in.octets
	s.pinned += in.octets
	if in.stored != nil {
		h.waiting++
	}
	if due := s.heldDue(in); len(h.tail) == 0 || due < h.dueAt {
		h.dueAt = due
	}
	h.tail = append(h.tail, in)
	h.review(t)
	signal(s.wake)
}

// heldDue returns when an event is to be written: when it would have been where it came from.
func (s *Spool) heldDue(in *heldEvent) int64 {
	switch {
	case in.copied:
		return s.clock.now() + s.opts.SpillAfter.Milliseconds()
	case in.stored != nil:
		return in.at + s.opts.Sync.Milliseconds()
	}
	return in.at + s.opts.SpillAfter.Milliseconds()
}

// roomToMove makes sure that there is room in memory for an event that is to be moved. A disk that can be written to is
// waited for.
func (s *Spool) roomToMove(octets int64) bool {
	for s.pinned > 0 && s.pinned+octets > s.opts.MaxMemory {
		if s.alarm == nil || !s.dropTail(ByMemory) {
			signal(s.wake)
			return false
		}
	}
	return true
}

// firstRejected returns the number of the first event that is to be moved of those that Next has returned.
func (s *Spool) firstRejected() (sequence uint64, ok bool) {
	for i := range s.window.list[s.window.head:] {
		u := &s.window.list[s.window.head+i]
		if u.settled || u.moved {
			continue
		}
		if t := s.held.topics[u.topic]; t != nil && (u.rejected || u.attempt != s.held.attempt) {
			return u.sequence, true
		}
	}
	s.held.sift = false
	return 0, false
}

// answered notes that an event of a lane was acknowledged whose topic may be held.
func (s *Spool) answered(u *underWay) {
	if len(s.held.topics) == 0 || u.rejected || u.moved || u.attempt != s.held.attempt {
		return
	}
	if t := s.held.topics[u.topic]; t != nil && t.before > 0 {
		t.before--
		signal(s.more)
	}
}

// unanswered counts the events of a topic that are under way in this attempt.
func (w *window) unanswered(topic string, attempt uint64) (n int) {
	for i := range w.list[w.head:] {
		if u := &w.list[w.head+i]; !u.settled && !u.rejected && u.attempt == attempt && u.topic == topic {
			n++
		}
	}
	return n
}
