package spool

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"syscall"
	"time"
)

const (
	commitOctets  = 48 << 10 // in one write, so that it goes to one segment
	idle          = time.Hour
	gapsPause     = time.Second // between two writes of the gaps
	firstPatience = time.Second
	lastPatience  = 30 * time.Second
)

// writer is what Run keeps for itself.
type writer struct {
	retryAt  int64         // by the spool's clock: not before, after a failure
	patience time.Duration // until the next attempt
	gapsAt   int64         // the gaps are not written before
	scratch  []byte
}

// Run writes what is to be written, deletes what is settled and lets age what waits, until ctx is done. Then it writes what
// is left, of class Memory nothing, and gives the directory back. It returns nil.
func (s *Spool) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-s.wake:
		case <-timer.C:
		case <-ctx.Done():
			s.finish()
			return nil
		}
		s.renew()
		timer.Reset(s.attend())
	}
}

// Close gives the directory back without writing anything. It is for a spool whose Run is not called.
func (s *Spool) Close() {
	s.mu.Lock()
	s.closed = true
	s.freed()
	s.mu.Unlock()
	s.release()
}

// attend does what is due and returns how long until something will be.
func (s *Spool) attend() time.Duration {
	now := s.clock.now()
	s.expire(now)
	err, tried := s.trim(), false
	for _, l := range s.lanes[Disk:] {
		if at, ok := s.dueAt(l); ok && at <= now {
			tried = true
			err = errors.Join(err, s.commit(l))
		}
	}
	if at, ok := s.heldDueAt(); ok && at <= now {
		tried = true
		err = errors.Join(err, s.commitHeld())
	}
	if s.held.log != nil {
		err = errors.Join(err, s.trimHeld())
	}
	if now >= max(s.writer.retryAt, s.writer.gapsAt) {
		err = errors.Join(err, s.saveGaps())
		s.writer.gapsAt = s.clock.now() + gapsPause.Milliseconds()
	}
	if err == nil && !tried && s.alarmIsOld(now) {
		err, tried = s.probe(), true
	}
	if err != nil || tried {
		s.report(err)
	}
	return s.untilDue()
}

// alarmIsOld reports whether it is time to look whether the alarm still holds.
func (s *Spool) alarmIsOld(now int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.alarm != nil && s.gaps != nil && now >= s.writer.retryAt
}

// probe writes something for the sake of writing.
func (s *Spool) probe() error {
	if err := s.writable(); err != nil {
		return err
	}
	l := s.lanes[Disk]
	err := s.appendMark(l)
	s.mu.Lock()
	defer s.mu.Unlock()
	l.doomUnknown()
	return err
}

func (s *Spool) appendMark(l *lane) error {
	s.mu.Lock()
	last, settled := s.last, s.settledTo()
	s.mu.Unlock()
	_, err := l.log.Append(all([][]byte{appendHead(nil, markRecord, s.epoch, last, settled, s.clock.now())}))
	return errors.Join(err, l.log.Sync())
}

