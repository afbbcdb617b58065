package spool

import (
	"slices"
	"sort"

	"runnel/edge/journal"
)

// lane holds the events of one class, in order: the older ones in segments of the log, the newer ones in memory. What is
// in memory is written up to unwritten, and from there on not; the written ones are kept there only to save reading.
type lane struct {
	// Static after Open.
	class Class
	limit int64            // octets after which a segment is full
	log   *journal.Journal // nil for Memory. Appended to and trimmed by Run

	// Guarded by Spool.mu.
	front, back *entry
	fresh       *entry // the first that Next has not returned
	unwritten   *entry // the first that is neither written nor being written
	segments    []*segment
	doomed      []uint64 // segments to be deleted by Run
	busy        bool     // Run is appending: the newest segment has to stay

	piece piece // guarded by Spool.reading
}

// entry is an event in memory.
type entry struct {
	Event
	octets     int64
	at         int64       // by the spool's clock
	stored     func(error) // the callback; nil: there is none, or it has been called
	written    bool
	writing    bool // Run is at it
	gone       bool // not in the lane any more
	prev, next *entry
}

// segment is what is to be known of one file.
type segment struct {
	number         uint64
	first, last    uint64 // sequence numbers
	octets         int64  // of the file; what is behind does not count
	sealed         bool   // it was found damaged, and is not appended to
	records        int
	live           int   // records whose events still wait
	liveOctets     int64 // of these events
	oldest, newest int64 // by the spool's clock
}

// piece is a segment read back.
type piece struct {
	number uint64
	octets int64
	events []kept
}

// kept is an event in a piece.
type kept struct {
	Event
	octets int64
	at     int64
}

// cost is what an event counts beside its octets: roughly what it takes in a record, or in memory.
const cost = 64

func octetsOf(e *Event) int64 {
	return int64(len(e.Topic)+len(e.Options)+len(e.Payload.Raw)) + cost
}

func (l *lane) push(e *entry) {
	e.prev = l.back
	if l.back != nil {
		l.back.next = e
	} else {
		l.front = e
	}
	l.back = e
	if l.fresh == nil {
		l.fresh = e
	}
	if l.unwritten == nil {
		l.unwritten = e
	}
}

// insert puts e where its sequence number belongs. Next has not returned it.
func (l *lane) insert(e *entry) {
	at := l.fresh
	for at != nil && at.Sequence < e.Sequence {
		at = at.next
	}
	if at == nil {
		l.push(e)
		return
	}
	e.prev, e.next = at.prev, at
	if at.prev != nil {
		at.prev.next = e
	} else {
		l.front = e
	}
	at.prev = e
	if l.fresh == at {
		l.fresh = e
	}
	if l.unwritten == at {
		l.unwritten = e
	}
}

// unlink takes e out. Its own next stays, for those who are on their way along the list.
func (l *lane) unlink(e *entry) {
	if l.fresh == e {
		l.fresh = e.next
	}
	if l.unwritten == e {
		l.unwritten = e.next
	}
	if e.prev != nil {
		e.prev.next = e.next
	} else {
		l.front = e.next
	}
	if e.next != nil {
		e.next.prev = e.prev
	} else {
		l.back = e.prev
	}
	e.gone = true
}

// find returns the event with that number if it is in memory. It looks from the front: what is asked for is old.
func (l *lane) find(sequence uint64) *entry {
	e := l.front
	for e != nil && e.Sequence < sequence {
		e = e.next
	}
	if e == nil || e.Sequence != sequence {
		return nil
	}
	return e
}

// segmentOf returns the segment that an event is in.
func (l *lane) segmentOf(sequence uint64) *segment {
	for _, seg := range l.segments {
		if seg.first <= sequence && sequence <= seg.last {
			return seg
		}
	}
	return nil
}

// behind reports whether something is to be written.
func (l *lane) behind() bool { return l.log != nil && (l.busy || l.unwritten != nil) }

// newest returns the segment that is appended to; nil if there is none.
func (l *lane) newest() *segment {
	if n := len(l.segments); n > 0 {
		return l.segments[n-1]
	}
	return nil
}

// oldest returns since when the oldest event waits.
func (l *lane) oldest() (at int64, ok bool) {
	for _, seg := range l.segments {
		if seg.live > 0 {
			return seg.oldest, true
		}
	}
	if l.front != nil {
		return l.front.at, true
	}
	return 0, false
}

// take takes a segment out, for Run to delete its file.
func (l *lane) take(seg *segment) {
	for i, other := range l.segments {
		if other == seg {
			l.segments = append(l.segments[:i:i], l.segments[i+1:]...)
			break
		}
	}
	l.doomed = append(l.doomed, seg.number)
}

// doomUnknown has the log's newest segment deleted if there is nothing in it that counts.
func (l *lane) doomUnknown() {
	number, _ := l.log.Newest()
	if number == 0 || l.newest() != nil && l.newest().number == number || slices.Contains(l.doomed, number) {
		return
	}
	l.doomed = append(l.doomed, number)
}

// placed notes a record that was written to a segment.
func (l *lane) placed(number uint64, octets int64, e *entry) {
	seg := l.newest()
	if seg == nil || seg.number != number {
		seg = &segment{number: number, first: e.Sequence, oldest: e.at}
		l.segments = append(l.segments, seg)
	}
	seg.last, seg.newest, seg.octets = e.Sequence, e.at, octets
	seg.records++
	if !e.gone {
		seg.live++
		seg.liveOctets += e.octets
	}
}

// cursor goes along a lane, in the log and then in memory. It is used with Spool.mu held.
type cursor struct {
	*lane
	after  uint64 // the number of the event before
	handed uint64 // Spool.handed at the beginning
	entry  *entry // the next one in memory; nil: not looked for yet
	found  kept
	state  cursorState
}

type cursorState uint8

const (
	unknown cursorState = iota
	ready               // found is the next event
	lacking             // a segment must be read first
	atEnd
)

// peek finds the next event. If a segment must be read for that, it returns it.
func (c *cursor) peek() (lack *segment) {
	if c.state == ready || c.state == atEnd {
		return nil
	}
	limit := ^uint64(0) // from here on it is in memory
	if c.front != nil {
		limit = c.front.Sequence
	}
	for _, seg := range c.segments {
		if seg.last <= c.after {
			continue
		}
		if seg.first >= limit {
			break
		}
		if c.search(seg, limit) {
			return nil
		}
		if c.piece.number != seg.number || c.piece.octets < seg.octets {
			c.state = lacking
			return seg
		}
	}
	c.inMemory()
	return nil
}

// search looks for the next event in the piece that was read of a segment.
func (c *cursor) search(seg *segment, limit uint64) bool {
	if c.piece.number != seg.number {
		return false
	}
	events := c.piece.events
	i := sort.Search(len(events), func(i int) bool { return events[i].Sequence > c.after })
	if i == len(events) || events[i].Sequence >= limit {
		return false
	}
	c.found, c.state = events[i], ready
	return true
}

func (c *cursor) inMemory() {
	e := c.entry
	if e == nil {
		e = c.front
		if c.after >= c.handed {
			e = c.fresh
		}
	}
	for e != nil && e.Sequence <= c.after {
		e = e.next
	}
	if c.entry = e; e == nil {
		c.state = atEnd
		return
	}
	c.found, c.state = kept{e.Event, e.octets, e.at}, ready
}

// advance goes behind the event that was found.
func (c *cursor) advance() { c.after, c.state = c.found.Sequence, unknown }
