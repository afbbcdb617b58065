package spool

// dropHeld drops the oldest held events, to make room for events that can be delivered.
func (s *Spool) dropHeld(reason Reason) bool {
	h := &s.held
	if n := len(h.segments); n > 1 || n == 1 && !h.busy {
		s.dropHeldSegment(h.segments[0], reason)
		return true
	}
	return s.dropTail(reason)
}

// dropTail drops the oldest held event that is in memory only. Full memory does not cost an event that is also on disk in its
// lane, unless the disk fails. Earlier events of the topic may be on disk and not returned yet, so t.returned stays.
func (s *Spool) dropTail(reason Reason) bool {
	h := &s.held
	for _, in := range h.tail {
		if in.gone || in.writing || in.copied && reason == ByMemory && s.alarm == nil {
			continue
		}
		t := in.topic
		h.forgetFlight(in.Sequence)
		t.window.remove(in.Sequence)
		s.removeHeld(t, heldFlight{octets: in.octets, entry: in}, in.Sequence, ErrFull)
		if t.events > 0 {
			h.recount(t)
		}
		s.recordLoss(loss{reason: reason, first: in.Sequence, last: in.Sequence, count: 1, octets: in.octets, held: true})
		return true
	}
	return false
}

// isIn reports whether the event is in a segment: it was read from there, or was written there meanwhile.
func (f *heldFlight) isIn(seg *heldSegment) bool {
	return f.segment == seg || f.entry != nil && f.entry.segment == seg
}

// forgetFlight records that an event is dropped. If the event is in flight, its answer is ignored. If the event had to test
// its topic, the next event does that.
func (h *held) forgetFlight(sequence uint64) {
	f, ok := h.inFlight[sequence]
	if !ok {
		return
	}
	delete(h.inFlight, sequence)
	t := f.topic
	if f.attempt != h.attempt {
		return
	}
	t.inFlight--
	if t.state == topicProbing {
		t.state = topicDue
	}
	h.recount(t)
}

// dropHeldSegment drops all events held in a segment.
func (s *Spool) dropHeldSegment(seg *heldSegment, reason Reason) {
	h := &s.held
	for sequence, f := range h.inFlight {
		if f.isIn(seg) {
			h.forgetFlight(sequence)
			f.topic.window.remove(sequence)
		}
	}
	m := loss{reason: reason, first: seg.first, last: seg.last, count: seg.live, octets: seg.liveOctets, held: true}
	for t, n := range seg.tallies {
		s.subtractHeld(seg, t, n.events, n.octets)
	}
	s.retireHeld()
	if m.count > 0 {
		s.recordLoss(m)
	}
}

// dropOldestTopics drops the topics that have been held longest.
func (s *Spool) dropOldestTopics() {
	h := &s.held
	topics := make(map[*heldTopic]bool)
	for t := h.front; t != nil && len(topics) < maxHeldTopics/16; t = t.next {
		topics[t] = true
	}
	s.dropTopics(topics, BySize)
}

