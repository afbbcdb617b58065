package spool

import (
	"slices"

	"runnel/edge/journal"
)

// lane holds the events of one class in order. Older events are in segments of the log, newer ones in a list in memory. The
// list may begin with events that are also in the log, to avoid reading them back.
type lane struct {
	// Static after Open.
	class Class
	limit int64            // bytes at which a segment is full
	log   *journal.Journal // nil for Memory; only Run appends and deletes

	// Guarded by Spool.mu.
	list
	segments []*segment
	toDelete []uint64 // numbers of segments for Run to delete
	busy     bool     // Run is appending: the newest segment must stay

	cache cachedSegment // guarded by Spool.reading
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

// addRecord records that e was written to a segment, which is now octets bytes long.
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
