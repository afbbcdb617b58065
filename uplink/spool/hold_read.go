package spool

import "time"

// pass iterates over the held events in order. A new pass begins as long as topics have events to send. Once a pass
// skips an event of a topic, it skips all later ones of that topic, to keep their order.
type pass struct {
	number  uint64
	segment uint64 // current segment; 0: the first
	record  int    // next record in it
	inTail  bool   // the segments are done
	tail    int    // next event of the tail, counted like held.tailBase
}

// heldCache is a segment of held events that was read back.
type heldCache struct {
	number uint64
	octets int64
	events []item
}

// readHeld returns up to n held events to send. It loads segments as needed, without holding mu.
func (s *Spool) readHeld(n int) []Event {
	s.reading.Lock()
	defer s.reading.Unlock()
	for begun := 0; ; {
		s.mu.Lock()
		events, needed := s.collectHeld(n, &begun)
		var seg heldSegment
		if needed != nil {
			seg = heldSegment{number: needed.number, octets: needed.octets, records: needed.records}
		}
		s.mu.Unlock()
		if needed == nil || len(events) > 0 {
			return events
		}
		s.loadHeld(seg)
	}
}

// collectHeld continues the pass. If a segment must be loaded first, it stops and returns that segment. begun counts the passes
// that this call of readHeld has begun: the same segments would otherwise be loaded forever.
func (s *Spool) collectHeld(n int, begun *int) (events []Event, needed *heldSegment) {
	h := &s.held
	for octets := int64(0); h.sendable > 0 && len(events) < n && octets < pieceOctets; {
		e, f, needed := h.next()
		switch {
		case needed != nil:
			return events, needed
		case e == nil:
			if *begun++; *begun > 2 {
				return events, nil // the remaining events cannot be read
			}
			h.pass = pass{number: h.pass.number + 1}
		default:
			out := e.Event
			out.Expires = s.expiry(&out, e.at)
			out.Held, out.Probe = true, f.topic.state == topicDue
			out.Alone = out.Probe && f.topic.costly()
			s.markHeldReturned(e, f)
			octets += e.octets
			events = append(events, out)
		}
	}
	return events, nil
}

// next returns the next event of the pass to send, or nil at its end.
func (h *held) next() (e *item, f heldFlight, needed *heldSegment) {
	p := &h.pass
	for !p.inTail {
		seg := h.segmentFrom(p.segment)
		if seg == nil {
			p.inTail, p.tail = true, h.tailBase
			break
		}
		if seg.number != p.segment {
			p.segment, p.record = seg.number, 0
		}
		if !h.mayHave(seg) {
			h.skipSegment(seg)
			p.segment, p.record = seg.number+1, 0
			continue
		}
		if h.cache.number != seg.number || h.cache.octets < seg.octets {
			return nil, f, seg
		}
		for p.record < len(h.cache.events) {
			e = &h.cache.events[p.record]
			p.record++
			if t := h.topics[e.Topic]; t != nil && seg.tallies[t].events > 0 && h.accepts(t, e.Sequence) {
				return e, heldFlight{topic: t, octets: e.octets, segment: seg}, nil
			}
		}
		p.segment, p.record = seg.number+1, 0
	}
	for p.tail = max(p.tail, h.tailBase); p.tail < h.tailBase+len(h.tail); {
		in := h.tail[p.tail-h.tailBase]
		p.tail++
		if !in.gone && h.accepts(in.topic, in.Sequence) {
			return &in.item, heldFlight{topic: in.topic, octets: in.octets, entry: in}, nil
		}
	}
	return nil, f, nil
}

// accepts reports whether the pass takes an event. If it skips the event, it skips the rest of the topic.
func (h *held) accepts(t *heldTopic, sequence uint64) bool {
	if sequence <= t.after || sequence <= t.returned && !t.window.has(sequence) {
		return false
	}
	if t.skippedIn == h.pass.number || !t.canSend() {
		t.skippedIn = h.pass.number
		return false
	}
	return true
}

// segmentFrom returns the first segment with the given number or a higher one.
func (h *held) segmentFrom(number uint64) *heldSegment {
	for _, seg := range h.segments {
		if seg.number >= number {
			return seg
		}
	}
	return nil
}

// mayHave reports whether a segment may have events to send.
func (h *held) mayHave(seg *heldSegment) bool {
	if h.sendable == len(h.topics) {
		return true
	}
	for t := range seg.tallies {
		if t.skippedIn != h.pass.number && t.canSend() {
			return true
		}
	}
	return false
}

func (h *held) skipSegment(seg *heldSegment) {
	for t := range seg.tallies {
		if t.state != topicWaiting {
			t.skippedIn = h.pass.number
		}
	}
}

// markHeldReturned records that a held event is in flight.
func (s *Spool) markHeldReturned(e *item, f heldFlight) {
	h, t := &s.held, f.topic
	f.attempt = h.attempt
	h.inFlight[e.Sequence] = f
	if e.Sequence > t.returned {
		t.returned = e.Sequence
		t.window.add(flight{sequence: e.Sequence, octets: e.octets, lasting: true})
	}
	t.after = e.Sequence
	t.inFlight++
	if t.state == topicDue {
		t.state = topicProbing
	}
	h.recount(t)
}

// ackHeld removes a held event that is in flight. It returns false if the event is not.
func (s *Spool) ackHeld(sequence uint64) bool {
	h := &s.held
	f, ok := h.inFlight[sequence]
	if !ok {
		return false
	}
	delete(h.inFlight, sequence)
	t := f.topic
	if f.attempt == h.attempt {
		t.inFlight--
	}
	if t.state == topicProbing || t.state == topicDue && f.attempt != h.attempt {
		t.state = topicOpen
		h.schedule(s.opts.RetryFirst) // the cause may be gone for other topics as well
		if s.opts.RetryOne || t.costly() {
			h.retryAt = time.Now()
		}
	}
	t.window.remove(sequence)
	s.removeHeld(t, f, sequence, nil)
	if t.events > 0 {
		h.recount(t)
	}
	signal(s.more)
	return true
}

// removeHeld removes a held event that was acknowledged or dropped.
func (s *Spool) removeHeld(t *heldTopic, f heldFlight, sequence uint64, err error) {
	h, copied := &s.held, false
	if in := f.entry; in != nil {
		if f.segment = in.segment; f.segment == nil {
			copied = s.removeFromTail(in, err)
			h.trimTail()
		}
	}
	if f.segment != nil {
		f.segment.subtract(t, 1, f.octets)
		s.retireHeld()
	}
	t.events--
	t.octets -= f.octets
	h.events--
	h.octets -= f.octets
	if !copied {
		s.depth--
		s.octets -= f.octets
	}
	s.mark(t)
	if t.events == 0 {
		s.unholdTopic(t)
	}
	s.signalRoom()
}

// removeFromTail removes an event from the tail. It reports whether the totals were updated by its lane.
func (s *Spool) removeFromTail(in *heldEvent, err error) (copied bool) {
	in.gone = true
	s.inMemory -= in.octets
	s.memoryOnly -= in.octets
	if in.stored != nil {
		s.callbacks = append(s.callbacks, callback{in.stored, err})
		in.stored = nil
		s.held.callbacks--
	}
	if in.copied {
		in.copied = false
		return s.remove(in.Sequence)
	}
	return false
}
