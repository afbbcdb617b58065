package spool

import (
	"cmp"
	"context"
	"slices"
	"sort"
	"time"
)

// pieceOctets is the approximate limit in bytes for the result of Next, peekOctets for that of Peek.
const (
	pieceOctets = 256 << 10
	peekOctets  = 1 << 20
)

// Next returns up to n events that are not acknowledged, in order, starting after the sequence number after. It waits
// for an event; if ctx ends first, it returns the error of ctx. After a reconnect, call Rewind and then Next with 0.
// Events that Next has never returned are included even if their number is not greater than after. Held events are
// interleaved, with lower numbers; so after must be the number of the last event that is not held.
func (s *Spool) Next(ctx context.Context, after uint64, n int) ([]Event, error) {
	timer := time.NewTimer(idle)
	defer timer.Stop()
	for {
		wait := s.retryDue()
		events := s.readHeld((n + 1) / 2)
		events = append(events, s.read(after, n-len(events), draining)...)
		if len(events) > 0 {
			return events, nil
		}
		timer.Reset(cmp.Or(wait, idle))
		select {
		case <-s.more:
		case <-timer.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// purpose is the reason for which events are read.
type purpose uint8

const (
	peeking    purpose = iota
	draining           // for the drain
	discarding         // for an operator who drops them
)

// Peek returns up to n of the oldest events, or fewer if they are large.
func (s *Spool) Peek(n int) (events []Event) {
	octets := int64(0)
	for _, seen := range s.peekHeld(n) {
		e := seen.Event
		e.Held = true
		events = append(events, e)
		octets += seen.octets
	}
	return append(events, s.peek(n-len(events), octets)...)
}

// peek is Peek for events that are not held. octets bytes of the limit are already used.
func (s *Spool) peek(n int, octets int64) (events []Event) {
	for after := uint64(0); len(events) < n && octets < peekOctets; after = events[len(events)-1].Sequence {
		more := s.read(after, n-len(events), peeking)
		if len(more) == 0 {
			break
		}
		events = append(events, more...)
		for i := range more {
			octets += octetsOf(&more[i])
		}
	}
	return events
}

// Discard drops the n oldest events, including those in flight, and returns their number. It leaves a gap.
func (s *Spool) Discard(n int) (dropped int) {
	end := s.State().Last // do not drop the gap that this call leaves
	dropped = s.discardHeld(n)
	for after := uint64(0); dropped < n; {
		events := s.read(after, min(n-dropped, 1000), discarding)
		for len(events) > 0 && events[len(events)-1].Sequence > end {
			events = events[:len(events)-1]
		}
		if len(events) == 0 {
			break
		}
		after = events[len(events)-1].Sequence
		dropped += s.discard(events)
	}
	return dropped
}

func (s *Spool) discard(events []Event) (dropped int) {
	s.mu.Lock()
	defer s.unlockAndCall()
	defer signal(s.more)
	octets := int64(0)
	for i := range events {
		if s.remove(events[i].Sequence) {
			dropped++
			octets += octetsOf(&events[i])
		}
	}
	if dropped > 0 {
		s.recordLoss(loss{reason: ByOperator, first: events[0].Sequence, last: events[len(events)-1].Sequence, count: dropped, octets: octets})
	}
	return dropped
}

// read collects events. It loads segments as needed, without holding mu.
func (s *Spool) read(after uint64, n int, why purpose) []Event {
	if n <= 0 {
		return nil
	}
	s.reading.Lock()
	defer s.reading.Unlock()
	at := progress{after: after}
	for {
		s.mu.Lock()
		events, l, needed := s.collect(&at, n, why)
		var seg segment
		if needed != nil {
			seg = *needed
		}
		s.mu.Unlock()
		if needed == nil || len(events) > 0 {
			return events
		}
		s.load(l, seg)
	}
}

// progress is the state of one call of read.
type progress struct {
	after  uint64
	places [3]uint64 // by class; no event up to this number is returned
	begun  bool
}

// begin sets the positions at which the search begins.
func (s *Spool) begin(at *progress, why purpose) {
	if why != peeking {
		at.after = min(at.after, s.returned) // include all events that were never returned
	}
	from := at.after
	if why == draining && s.held.movePending {
		if rejected, ok := s.firstRejected(); ok {
			from = min(from, rejected-1)
		}
	}
	at.places, at.begun = [3]uint64{from, from, from}, true
}

// collect merges the lanes. If a segment must be loaded first, it stops and returns that segment. The next call then
// continues from the recorded positions: a segment whose events are all acknowledged would otherwise be loaded forever.
func (s *Spool) collect(at *progress, n int, why purpose) (events []Event, l *lane, needed *segment) {
	if !at.begun {
		s.begin(at, why)
	}
	var cursors [3]cursor
	for i, l := range s.lanes {
		cursors[i] = cursor{lane: l, after: at.places[i], returned: s.returned}
	}
	for octets := int64(0); len(events) < n && octets < pieceOctets; {
		var first *cursor
		for i := range cursors {
			c := &cursors[i]
			if seg := c.peek(); seg != nil {
				for i := range cursors {
					at.places[i] = cursors[i].after
				}
				return events, c.lane, seg
			}
			if c.state == ready && (first == nil || c.found.Sequence < first.found.Sequence) {
				first = c
			}
		}
		if first == nil {
			break
		}
		e := &first.found
		if s.movedEarlier(e) {
			if why == draining {
				s.markReturned(e)
				s.remove(e.Sequence)
			}
		} else if t, ok := s.mustMove(e); ok && why == draining {
			drops := s.drops.Events
			if !s.moveToHeld(first, t) {
				break
			}
			if s.drops.Events != drops {
				cursors[Memory].again() // it may have found one that was dropped
				if first == &cursors[Memory] {
					continue
				}
			}
		} else if e.Sequence > s.returned || e.Sequence > at.after && s.window.waits(e.Sequence) {
			out := e.Event.clone()
			out.Expires = s.expiry(&out, e.at)
			events = append(events, out)
			octets += e.octets
			if why != peeking {
				s.markReturned(e)
				s.passed(t)
			}
		}
		first.advance()
	}
	return events, nil, nil
}

// clone copies the parts that may change until Next has returned the event.
func (e Event) clone() Event {
	if e.Gap != nil {
		g := *e.Gap
		e.Gap = &g
	}
	return e
}

// markReturned records that an event is in flight.
func (s *Spool) markReturned(e *item) {
	if e.Sequence <= s.returned {
		s.window.returnedAgain(e.Sequence, s.held.attempt)
		return
	}
	s.returned = e.Sequence
	s.window.add(flight{sequence: e.Sequence, octets: e.octets, class: e.Class, lasting: e.Class != Memory || e.Gap != nil,
		topic: e.Topic, size: len(e.Payload.Raw), attempt: s.held.attempt})
	s.lanes[e.Class].returnedTo(e.Sequence)
}

// load reads a segment into the cache of its lane.
func (s *Spool) load(l *lane, seg segment) {
	p := cachedSegment{number: seg.number, octets: seg.octets, events: make([]item, 0, seg.records)}
	arena := make([]byte, 0, seg.octets)
	last, topic := uint64(0), ""
	err := l.log.Each(seg.number, seg.octets, func(record []byte) {
		from := len(arena)
		arena = append(arena, record...)
		r, ok := decode(arena[from:], topic)
		if ok && r.kind == eventRecord && r.Sequence > last {
			last, topic = r.Sequence, r.Topic
			r.Class = l.class
			p.events = append(p.events, item{r.Event, octetsOf(&r.Event), r.at})
		}
	})
	l.cache = p
	if len(p.events) < seg.records {
		s.noteUnreadable(l, seg, p.events, err)
	}
}

// noteUnreadable handles a segment with records that can no longer be read. left are the events that can.
func (s *Spool) noteUnreadable(l *lane, seg segment, left []item, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(l.segments, func(other *segment) bool { return other.number == seg.number })
	if i < 0 || l.segments[i].octets != seg.octets {
		return // dropped in the meantime, or appended to and loaded again
	}
	now := l.segments[i]
	live, first, last := s.survivors(l, now, left)
	s.forgetUnreadable(l, now, left)
	unreadable := now.live - live
	s.log.Error("events are unreadable on disk and lost", "class", l.class, "events", unreadable, "err", err)
	if unreadable > 0 {
		s.recordLoss(loss{reason: ByDamage, first: now.first, last: now.last, count: unreadable})
	}
	s.depth -= unreadable
	now.records, now.live, now.first, now.last = len(left), live, first, last
	s.retire(l)
}

// survivors counts the events of an unreadable segment that are not lost, and returns their first and last number. They are
// among left, or still in memory.
func (s *Spool) survivors(l *lane, seg *segment, left []item) (live int, first, last uint64) {
	if len(left) > 0 {
		first, last = left[0].Sequence, left[len(left)-1].Sequence
	}
	for i := range left {
		if sequence := left[i].Sequence; sequence > s.returned || s.window.has(sequence) {
			live++
		}
	}
	for e := l.front; e != nil && e.Sequence <= seg.last; e = e.next {
		if e.Sequence >= seg.first && !slices.ContainsFunc(left, func(i item) bool { return i.Sequence == e.Sequence }) {
			live++ // it is still in memory
			first, last = min(cmp.Or(first, e.Sequence), e.Sequence), max(last, e.Sequence)
		}
	}
	return live, first, last
}

// forgetUnreadable removes the events of a segment that are in flight but not among left. They cannot be sent again.
func (s *Spool) forgetUnreadable(l *lane, seg *segment, left []item) {
	for _, u := range slices.Clone(s.window.list[s.window.head:]) {
		if u.removed || u.class != l.class || u.sequence < seg.first || u.sequence > seg.last || l.find(u.sequence) != nil {
			continue
		}
		if !slices.ContainsFunc(left, func(e item) bool { return e.Sequence == u.sequence }) {
			s.window.remove(u.sequence)
		}
	}
}

// Ack removes an event that the far side has accepted, or that it will never accept. Events may be acknowledged in any
// order.
func (s *Spool) Ack(sequence uint64) {
	s.mu.Lock()
	if !s.ackHeld(sequence) && s.window.waits(sequence) {
		s.remove(sequence)
	}
	s.unlockAndCall()
}

// remove removes an event that is in flight. It returns false if the event is not in flight.
func (s *Spool) remove(sequence uint64) bool {
	u, ok := s.window.remove(sequence)
	if !ok {
		return false
	}
	s.answered(&u)
	s.depth--
	s.octets -= u.octets
	l := s.lanes[u.class]
	e := l.find(sequence)
	if e != nil {
		s.forget(l, e)
		s.resolve(e, nil) // delivered, which is safer than stored
		if e.Gap != nil {
			s.newGaps = true
			signal(s.wake)
		}
	}
	if e == nil || e.state == written {
		s.removeRecord(l, sequence, u.octets)
	}
	s.signalRoom()
	return true
}

// removeRecord records that the event of a record was removed.
func (s *Spool) removeRecord(l *lane, sequence uint64, octets int64) {
	if seg := l.segmentOf(sequence); seg != nil {
		seg.live--
		seg.liveOctets -= octets
		if seg.live == 0 {
			s.retire(l)
		}
	}
}

// ackedTo returns the highest number up to which all events that may be on disk are acknowledged or dropped.
func (s *Spool) ackedTo() uint64 {
	if first, ok := s.window.first(); ok {
		return first - 1
	}
	return s.returned
}

// window is the ordered list of the events in flight.
type window struct {
	list []flight
	head int
}

type flight struct {
	sequence uint64
	octets   int64
	class    Class
	lasting  bool // may be on disk
	removed  bool
	topic    string
	size     int    // bytes of the payload
	attempt  uint64 // the attempt in which Next returned the event last
	rejected bool   // by the far side; to be moved to the held events
	moved    bool   // moved to the held events; in the lane until it is written there
}

func (w *window) add(u flight) {
	if w.head > 0 && len(w.list) == cap(w.list) {
		w.list = w.list[:copy(w.list, w.list[w.head:])]
		w.head = 0
	}
	w.list = append(w.list, u)
}

func (w *window) find(sequence uint64) int {
	open := w.list[w.head:]
	i := sort.Search(len(open), func(i int) bool { return open[i].sequence >= sequence })
	if i == len(open) || open[i].sequence != sequence || open[i].removed {
		return -1
	}
	return w.head + i
}

func (w *window) has(sequence uint64) bool { return w.find(sequence) >= 0 }

// waits reports whether an event is in flight and was not moved to the held events.
func (w *window) waits(sequence uint64) bool {
	i := w.find(sequence)
	return i >= 0 && !w.list[i].moved
}

// returnedAgain records that Next has returned an event again.
func (w *window) returnedAgain(sequence, attempt uint64) {
	if i := w.find(sequence); i >= 0 {
		w.list[i].attempt = attempt
	}
}

func (w *window) remove(sequence uint64) (u flight, ok bool) {
	i := w.find(sequence)
	if i < 0 {
		return u, false
	}
	w.list[i].removed = true
	u = w.list[i]
	for w.head < len(w.list) && w.list[w.head].removed {
		w.head++
	}
	if w.head == len(w.list) {
		w.list, w.head = w.list[:0], 0
	}
	return u, true
}

// first returns the first event that may be on disk.
func (w *window) first() (sequence uint64, ok bool) {
	for _, u := range w.list[w.head:] {
		if !u.removed && u.lasting {
			return u.sequence, true
		}
	}
	return 0, false
}
