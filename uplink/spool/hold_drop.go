package spool

// dropHeld drops the oldest held events, to make room for what may still cross.
func (s *Spool) dropHeld(reason Reason) bool {
	h := &s.held
	if n := len(h.segments); n > 1 || n == 1 && !h.busy {
		s.dropHeldSegment(h.segments[0], reason)
		return true
	}
	return s.dropTail(reason)
}

// dropTail drops the oldest held event that is in memory only.
func (s *Spool) dropTail(reason Reason) bool {
	h := &s.held
	for _, in := range h.tail {
		if in.gone || in.writing {
			continue
		}
		t := in.topic
		delete(h.flight, in.Sequence)
		if in.Sequence > t.handed {
			t.handed = in.Sequence // the first of them that is not
		} else {
			t.window.settle(in.Sequence)
		}
		s.unshelve(t, flying{octets: in.octets, entry: in}, in.Sequence, ErrFull)
		if t.events > 0 {
			t.underWay = min(t.underWay, t.events)
			h.review(t)
		}
		h.trimTail()
		s.missing(lost{reason: reason, first: in.Sequence, last: in.Sequence, count: 1, octets: in.octets, held: true})
		return true
	}
	return false
}

// dropHeldSegment drops all that is held in a segment.
func (s *Spool) dropHeldSegment(seg *heldSegment, reason Reason) {
	h := &s.held
	for sequence, f := range h.flight {
		if f.segment == seg || f.entry != nil && f.entry.segment == seg {
			delete(h.flight, sequence)
			f.topic.window.settle(sequence)
			if f.attempt == h.attempt {
				f.topic.underWay--
			}
		}
	}
	m := lost{reason: reason, first: seg.first, last: seg.last, count: seg.live, octets: seg.liveOctets, held: true}
	for t, n := range seg.tallies {
		s.subtractHeld(seg, t, n.events, n.octets)
	}
	s.retireHeld()
	if m.count > 0 {
		s.missing(m)
	}
}

// thinOut drops the topics that are held longest.
func (s *Spool) thinOut() {
	h := &s.held
	topics := make(map[*heldTopic]bool)
	for t := h.front; t != nil && len(topics) < maxHeldTopics/16; t = t.next {
		topics[t] = true
	}
	s.dropTopics(topics, BySize)
}

// dropTopics drops all events of topics, and returns how many it were.
func (s *Spool) dropTopics(topics map[*heldTopic]bool, reason Reason) (dropped int) {
	h := &s.held
	m := lost{reason: reason, first: ^uint64(0), held: true}
	for t := range topics {
		m.count += t.events
		m.octets += t.octets
		m.first, m.last = min(m.first, t.handed+1), max(m.last, t.last)
	}
	for sequence, f := range h.flight {
		if topics[f.topic] {
			m.first = min(m.first, sequence)
			delete(h.flight, sequence)
		}
	}
	for _, in := range h.tail {
		if topics[in.topic] && !in.gone {
			s.dropHeldEntry(in)
		}
	}
	for _, seg := range h.segments {
		for t, n := range seg.tallies {
			if topics[t] {
				seg.subtract(t, n.events, n.octets)
				s.depth -= n.events
				s.octets -= n.octets
			}
		}
	}
	for t := range topics {
		h.events -= t.events
		h.octets -= t.octets
		t.events, t.octets, t.handed, t.window = 0, 0, t.last, window{}
		s.mark(t)
		s.unhold(t)
	}
	h.trimTail()
	s.retireHeld()
	s.freed()
	if m.count > 0 {
		s.missing(m)
	}
	return m.count
}

// dropHeldEntry lets go of an event of the tail whose topic is dropped.
func (s *Spool) dropHeldEntry(in *heldEvent) {
	if !s.leaveTail(in, ErrFull) {
		s.depth--
		s.octets -= in.octets
	}
}

// DiscardHeld drops all held events of a topic, or of all where it is "", and returns how many it were. It leaves a gap.
func (s *Spool) DiscardHeld(topic string) int {
	s.mu.Lock()
	defer s.unlockAndTell()
	defer signal(s.more)
	topics := make(map[*heldTopic]bool)
	for t := s.held.front; t != nil; t = t.next {
		if topic == "" || t.name == topic {
			topics[t] = true
		}
	}
	return s.dropTopics(topics, ByOperator)
}

// discardHeld drops the n oldest held events.
func (s *Spool) discardHeld(n int) (dropped int) {
	s.mu.Lock()
	all := n >= s.held.events
	s.mu.Unlock()
	if all {
		return s.DiscardHeld("")
	}
	for _, e := range s.peekHeld(n) {
		s.mu.Lock()
		if s.discardOne(&e) {
			dropped++
		}
		s.unlockAndTell()
	}
	return dropped
}

// discardOne drops a held event that peekHeld has returned.
func (s *Spool) discardOne(e *heldSeen) bool {
	h, t := &s.held, e.topic
	if h.topics[e.Topic] != t || e.Sequence <= t.handed && !t.window.has(e.Sequence) {
		return false // gone meanwhile
	}
	if f, ok := h.flight[e.Sequence]; ok {
		delete(h.flight, e.Sequence)
		if f.attempt == h.attempt {
			t.underWay--
		}
	}
	if e.Sequence > t.handed {
		t.handed = e.Sequence
		t.window.add(underWay{sequence: e.Sequence, octets: e.octets, lasting: true})
	}
	t.window.settle(e.Sequence)
	s.unshelve(t, flying{topic: t, octets: e.octets, segment: e.segment, entry: e.entry}, e.Sequence, ErrFull)
	if t.events > 0 {
		h.review(t)
	}
	s.missing(lost{reason: ByOperator, first: e.Sequence, last: e.Sequence, count: 1, octets: e.octets, held: true})
	signal(s.more)
	return true
}

// heldSeen is a held event that is looked at.
type heldSeen struct {
	kept
	topic   *heldTopic
	segment *heldSegment
	entry   *heldEvent
}

// peekHeld returns up to n of the oldest held events, fewer where they are long.
func (s *Spool) peekHeld(n int) (list []heldSeen) {
	s.reading.Lock()
	defer s.reading.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	h := &s.held
	octets := int64(0)
	for i := 0; i < len(h.segments) && len(list) < n && octets < peekOctets; i++ {
		seg := h.segments[i]
		if h.piece.number != seg.number || h.piece.octets < seg.octets {
			of := heldSegment{number: seg.number, octets: seg.octets, records: seg.records}
			s.mu.Unlock()
			s.loadHeld(of)
			s.mu.Lock()
			if i >= len(h.segments) || h.segments[i] != seg {
				break // it has gone meanwhile
			}
		}
		for j := 0; j < len(h.piece.events) && len(list) < n && octets < peekOctets; j++ {
			e := &h.piece.events[j]
			t := h.topics[e.Topic]
			if t == nil || seg.tallies[t].events == 0 || e.Sequence <= t.handed && !t.window.has(e.Sequence) {
				continue
			}
			list = append(list, heldSeen{kept: *e, topic: t, segment: seg})
			octets += e.octets
		}
	}
	for _, in := range h.tail {
		if len(list) >= n || octets >= peekOctets {
			break
		}
		if !in.gone {
			list = append(list, heldSeen{kept: in.kept, topic: in.topic, entry: in})
			octets += in.octets
		}
	}
	return list
}

// tailOlder reports whether the first event of the tail that can be dropped is older than limit.
func (h *held) tailOlder(limit int64) bool {
	for _, in := range h.tail {
		if !in.gone && !in.writing {
			return in.at < limit
		}
	}
	return false
}
