package spool

import (
	"cmp"
	"context"
	"slices"
	"sort"
	"time"
)

// pieceOctets bounds what Next returns at once, roughly, and peekOctets what Peek does.
const (
	pieceOctets = 256 << 10
	peekOctets  = 1 << 20
)

// Next returns up to n events that have not been acknowledged, in their order, beginning behind the one with the number
// after. It waits until there is one, or ctx is done, whose error it returns then. To begin again after a disconnect, call
// Rewind, and Next with 0. What Next has not returned yet it returns in any case, also before after. Held events come in
// between, with older numbers: after is that of the last event that is not held.
func (s *Spool) Next(ctx context.Context, after uint64, n int) ([]Event, error) {
	timer := time.NewTimer(idle)
	defer timer.Stop()
	for {
		wait := s.retryDue()
		events := s.readHeld((n + 1) / 2)
		events = append(events, s.read(after, n-len(events), handing)...)
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

// purpose is what events are read for.
type purpose uint8

const (
	peeking    purpose = iota
	handing            // over to the drain
	discarding         // by an operator
)

// Peek returns up to n of the oldest events that wait, fewer where they are long.
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

// peek is Peek for events that are not held, after so many octets.
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

// Discard drops the n oldest events, those under way too, and returns how many it were. It leaves a gap.
func (s *Spool) Discard(n int) (dropped int) {
	end := s.State().Last // its own gap does not count
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
	defer s.unlockAndTell()
	defer signal(s.more)
	octets := int64(0)
	for i := range events {
		if s.settle(events[i].Sequence) {
			dropped++
			octets += octetsOf(&events[i])
		}
	}
	if dropped > 0 {
		s.missing(lost{reason: ByOperator, first: events[0].Sequence, last: events[len(events)-1].Sequence, count: dropped, octets: octets})
	}
	return dropped
}

// read collects events. It reads segments back as it needs them, without the lock.
func (s *Spool) read(after uint64, n int, why purpose) []Event {
	if n <= 0 {
		return nil
	}
	s.reading.Lock()
	defer s.reading.Unlock()
	at := reach{after: after}
	for {
		s.mu.Lock()
		events, l, lack := s.collect(&at, n, why)
		var seg segment
		if lack != nil {
			seg = *lack
		}
		s.mu.Unlock()
		if lack == nil || len(events) > 0 {
			return events
		}
		s.load(l, seg)
	}
}

// reach is how far a read has come.
type reach struct {
	after  uint64
	places [3]uint64 // by lane; up to here nothing is to be returned
	begun  bool
}

// begin finds the places to begin at.
func (s *Spool) begin(at *reach, why purpose) {
	if why != peeking {
		at.after = min(at.after, s.handed) // nothing is left out
	}
	from := at.after
	if why == handing && s.held.sift {
		if rejected, ok := s.firstRejected(); ok {
			from = min(from, rejected-1)
		}
	}
	at.places, at.begun = [3]uint64{from, from, from}, true
}

// collect merges the lanes. Where a segment must be read first it stops, and returns which. It goes on behind what was
// passed then: of a segment in which all is settled only its place is needed, and reading it again would never end.
func (s *Spool) collect(at *reach, n int, why purpose) (events []Event, l *lane, lack *segment) {
	if !at.begun {
		s.begin(at, why)
	}
	var cursors [3]cursor
	for i, l := range s.lanes {
		cursors[i] = cursor{lane: l, after: at.places[i], handed: s.handed}
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
		if s.movedBefore(e) {
			if why == handing {
				s.hand(e)
				s.settle(e.Sequence)
			}
		} else if t, ok := s.diverts(e); ok && why == handing {
			if !s.divert(first, t) {
				break
			}
		} else if e.Sequence > s.handed || e.Sequence > at.after && s.window.waits(e.Sequence) {
			events = append(events, e.Event.clone())
			octets += e.octets
			if why != peeking {
				s.hand(e)
				s.overtakes(t)
			}
		}
		first.advance()
	}
	return events, nil, nil
}

// clone copies what changes as long as Next has not returned it.
func (e Event) clone() Event {
	if e.Gap != nil {
		g := *e.Gap
		e.Gap = &g
	}
	return e
}

// hand notes that an event is under way from now on.
func (s *Spool) hand(e *kept) {
	if e.Sequence <= s.handed {
		s.window.again(e.Sequence, s.held.attempt)
		return
	}
	s.handed = e.Sequence
	s.window.add(underWay{sequence: e.Sequence, octets: e.octets, class: e.Class, lasting: e.Class != Memory || e.Gap != nil,
		topic: e.Topic, size: len(e.Payload.Raw), attempt: s.held.attempt})
	l := s.lanes[e.Class]
	for l.fresh != nil && l.fresh.Sequence <= e.Sequence {
		l.fresh = l.fresh.next
	}
}

// load reads a segment back.
func (s *Spool) load(l *lane, seg segment) {
	p := piece{number: seg.number, octets: seg.octets, events: make([]kept, 0, seg.records)}
	arena := make([]byte, 0, seg.octets)
	last, topic := uint64(0), ""
	err := l.log.Each(seg.number, seg.octets, func(record []byte) {
		from := len(arena)
		arena = append(arena, record...)
		r, ok := decode(arena[from:], topic)
		if ok && r.kind == eventRecord && r.Sequence > last {
			last, topic = r.Sequence, r.Topic
			r.Class = l.class
			p.events = append(p.events, kept{r.Event, octetsOf(&r.Event), r.at})
		}
	})
	l.piece = p
	if len(p.events) < seg.records {
		s.unreadable(l, seg, p.events, err)
	}
}

// unreadable notes that records which were in a segment can't be read any more: only those are left.
func (s *Spool) unreadable(l *lane, seg segment, left []kept, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(l.segments, func(other *segment) bool { return other.number == seg.number })
	if i < 0 || l.segments[i].octets != seg.octets {
		return // dropped meanwhile; or it has grown, and is read once more
	}
	now := l.segments[i]
	live := 0
	for i := range left {
		if sequence := left[i].Sequence; sequence > s.handed || s.window.has(sequence) {
			live++
		}
	}
	s.forgetUnread(l, now, left)
	lostOnes := now.live - live
	s.log.Error("events can't be read back from disk, and are lost", "class", l.class, "events", lostOnes, "err", err)
	if lostOnes > 0 {
		s.missing(lost{reason: ByDamage, first: now.first, last: now.last, count: lostOnes})
	}
	s.depth -= lostOnes
	now.records, now.live, now.first, now.last = len(left), live, 0, 0
	if len(left) > 0 {
		now.first, now.last = left[0].Sequence, left[len(left)-1].Sequence
	}
	s.retire(l)
}

// forgetUnread settles what is under way of a segment and is not among those that are left of it: it can't be sent again.
func (s *Spool) forgetUnread(l *lane, seg *segment, left []kept) {
	for _, u := range slices.Clone(s.window.list[s.window.head:]) {
		if u.settled || u.class != l.class || u.sequence < seg.first || u.sequence > seg.last || l.find(u.sequence) != nil {
			continue
		}
		if !slices.ContainsFunc(left, func(k kept) bool { return k.Sequence == u.sequence }) {
			s.window.settle(u.sequence)
		}
	}
}

// Ack says that the far side has an event, or never will. Events may be acknowledged in any order.
func (s *Spool) Ack(sequence uint64) {
	s.mu.Lock()
	if !s.settleHeld(sequence) && s.window.waits(sequence) {
		s.settle(sequence)
	}
	s.unlockAndTell()
}

// settle frees an event that is under way. It reports false if it is not.
func (s *Spool) settle(sequence uint64) bool {
	u, ok := s.window.settle(sequence)
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
		s.toTell(e, nil) // the far side has it: that is better than any disk
		if e.Gap != nil {
			s.newGaps = true
			signal(s.wake)
		}
	}
	if e == nil || e.written {
		s.settleOnDisk(l, sequence, u.octets)
	}
	s.freed()
	return true
}

// settleOnDisk counts a record as settled.
func (s *Spool) settleOnDisk(l *lane, sequence uint64, octets int64) {
	if seg := l.segmentOf(sequence); seg != nil {
		seg.live--
		seg.liveOctets -= octets
		if seg.live == 0 {
			s.retire(l)
		}
	}
}

// settledTo returns up to which number all is settled that may be on disk.
func (s *Spool) settledTo() uint64 {
	if first, ok := s.window.first(); ok {
		return first - 1
	}
	return s.handed
}

// window is what is under way, in order.
type window struct {
	list []underWay
	head int
}

type underWay struct {
	sequence uint64
	octets   int64
	class    Class
	lasting  bool // it may be on disk
	settled  bool
	topic    string
	size     int    // of the payload
	attempt  uint64 // when Next has returned it last
	rejected bool   // by the far side; it is to be moved to the held events
	moved    bool   // it is among them, and here until that is on disk
}

func (w *window) add(u underWay) {
	if w.head > 0 && len(w.list) == cap(w.list) {
		w.list = w.list[:copy(w.list, w.list[w.head:])]
		w.head = 0
	}
	w.list = append(w.list, u)
}

func (w *window) find(sequence uint64) int {
	open := w.list[w.head:]
	i := sort.Search(len(open), func(i int) bool { return open[i].sequence >= sequence })
	if i == len(open) || open[i].sequence != sequence || open[i].settled {
		return -1
	}
	return w.head + i
}

func (w *window) has(sequence uint64) bool { return w.find(sequence) >= 0 }

// waits reports whether an event is under way, and not among the held ones.
func (w *window) waits(sequence uint64) bool {
	i := w.find(sequence)
	return i >= 0 && !w.list[i].moved
}

// again notes that Next returns an event once more.
func (w *window) again(sequence, attempt uint64) {
	if i := w.find(sequence); i >= 0 {
		w.list[i].attempt = attempt
	}
}

func (w *window) settle(sequence uint64) (u underWay, ok bool) {
	i := w.find(sequence)
	if i < 0 {
		return u, false
	}
	w.list[i].settled = true
	u = w.list[i]
	for w.head < len(w.list) && w.list[w.head].settled {
		w.head++
	}
	if w.head == len(w.list) {
		w.list, w.head = w.list[:0], 0
	}
	return u, true
}

// first returns the first that is not settled of those that may be on disk.
func (w *window) first() (sequence uint64, ok bool) {
	for _, u := range w.list[w.head:] {
		if !u.settled && u.lasting {
			return u.sequence, true
		}
	}
	return 0, false
}