// dropTopics drops all events of the given topics and returns their number. Reason "" leaves no gap.
func (s *Spool) dropTopics(topics map[*heldTopic]bool, reason Reason) (dropped int) {
	h := &s.held
	m := loss{reason: reason, first: ^uint64(0), held: true}
	for t := range topics {
		m.count += t.events
		m.octets += t.octets
		m.first, m.last = min(m.first, t.returned+1), max(m.last, t.last)
	}
	for sequence, f := range h.inFlight {
		if topics[f.topic] {
			m.first = min(m.first, sequence)
			delete(h.inFlight, sequence)
		}
	}
	for _, in := range h.tail {
		if topics[in.topic] && !in.gone {
			s.dropHeldEntry(in, reason)
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
		t.events, t.octets, t.returned, t.window = 0, 0, t.last, window{}
		s.mark(t)
		s.unholdTopic(t)
	}
	h.trimTail()
	s.retireHeld()
	s.signalRoom()
	if m.count > 0 && reason != "" {
		s.recordLoss(m)
	}
	return m.count
}

// dropHeldEntry removes an event of the tail. Its topic is dropped.
func (s *Spool) dropHeldEntry(in *heldEvent, reason Reason) {
	err := ErrFull
	if reason == "" {
		err = nil // a later event replaces it
	}
	if !s.removeFromTail(in, err) {
		s.depth--
		s.octets -= in.octets
	}
}

// DiscardHeld drops all held events of a topic, or of all topics if topic is "". It leaves a gap and returns the number
// of dropped events.
func (s *Spool) DiscardHeld(topic string) int {
	s.mu.Lock()
	defer s.unlockAndCall()
	defer signal(s.more)
	topics := make(map[*heldTopic]bool)
	for t := s.held.front; t != nil; t = t.next {
		if topic == "" || t.name == topic {
			topics[t] = true
		}
	}
	return s.dropTopics(topics, ByOperator)
}

// Supersede removes the held events of a topic, because a later one has made them needless. It leaves no gap.
func (s *Spool) Supersede(topic string) {
	s.mu.Lock()
	defer s.unlockAndCall()
	if t := s.held.topics[topic]; t != nil {
		s.dropTopics(map[*heldTopic]bool{t: true}, "")
		signal(s.more)
	}
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
		s.unlockAndCall()
	}
	return dropped
}

// discardOne drops a held event returned by peekHeld. It returns false if the event no longer exists.
func (s *Spool) discardOne(e *heldView) bool {
	h, t := &s.held, e.topic
	if h.topics[e.Topic] != t || e.Sequence <= t.returned && !t.window.has(e.Sequence) || e.entry != nil && e.entry.dropped() {
		return false // gone in the meantime
	}
	h.forgetFlight(e.Sequence)
	if e.Sequence > t.returned {
		t.returned = e.Sequence
		t.window.add(flight{sequence: e.Sequence, octets: e.octets, lasting: true})
	}
	t.window.remove(e.Sequence)
	s.removeHeld(t, heldFlight{topic: t, octets: e.octets, segment: e.segment, entry: e.entry}, e.Sequence, ErrFull)
	if t.events > 0 {
		h.recount(t)
	}
	s.recordLoss(loss{reason: ByOperator, first: e.Sequence, last: e.Sequence, count: 1, octets: e.octets, held: true})
	signal(s.more)
	return true
}

// heldView is a held event returned by peekHeld.
type heldView struct {
	item
	topic   *heldTopic
	segment *heldSegment
	entry   *heldEvent
}

// peekHeld returns up to n of the oldest held events, or fewer if they are large.
func (s *Spool) peekHeld(n int) (list []heldView) {
	s.reading.Lock()
	defer s.reading.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	h := &s.held
	octets := int64(0)
	room := func() bool { return len(list) < n && octets < peekOctets }
	for seg := h.segmentFrom(0); seg != nil && room(); seg = h.segmentFrom(seg.number + 1) {
		if h.cache.number != seg.number || h.cache.octets < seg.octets {
			of := heldSegment{number: seg.number, octets: seg.octets, records: seg.records}
			s.mu.Unlock()
			s.loadHeld(of)
			s.mu.Lock()
			if h.segmentFrom(seg.number) != seg {
				continue // deleted in the meantime
			}
		}
		for j := 0; j < len(h.cache.events) && room(); j++ {
			e := &h.cache.events[j]
			t := h.topics[e.Topic]
			if t == nil || seg.tallies[t].events == 0 || e.Sequence <= t.returned && !t.window.has(e.Sequence) {
				continue
			}
			list = append(list, heldView{item: *e, topic: t, segment: seg})
			octets += e.octets
		}
	}
	for _, in := range h.tail {
		if !room() {
			break
		}
		if !in.gone {
			list = append(list, heldView{item: in.item, topic: in.topic, entry: in})
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
