package spool

import (
	"context"
	"time"
)

// Put adds an event. It copies the bytes of e and does not wait for the disk. stored, which may be nil, is called
// exactly once: with nil as soon as the promise of the event's class is kept, or with an error if it cannot be kept.
// After ErrFull and ErrClosed the event is not in the spool; after any other error it is, in memory. stored is called by
// Put or by Run and must not block.
func (s *Spool) Put(e Event, stored func(error)) {
	if e.Class != Memory && s.lanes[e.Class].log == nil {
		if e.Class == Durable && stored != nil {
			defer stored(errNoDisk)
			stored = nil
		}
		e.Class = Memory
	}
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	if e.limit, e.until = 0, 0; !e.Expires.IsZero() {
		e.limit = max(time.Until(e.Expires).Milliseconds(), 1)
		e.until = time.Now().UnixMilli() + e.limit
	}
	own := make([]byte, 0, len(e.Options)+len(e.Payload.Raw))
	own = append(append(own, e.Options...), e.Payload.Raw...)
	e.Options, e.Payload.Raw = own[:len(e.Options):len(e.Options)], own[len(e.Options):]
	in := &entry{Event: e, octets: octetsOf(&e), stored: stored}
	s.mu.Lock()
	if err := s.put(in); err != nil || e.Class != Durable {
		s.resolve(in, err)
	}
	s.unlockAndCall()
	signal(s.more)
}

func (s *Spool) put(e *entry) error {
	if s.closed {
		return ErrClosed
	}
	reason := s.makeRoom(e.octets) // this may leave a gap, which takes the next number
	s.last++
	e.Epoch, e.Sequence, e.at = s.epoch, s.last, s.clock.now()
	if reason != "" {
		s.recordLoss(loss{reason: reason, first: e.Sequence, last: e.Sequence, count: 1, octets: e.octets, refused: true})
		return ErrFull
	}
	l := s.lanes[e.Class]
	first := l.nextWrite == nil
	l.push(e)
	s.count(e)
	s.evict()
	if first || s.urgent() || s.alarm != nil && e.Class == Durable {
		signal(s.wake)
	}
	return nil
}

// count adds a new entry to the totals.
func (s *Spool) count(e *entry) {
	s.depth++
	s.octets += e.octets
	s.inMemory += e.octets
	s.memoryOnly += e.octets
}

// forget removes an entry from memory. It does not remove the event from the totals.
func (s *Spool) forget(l *lane, e *entry) {
	l.unlink(e)
	s.inMemory -= e.octets
	if e.state != written {
		s.memoryOnly -= e.octets
	}
}

// evict makes room in memory by forgetting events that are also on disk.
func (s *Spool) evict() {
	for _, l := range s.lanes {
		for e := l.evictable(); e != nil && s.inMemory > s.opts.MaxMemory; e = l.evictable() {
			s.forget(l, e)
		}
	}
}

// makeRoom makes room for the given number of bytes, or returns the reason why it cannot. If memory is empty, an event
// of any size up to MaxOctets is accepted.
func (s *Spool) makeRoom(octets int64) Reason {
	if octets > s.opts.MaxOctets {
		return BySize
	}
	for s.octets+octets > s.opts.MaxOctets && s.dropHeld(BySize) {
		// Rejected events give way to events that can be delivered.
	}
	if s.opts.Drop == Newest {
		return s.roomAtEnd(octets)
	}
	for s.octets+octets > s.opts.MaxOctets {
		if !s.dropOldest(BySize) {
			return BySize
		}
	}
	for s.memoryOnly > 0 && s.memoryOnly+octets > s.opts.MaxMemory {
		if !s.dropMemoryOnly() {
			return ByMemory
		}
	}
	return ""
}

// roomAtEnd is makeRoom for Drop Newest. A full spool refuses events until a sixteenth is free, so that it does not
// produce a gap for every event.
func (s *Spool) roomAtEnd(octets int64) (full Reason) {
	size, memory := s.opts.MaxOctets, s.opts.MaxMemory
	if s.refusing {
		size, memory = size-size/16, memory-memory/16
	}
	switch {
	case s.octets+octets > size && (s.octets > 0 || !s.refusing):
		full = BySize
	case s.memoryOnly > 0 && s.memoryOnly+octets > memory:
		full = ByMemory
	}
	s.refusing = full != ""
	return full
}

