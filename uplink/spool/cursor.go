package spool

import "sort"

// cursor iterates over a lane: first over its segments, then over its list. The caller holds Spool.mu.
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
	switch c.state {
	case ready, atEnd:
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

// again makes peek search again, because entries were removed or renumbered.
func (c *cursor) again() { c.entry, c.state = nil, unknown }

// advance moves beyond the event that was found.
func (c *cursor) advance() { c.after, c.state = c.found.Sequence, unknown }
