package spool

import (
	"slices"
	"sort"

	"runnel/edge/journal"
)

// lane holds the events of one class in order. Older events are in segments of the log, newer ones in a list in memory.
// The list may begin with events that are also in the log, to avoid reading them back.
//
// Two marks divide the list. Each only moves towards the back, except that a failed commit returns nextWrite to the
// first entry that is not written:
//
//	front ... nextRead    returned by Next: in flight, or waiting to be forgotten
//	nextRead ... back     not yet returned by Next
//	front ... nextWrite   written, or being written
//	nextWrite ... back    not yet written
type lane struct {
	// Static after Open.
	class Class
	limit int64            // bytes at which a segment is full
	log   *journal.Journal // nil for Memory; only Run appends and deletes

	// Guarded by Spool.mu.
	front, back *entry
	nextRead    *entry // the first entry that Next has not returned
	nextWrite   *entry // the first entry that is neither written nor being written
	segments    []*segment
	toDelete    []uint64 // numbers of segments for Run to delete
	busy        bool     // Run is appending: the newest segment must stay

	cache cachedSegment // guarded by Spool.reading
}

// entry is an event in memory.
type entry struct {
	Event
	octets     int64
	at         int64       // by the spool's clock
	stored     func(error) // nil if there is no callback, or if it was called
	written    bool
	writing    bool // Run is writing it
	gone       bool // removed from the lane
	prev, next *entry
}

// segment describes one file of a lane.
type segment struct {
	number         uint64
	first, last    uint64 // sequence numbers
	octets         int64  // valid bytes of the file
	sealed         bool   // found damaged; not appended to
	records        int
	live           int   // records of events that are not acknowledged or dropped
	liveOctets     int64 // bytes of these events
	oldest, newest int64 // by the spool's clock
}

// cachedSegment is a segment that was read back.
type cachedSegment struct {
	number uint64
	octets int64
	events []item
}

// item is an event with its size and its time by the spool's clock.
type item struct {
	Event
	octets int64
	at     int64
}

// cost is added to the bytes of each event. It is roughly the size of its other fields, in a record or in memory.
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
	if l.nextRead == nil {
		l.nextRead = e
	}
	if l.nextWrite == nil {
		l.nextWrite = e
	}
}

// insert adds e at the position of its sequence number. Next must not have returned it.
func (l *lane) insert(e *entry) {
	at := l.nextRead
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
	if l.nextRead == at {
		l.nextRead = e
	}
	if l.nextWrite == at {
		l.nextWrite = e
	}
}

// unlink removes e. It keeps e.next, for iterations that are at e.
func (l *lane) unlink(e *entry) {
	if l.nextRead == e {
		l.nextRead = e.next
	}
	if l.nextWrite == e {
		l.nextWrite = e.next
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

// find returns the event with the given number if it is in memory. It searches from the front, because most requests are
// for old events.
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

// segmentOf returns the segment that holds an event.
func (l *lane) segmentOf(sequence uint64) *segment {
	for _, seg := range l.segments {
		if seg.first <= sequence && sequence <= seg.last {
			return seg
		}
	}
	return nil
}

// behind reports whether events remain to be written.
func (l *lane) behind() bool { return l.log != nil && (l.busy || l.nextWrite != nil) }

// newest returns the segment that is appended to, or nil.
func (l *lane) newest() *segment {
	if n := len(l.segments); n > 0 {
		return l.segments[n-1]
	}
	return nil
}

// oldest returns the time of the oldest event.
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

// removeSegment removes a segment. Run deletes its file.
func (l *lane) removeSegment(seg *segment) {
	for i, other := range l.segments {
		if other == seg {
			l.segments = append(l.segments[:i:i], l.segments[i+1:]...)
			break
		}
	}
	l.toDelete = append(l.toDelete, seg.number)
}

// deleteIfEmpty schedules the newest segment of the log for deletion if it holds no event of the lane.
func (l *lane) deleteIfEmpty() {
	number, _ := l.log.Newest()
	if number == 0 || l.newest() != nil && l.newest().number == number || slices.Contains(l.toDelete, number) {
		return
	}
	l.toDelete = append(l.toDelete, number)
}

// addRecord notes that e was written to a segment, which is now octets bytes long.
func (l *lane) addRecord(number uint64, octets int64, e *entry) {
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

// cursor iterates over a lane: first over its segments, then over its list. It is used with Spool.mu locked.
type cursor struct {
	*lane
	after    uint64 // sequence number of the previous event
	returned uint64 // Spool.returned when the cursor was created
	entry    *entry // next entry in memory; nil: not searched for yet
	found    item
	state    cursorState
}

type cursorState uint8

const (
	unknown       cursorState = iota
	ready                     // found is the next event
	segmentNeeded             // a segment must be loaded first
	atEnd
)

// peek finds the next event. If a segment must be loaded first, it returns that segment.
func (c *cursor) peek() (needed *segment) {
	if c.state == ready || c.state == atEnd {
		return nil
	}
	limit := ^uint64(0) // from this number on, events are in memory
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
		if c.cache.number != seg.number || c.cache.octets < seg.octets {
			c.state = segmentNeeded
			return seg
		}
	}
	c.inMemory()
	return nil
}

// search looks for the next event in the loaded segment.
func (c *cursor) search(seg *segment, limit uint64) bool {
	if c.cache.number != seg.number {
		return false
	}
	events := c.cache.events
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
		if c.after >= c.returned {
			e = c.nextRead
		}
	}
	for e != nil && e.Sequence <= c.after {
		e = e.next
	}
	if c.entry = e; e == nil {
		c.state = atEnd
		return
	}
	c.found, c.state = item{e.Event, e.octets, e.at}, ready
}

// advance moves beyond the event that was found.
func (c *cursor) advance() { c.after, c.state = c.found.Sequence, unknown }