// dropOldest drops the oldest events that are not in flight: a whole segment, or an event that is in memory only.
func (s *Spool) dropOldest(reason Reason) bool {
	var lane *lane
	var seg *segment
	var e *entry
	least := ^uint64(0)
	for _, l := range s.lanes {
		if first := s.droppableSegment(l); first != nil && first.first < least {
			least, lane, seg, e = first.first, l, first, nil
		}
		if first := s.droppableEntry(l); first != nil && first.Sequence < least {
			least, lane, seg, e = first.Sequence, l, nil, first
		}
	}
	switch {
	case seg != nil:
		s.dropSegment(lane, seg, reason)
	case e != nil:
		s.dropEntry(lane, e, reason)
	default:
		return false
	}
	return true
}

// droppableSegment returns the first segment of a lane that has no events in flight.
func (s *Spool) droppableSegment(l *lane) *segment {
	for i, seg := range l.segments {
		if seg.first > s.returned && (!l.busy || i < len(l.segments)-1) {
			return seg
		}
	}
	return nil
}

// droppableEntry returns the first event of a lane that is not in flight, not written and not being written. Gaps are
// kept.
func (s *Spool) droppableEntry(l *lane) *entry {
	e := l.nextWrite
	if e != nil && e.Sequence <= s.returned {
		e = l.nextRead
	}
	for e != nil && e.Gap != nil {
		e = e.next
	}
	return e
}

// dropMemoryOnly drops the oldest event that is in memory only.
func (s *Spool) dropMemoryOnly() bool {
	if s.dropTail(ByMemory) {
		return true
	}
	var lane *lane
	var oldest *entry
	for _, l := range s.lanes {
		if e := s.droppableEntry(l); e != nil && (oldest == nil || e.Sequence < oldest.Sequence) {
			lane, oldest = l, e
		}
	}
	if oldest == nil {
		return false
	}
	s.dropEntry(lane, oldest, ByMemory)
	return true
}

func (s *Spool) dropEntry(l *lane, e *entry, reason Reason) {
	s.forget(l, e)
	s.depth--
	s.octets -= e.octets
	s.resolve(e, ErrFull)
	s.recordLoss(loss{reason: reason, first: e.Sequence, last: e.Sequence, count: 1, octets: e.octets})
}

func (s *Spool) dropSegment(l *lane, seg *segment, reason Reason) {
	for e := l.evictable(); e != nil && e.Sequence <= seg.last; e = l.evictable() {
		s.forget(l, e)
	}
	s.depth -= seg.live
	s.octets -= seg.liveOctets
	l.removeSegment(seg)
	signal(s.wake)
	if seg.live > 0 {
		s.recordLoss(loss{reason: reason, first: seg.first, last: seg.last, count: seg.live, octets: seg.liveOctets})
	}
}

// WaitForRoom waits until the spool is well below its limits, but not longer than ctx. A producer that can wait calls it before
// Put while the far side accepts events.
func (s *Spool) WaitForRoom(ctx context.Context) { s.waitFor(ctx, s.hasRoom) }

// CatchUp waits for the disk while memory is full of events that are about to be written, but not longer than ctx. A
// producer calls it before Put while the link is down. It does not wait for a disk that is not writable.
func (s *Spool) CatchUp(ctx context.Context) { s.waitFor(ctx, s.caughtUp) }

func (s *Spool) waitFor(ctx context.Context, done func() bool) {
	for {
		s.mu.Lock()
		if s.closed || done() {
			s.mu.Unlock()
			return
		}
		if s.room == nil {
			s.room = make(chan struct{})
		}
		room := s.room
		s.mu.Unlock()
		select {
		case <-room:
		case <-ctx.Done():
			return
		}
	}
}

func (s *Spool) hasRoom() bool {
	return s.octets <= s.opts.MaxOctets-s.opts.MaxOctets/8 && s.memoryOnly <= s.opts.MaxMemory-s.opts.MaxMemory/8
}

func (s *Spool) caughtUp() bool {
	behind := s.lanes[Disk].behind() || s.lanes[Durable].behind()
	return s.memoryOnly <= s.opts.MaxMemory-s.opts.MaxMemory/8 || s.alarm != nil || !behind
}

// signalRoom wakes the goroutines that wait for room.
func (s *Spool) signalRoom() {
	if s.room != nil {
		close(s.room)
		s.room = nil
	}
}

// callback is a callback to be called without the lock.
type callback struct {
	stored func(error)
	err    error
}

// resolve queues the callback of an event, unless it was called before.
func (s *Spool) resolve(e *entry, err error) {
	if e.stored != nil {
		s.callbacks = append(s.callbacks, callback{e.stored, err})
		e.stored = nil
	}
}

// unlockAndCall unlocks mu and calls the queued callbacks.
func (s *Spool) unlockAndCall() {
	callbacks := s.callbacks
	s.callbacks = nil
	s.mu.Unlock()
	for _, c := range callbacks {
		c.stored(c.err)
	}
}

// signal sends to a channel of capacity 1, unless it is full.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
