package spool

import "time"

// pass goes over the held events in their order, again and again while there are topics of which some are to be sent. Of a
// topic of which it has left out an event it takes none in the same pass.
type pass struct {
	number  uint64
	segment uint64 // the one it is at; 0: the first
	record  int    // the next one in it
	inTail  bool   // it is behind the segments
	tail    int    // the next one there, counted like held.tailBase
}

// heldPiece is a segment of held events that was read back.
type heldPiece struct {
	number uint64
	octets int64
	events []kept
}

// readHeld returns up to n held events that are to be sent. It reads segments back as it needs them, without the lock.
func (s *Spool) readHeld(n int) []Event {
	s.reading.Lock()
	defer s.reading.Unlock()
	for {
		s.mu.Lock()
		events, lack := s.collectHeld(n)
		var seg heldSegment
		if lack != nil {
			seg = heldSegment{number: lack.number, octets: lack.octets, records: lack.records}
		}
		s.mu.Unlock()
		if lack == nil || len(events) > 0 {
			return events
		}
		s.loadHeld(seg)
	}
}

// collectHeld goes on with the pass. Where a segment must be read first it stops, and returns which.
func (s *Spool) collectHeld(n int) (events []Event, lack *heldSegment) {
	h := &s.held
	begun := 0
	for octets := int64(0); h.wanted > 0 && len(events) < n && octets < pieceOctets; {
		e, f, lack := h.next()
		switch {
		case lack != nil:
			return events, lack
		case e == nil:
			if begun++; begun > 2 {
				return events, nil // what is wanted can't be read
			}
			h.pass = pass{number: h.pass.number + 1}
		default:
			out := e.Event
			out.Held, out.Probe = true, f.topic.state == due
			out.Alone = out.Probe && f.topic.costly()
			s.handHeld(e, f)
			octets += e.octets
			events = append(events, out)
		}
	}
	return events, nil
}

// next returns the next event of the pass that is to be sent; nil at its end.
func (h *held) next() (e *kept, f flying, lack *heldSegment) {
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
		if !h.wantsOf(seg) {
			h.leaveOut(seg)
			p.segment, p.record = seg.number+1, 0
			continue
		}
		if h.piece.number != seg.number || h.piece.octets < seg.octets {
			return nil, f, seg
		}
		for p.record < len(h.piece.events) {
			e = &h.piece.events[p.record]
			p.record++
			if t := h.topics[e.Topic]; t != nil && seg.tallies[t].events > 0 && h.takes(t, e.Sequence) {
				return e, flying{topic: t, octets: e.octets, segment: seg}, nil
			}
		}
		p.segment, p.record = seg.number+1, 0
	}
	for p.tail = max(p.tail, h.tailBase); p.tail < h.tailBase+len(h.tail); {
		in := h.tail[p.tail-h.tailBase]
		p.tail++
		if !in.gone && h.takes(in.topic, in.Sequence) {
			return &in.kept, flying{topic: in.topic, octets: in.octets, entry: in}, nil
		}
	}
	return nil, f, nil
}

// takes reports whether the pass takes an event. If it leaves it out, it takes no other one of the topic.
func (h *held) takes(t *heldTopic, sequence uint64) bool {
	if sequence <= t.after || sequence <= t.handed && !t.window.has(sequence) {
		return false
	}
	if t.missed == h.pass.number || !t.wants() {
		t.missed = h.pass.number
		return false
	}
	return true
}

// segmentFrom returns the first segment from a number on.
func (h *held) segmentFrom(number uint64) *heldSegment {
	for _, seg := range h.segments {
		if seg.number >= number {
			return seg
		}
	}
	return nil
}

// wantsOf reports whether something may be to be sent of a segment.
func (h *held) wantsOf(seg *heldSegment) bool {
	if h.wanted == len(h.topics) {
		return true
	}
	for t := range seg.tallies {
		if t.missed != h.pass.number && t.wants() {
			return true
		}
	}
	return false
}

func (h *held) leaveOut(seg *heldSegment) {
	for t := range seg.tallies {
		if t.state != waits {
			t.missed = h.pass.number
		}
	}
}

// handHeld notes that a held event is under way from now on.
func (s *Spool) handHeld(e *kept, f flying) {
	h, t := &s.held, f.topic
	f.attempt = h.attempt
	h.flight[e.Sequence] = f
	if e.Sequence > t.handed {
		t.handed = e.Sequence
		t.window.add(underWay{sequence: e.Sequence, octets: e.octets, lasting: true})
	}
	t.after = e.Sequence
	t.underWay++
	if t.state == due {
		t.state = probing
	}
	h.review(t)
}

// settleHeld frees a held event that is under way. It reports false if it is not.
func (s *Spool) settleHeld(sequence uint64) bool {
	h := &s.held
	f, ok := h.flight[sequence]
	if !ok {
		return false
	}
	delete(h.flight, sequence)
	t := f.topic
	if f.attempt == h.attempt {
		t.underWay--
	}
	if t.state == probing || t.state == due && f.attempt != h.attempt {
		t.state = opened
		h.schedule(s.opts.RetryFirst) // others may have been mended, too
		if s.opts.RetryOne || t.costly() {
			h.retryAt = time.Now()
		}
	}
	t.window.settle(sequence)
	s.unshelve(t, f, sequence, nil)
	if t.events > 0 {
		h.review(t)
	}
	signal(s.more)
	return true
}

// unshelve takes a held event out that was acknowledged or dropped.
func (s *Spool) unshelve(t *heldTopic, f flying, sequence uint64, err error) {
	h, copied := &s.held, false
	if in := f.entry; in != nil {
		if f.segment = in.segment; f.segment == nil {
			copied = s.leaveTail(in, err)
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
		s.unhold(t)
	}
	s.freed()
}

// leaveTail takes an event out of the tail. It reports whether its lane has counted it.
func (s *Spool) leaveTail(in *heldEvent, err error) (copied bool) {
	in.gone = true
	s.inMemory -= in.octets
	s.pinned -= in.octets
	if in.stored != nil {
		s.words = append(s.words, word{in.stored, err})
		in.stored = nil
		s.held.waiting--
	}
	if in.copied {
		in.copied = false
		return s.settle(in.Sequence)
	}
	return false
}
