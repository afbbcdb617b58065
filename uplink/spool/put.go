package spool

import (
	"context"
	"time"
)

// Put takes an event in. It copies what e holds, and does not wait for the disk. stored, which may be nil, is called once:
// with nil when the event's class keeps its promise from now on, or with an error when it can't be kept. After ErrFull and
// ErrClosed the event is not in the spool; after any other error it is, in memory. stored must not wait: Put calls it, or
// Run.
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
	own := make([]byte, 0, len(e.Options)+len(e.Payload.Raw))
	own = append(append(own, e.Options...), e.Payload.Raw...)
	e.Options, e.Payload.Raw = own[:len(e.Options):len(e.Options)], own[len(e.Options):]
	in := &entry{Event: e, octets: octetsOf(&e), stored: stored}
	s.mu.Lock()
	if err := s.put(in); err != nil || e.Class != Durable {
		s.toTell(in, err)
	}
	s.unlockAndTell()
	signal(s.more)
}

func (s *Spool) put(e *entry) error {
	if s.closed {
		return ErrClosed
	}
	s.last++
	e.Epoch, e.Sequence, e.at = s.epoch, s.last, s.clock.now()
	if reason := s.makeRoom(e.octets); reason != "" {
		s.missing(lost{reason: reason, first: e.Sequence, last: e.Sequence, count: 1, octets: e.octets, atEnd: true})
		return ErrFull
	}
	l := s.lanes[e.Class]
	first := l.unwritten == nil
	l.push(e)
	s.count(e)
	s.evict()
	if first || s.pinned > s.opts.MaxMemory/2 || s.alarm != nil && e.Class == Durable {
		signal(s.wake)
	}
	return nil
}

// count counts an entry that is new in its lane.
func (s *Spool) count(e *entry) {
	s.depth++
	s.octets += e.octets
	s.inMemory += e.octets
	s.pinned += e.octets
}

// forget takes an entry out of memory. Whether its event still waits is another matter.
func (s *Spool) forget(l *lane, e *entry) {
	l.unlink(e)
	s.inMemory -= e.octets
	if !e.written {
		s.pinned -= e.octets
	}
}

// evict makes room in memory by letting go of what is on disk, too.
func (s *Spool) evict() {
	for _, l := range s.lanes {
		for s.inMemory > s.opts.MaxMemory && l.front != nil && l.front.written {
			s.forget(l, l.front)
		}
	}
}

// makeRoom makes room for so many octets, and says why it can't. Empty memory takes an event of any size that the spool
// is allowed.
func (s *Spool) makeRoom(octets int64) Reason {
	if octets > s.opts.MaxOctets {
		return BySize
	}
	for s.octets+octets > s.opts.MaxOctets && s.dropHeld(BySize) {
		// what can't cross is not to keep out what can
	}
	if s.opts.Drop == Newest {
		return s.roomAtEnd(octets)
	}
	for s.octets+octets > s.opts.MaxOctets {
		if !s.dropOldest(BySize) {
			return BySize
		}
	}
	for s.pinned > 0 && s.pinned+octets > s.opts.MaxMemory {
		if !s.dropPinned() {
			return ByMemory
		}
	}
	return ""
}

// roomAtEnd is makeRoom where the newest events go. What is full refuses until a sixteenth is empty, so that there are not
// more gaps than events.
func (s *Spool) roomAtEnd(octets int64) (full Reason) {
	size, memory := s.opts.MaxOctets, s.opts.MaxMemory
	if s.refusing {
		size, memory = size-size/16, memory-memory/16
	}
	switch {
	case s.octets+octets > size && (s.octets > 0 || !s.refusing):
		full = BySize
	case s.pinned > 0 && s.pinned+octets > memory:
		full = ByMemory
	}
	s.refusing = full != ""
	return full
}

// dropOldest drops what has waited longest and is not under way: a whole segment, or an event that is in memory only.
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

// droppableSegment returns a lane's first segment of which nothing is under way.
func (s *Spool) droppableSegment(l *lane) *segment {
	for i, seg := range l.segments {
		if seg.first > s.handed && (!l.busy || i < len(l.segments)-1) {
			return seg
		}
	}
	return nil
}

// droppableEntry returns a lane's first event that is neither under way nor written, nor being written. Gaps are worth
// their room.
func (s *Spool) droppableEntry(l *lane) *entry {
	e := l.unwritten
	if e != nil && e.Sequence <= s.handed {
		e = l.fresh
	}
	for e != nil && e.Gap != nil {
		e = e.next
	}
	return e
}

// dropPinned drops the oldest event that is in memory only.
func (s *Spool) dropPinned() bool {
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
	s.toTell(e, ErrFull)
	s.missing(lost{reason: reason, first: e.Sequence, last: e.Sequence, count: 1, octets: e.octets})
}

func (s *Spool) dropSegment(l *lane, seg *segment, reason Reason) {
	for l.front != nil && l.front.written && l.front.Sequence <= seg.last {
		s.forget(l, l.front)
	}
	s.depth -= seg.live
	s.octets -= seg.liveOctets
	l.take(seg)
	signal(s.wake)
	if seg.live > 0 {
		s.missing(lost{reason: reason, first: seg.first, last: seg.last, count: seg.live, octets: seg.liveOctets})
	}
}

// Room waits until the spool is far from dropping anything, but not longer than ctx. A producer that can wait, while the far
// side takes events, calls it before Put.
func (s *Spool) Room(ctx context.Context) { s.await(ctx, s.hasRoom) }

// CatchUp waits for the disk, where memory is full of what is about to be written, but not longer than ctx. A producer
// calls it before Put while the far side is away. A disk that can't be written to is not waited for.
func (s *Spool) CatchUp(ctx context.Context) { s.await(ctx, s.caughtUp) }

func (s *Spool) await(ctx context.Context, so func() bool) {
	for {
		s.mu.Lock()
		if s.closed || so() {
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
	return s.octets <= s.opts.MaxOctets-s.opts.MaxOctets/8 && s.pinned <= s.opts.MaxMemory-s.opts.MaxMemory/8
}

func (s *Spool) caughtUp() bool {
	behind := s.lanes[Disk].behind() || s.lanes[Durable].behind()
	return s.pinned <= s.opts.MaxMemory-s.opts.MaxMemory/8 || s.alarm != nil || !behind
}

// freed tells those who wait that there may be room.
func (s *Spool) freed() {
	if s.room != nil {
		close(s.room)
		s.room = nil
	}
}

// word is a callback that is due, to be called without the lock.
type word struct {
	stored func(error)
	err    error
}

// toTell has an event's callback called, if it has not been.
func (s *Spool) toTell(e *entry, err error) {
	if e.stored != nil {
		s.words = append(s.words, word{e.stored, err})
		e.stored = nil
	}
}

// unlock gives the lock back and calls the callbacks that are due.
func (s *Spool) unlockAndTell() {
	words := s.words
	s.words = nil
	s.mu.Unlock()
	for _, w := range words {
		w.stored(w.err)
	}
}

// signal fills a channel with room for one.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