// untilDue returns how long until something is to be done.
func (s *Spool) untilDue() time.Duration {
	now := s.clock.now()
	next := now + idle.Milliseconds()
	for _, l := range s.lanes[Disk:] {
		if at, ok := s.dueAt(l); ok {
			next = min(next, at)
		}
	}
	if at, ok := s.heldDueAt(); ok {
		next = min(next, at)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.newGaps && s.gaps != nil {
		next = min(next, max(s.writer.retryAt, s.writer.gapsAt))
	}
	if s.alarm != nil && s.gaps != nil {
		next = min(next, s.writer.retryAt)
	}
	if age := s.opts.MaxAge.Milliseconds(); age > 0 && s.depth > 0 {
		next = min(next, now+max(age/16, 1))
	}
	return time.Duration(max(next-now, 1)) * time.Millisecond
}

// dueAt returns when a lane is to be committed.
func (s *Spool) dueAt(l *lane) (at int64, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := l.unwritten
	if l.log == nil || e == nil {
		return 0, false
	}
	wait := s.opts.SpillAfter
	if l.class == Durable {
		wait = s.opts.Sync
	}
	at = e.at + wait.Milliseconds()
	if s.pinned > s.opts.MaxMemory/2 {
		at = 0
	}
	if s.alarm == nil {
		return at, true
	}
	at = max(at, s.writer.retryAt)
	for e := l.back; e != nil && e.stored != nil; e = e.prev {
		at = min(at, e.at+wait.Milliseconds()) // somebody waits, and is to hear at least that it can't be done
	}
	return at, true
}

// commit writes what waits in a lane to its log and syncs it.
func (s *Spool) commit(l *lane) error {
	s.mu.Lock()
	l.busy = true
	until, settled := s.last, s.settledTo()
	if seg := l.newest(); seg != nil && s.opts.MaxAge > 0 && s.clock.now()-seg.oldest > s.opts.MaxAge.Milliseconds()/8 {
		l.log.Seal() // segments age as a whole
	}
	s.mu.Unlock()
	var done []placement
	err := s.writable()
	for err == nil {
		batch := s.gather(l, until)
		if len(batch) == 0 {
			break
		}
		p := placement{entries: batch}
		if _, err = l.log.Append(s.records(batch, settled)); err == nil {
			p.number, p.octets = l.log.Newest()
		} else {
			p.failed = true
		}
		done = append(done, p)
	}
	err = errors.Join(err, l.log.Sync())
	for i := range done { // a sync that failed, also that of a full segment, has lost all since the last good one
		done[i].failed = done[i].failed || !l.log.Holds(done[i].number, done[i].octets)
	}
	s.committed(l, done, until, err)
	return err
}

// placement says where entries have been written to.
type placement struct {
	entries []*entry
	number  uint64
	octets  int64 // of the segment, with them
	failed  bool
}

// gather takes entries that one write can hold.
func (s *Spool) gather(l *lane, until uint64) (batch []*entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	octets := int64(0)
	for e := l.unwritten; e != nil && e.Sequence <= until; e = l.unwritten {
		if octets += e.octets; len(batch) > 0 && octets > commitOctets {
			break
		}
		e.writing = true
		batch = append(batch, e)
		l.unwritten = e.next
	}
	return batch
}

func (s *Spool) records(batch []*entry, settled uint64) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for _, e := range batch {
			s.writer.scratch = appendEvent(s.writer.scratch[:0], e, settled)
			if !yield(s.writer.scratch) {
				return
			}
		}
		if cap(s.writer.scratch) > 2*commitOctets {
			s.writer.scratch = nil // a long one came
		}
	}
}

// committed notes what has become of a commit.
func (s *Spool) committed(l *lane, done []placement, until uint64, err error) {
	s.mu.Lock()
	defer s.unlockAndTell()
	l.busy = false
	for _, p := range done {
		for _, e := range p.entries {
			if e.writing = false; p.failed {
				continue
			}
			l.placed(p.number, p.octets, e)
			if !e.gone {
				e.written = true
				s.pinned -= e.octets
				s.toTell(e, nil)
			}
		}
	}
	if err != nil {
		s.uncommitted(l, until, err)
	}
	s.retire(l)
	s.evict()
	s.freed()
}

// uncommitted notes that not all could be written.
func (s *Spool) uncommitted(l *lane, until uint64, err error) {
	for l.unwritten = l.front; l.unwritten != nil && l.unwritten.written; {
		l.unwritten = l.unwritten.next
	}
	for e := l.unwritten; e != nil && e.Sequence <= until; e = e.next {
		s.toTell(e, fmt.Errorf("store event: %w", err))
	}
	l.doomUnknown()
}

// retire has segments deleted that are settled: the newest one of Durable not before it is half full, for the next commit
// would only make another one.
func (s *Spool) retire(l *lane) {
	for i := 0; i < len(l.segments); {
		seg := l.segments[i]
		newest := i == len(l.segments)-1 && !seg.sealed
		if seg.live > 0 || newest && (l.busy || l.class == Durable && seg.octets < l.limit/2) {
			i++
			continue
		}
		s.octets -= seg.liveOctets
		l.take(seg)
		signal(s.wake)
	}
}

// trim deletes the files of segments that are settled or dropped.
func (s *Spool) trim() (err error) {
	for _, l := range s.lanes[Disk:] {
		s.mu.Lock()
		doomed := l.doomed
		l.doomed = nil
		s.mu.Unlock()
		for i, number := range doomed {
			failed := l.log.Remove(number)
			if failed == nil {
				continue
			}
			err = errors.Join(err, failed)
			s.mu.Lock()
			l.doomed = append(l.doomed, doomed[i:]...)
			s.mu.Unlock()
			break
		}
	}
	return err
}

// expire drops what is too old.
func (s *Spool) expire(now int64) {
	if s.opts.MaxAge == 0 {
		return
	}
	limit := now - s.opts.MaxAge.Milliseconds()
	s.mu.Lock()
	defer s.unlockAndTell()
	for h := &s.held; len(h.segments) > 0 && h.segments[0].newest < limit && s.dropHeld(ByAge); {
	}
	for s.held.tailOlder(limit) && s.dropTail(ByAge) {
	}
	for _, l := range s.lanes {
		for seg := s.droppableSegment(l); seg != nil && seg.newest < limit; seg = s.droppableSegment(l) {
			s.dropSegment(l, seg, ByAge)
		}
		for e := s.droppableEntry(l); e != nil && e.at < limit; e = s.droppableEntry(l) {
			s.dropEntry(l, e, ByAge)
		}
	}
	s.freed()
	signal(s.more)
}

var errLow = errors.New("too little is free on the disk")

// writable says why the disk should not be written to.
func (s *Spool) writable() error {
	if s.opts.MinFree < 0 {
		return nil
	}
	if free, ok := freeOctets(s.opts.Dir); ok && free < s.opts.MinFree {
		return fmt.Errorf("%w: %d octets, min_free is %d", errLow, free, s.opts.MinFree)
	}
	return nil
}

// report raises the alarm, or ends it.
func (s *Spool) report(err error) {
	s.mu.Lock()
	defer s.unlockAndTell()
	defer s.freed()
	w := &s.writer
	if err == nil {
		if s.alarm != nil {
			s.log.Info("spool is on disk again", "after", time.Since(s.alarmed).Round(time.Second).String())
		}
		s.alarm, w.patience, w.retryAt = nil, 0, 0
		return
	}
	if s.alarm == nil {
		s.alarmed = time.Now()
		s.log.Error("spool can't be kept on disk, only in memory", "because", err)
	}
	s.alarm = err
	w.patience = min(max(2*w.patience, firstPatience), lastPatience)
	if s.relieve(err) {
		w.patience = s.opts.Sync
	}
	w.retryAt = s.clock.now() + w.patience.Milliseconds()
}

// relieve makes room on a full disk by dropping what is oldest there, before what is newer must be dropped from memory.
func (s *Spool) relieve(err error) bool {
	if s.opts.Drop != Oldest || s.pinned < s.opts.MaxMemory/2 || !errors.Is(err, errLow) && !errors.Is(err, syscall.ENOSPC) {
		return false
	}
	for _, l := range s.lanes[Disk:] {
		if seg := s.droppableSegment(l); seg != nil {
			s.dropSegment(l, seg, BySize)
			return true
		}
	}
	return false
}

// finish writes all that is left, and closes.
func (s *Spool) finish() {
	s.mu.Lock()
	s.closed = true
	s.freed()
	s.mu.Unlock()
	if s.gaps != nil {
		err := s.trim()
		for _, l := range s.lanes[Disk:] {
			err = errors.Join(err, s.commit(l))
		}
		err = errors.Join(err, s.commitHeld(), s.trimHeld(), s.saveGaps(), s.markSettled())
		for _, l := range s.lanes[Disk:] {
			err = errors.Join(err, l.log.Close())
		}
		if err = errors.Join(err, s.held.log.Close(), s.gaps.Close()); err != nil {
			s.log.Error("spool is not all on disk", "because", err)
		}
	}
	s.release()
	s.mu.Lock()
	defer s.unlockAndTell()
	lost := 0
	for _, l := range s.lanes {
		for e := l.front; e != nil; e = e.next {
			s.toTell(e, ErrClosed)
			if !e.written && e.Gap == nil {
				lost++
			}
		}
	}
	for _, in := range s.held.tail {
		s.tellHeld(in, ErrClosed)
		if !in.gone && !in.copied {
			lost++
		}
	}
	if lost > 0 {
		s.log.Warn("events that were in memory only are gone", "events", lost)
	}
}

// markSettled writes down how far the far side has acknowledged: of the records that say so, some may be deleted. When all is settled, no
// file is left.
func (s *Spool) markSettled() error {
	s.mu.Lock()
	some := s.settledTo() > 0
	for _, l := range s.lanes[Disk:] {
		for i := len(l.segments) - 1; i >= 0 && s.depth == 0; i-- {
			l.take(l.segments[i])
		}
	}
	s.mu.Unlock()
	err := s.trim()
	for _, l := range s.lanes[Disk:] {
		if number, _ := l.log.Newest(); some && number > 0 {
			return errors.Join(err, s.appendMark(l))
		}
	}
	return err
}
