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
	commitOctets  = 48 << 10 // bytes in one write, which then goes to one segment
	idle          = time.Hour
	gapsPause     = time.Second // between two writes of the gaps
	firstPatience = time.Second
	lastPatience  = 30 * time.Second
)

// writer is the state of Run.
type writer struct {
	retryAt  int64         // by the spool's clock: no earlier attempt after a failure
	patience time.Duration // pause before the next attempt
	gapsAt   int64         // no earlier write of the gaps
	scratch  []byte
}

// Run writes events, deletes segments that are no longer needed and drops expired events, until ctx ends. It then writes
// all remaining events except those of class Memory, unlocks the directory and returns nil.
func (s *Spool) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-s.wake:
		case <-timer.C:
		case <-ctx.Done():
			s.shutDown()
			return nil
		}
		s.applyUpdate()
		timer.Reset(s.work())
	}
}

// Close unlocks the directory without writing anything. Call it only if Run is never called.
func (s *Spool) Close() {
	s.mu.Lock()
	s.closed = true
	s.signalRoom()
	s.mu.Unlock()
	s.release()
}

// work does everything that is due, and returns the time until the next task is due.
func (s *Spool) work() time.Duration {
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
	if err == nil && !tried && s.alarmDue(now) {
		err, tried = s.testWrite(), true
	}
	if err != nil || tried {
		s.report(err)
	}
	return s.untilDue()
}

// alarmDue reports whether it is time to check whether the alarm still applies.
func (s *Spool) alarmDue(now int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.alarm != nil && s.gaps != nil && now >= s.writer.retryAt
}

// testWrite checks that the disk is writable by appending a record without an event.
func (s *Spool) testWrite() error {
	if err := s.writable(); err != nil {
		return err
	}
	l := s.lanes[Disk]
	err := s.appendMark(l)
	s.mu.Lock()
	defer s.mu.Unlock()
	l.deleteIfEmpty()
	return err
}

func (s *Spool) appendMark(l *lane) error {
	s.mu.Lock()
	last, acked := s.last, s.ackedTo()
	s.mu.Unlock()
	_, err := l.log.Append(all([][]byte{appendHead(nil, markRecord, s.epoch, last, acked, s.clock.now())}))
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

// dueAt returns the time at which a lane is to be committed.
func (s *Spool) dueAt(l *lane) (at int64, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := l.nextWrite
	if l.log == nil || e == nil {
		return 0, false
	}
	wait := s.opts.SpillAfter
	if l.class == Durable {
		wait = s.opts.Sync
	}
	at = e.at + wait.Milliseconds()
	if s.memoryOnly > s.opts.MaxMemory/2 {
		at = 0
	}
	if s.alarm == nil {
		return at, true
	}
	at = max(at, s.writer.retryAt)
	for e := l.back; e != nil && e.stored != nil; e = e.prev {
		at = min(at, e.at+wait.Milliseconds()) // a publisher is waiting for an answer, even if it is an error
	}
	return at, true
}

// commit writes and syncs the events of a lane that are not written.
func (s *Spool) commit(l *lane) error {
	s.mu.Lock()
	l.busy = true
	until, acked := s.last, s.ackedTo()
	if seg := l.newest(); seg != nil && s.opts.MaxAge > 0 && s.clock.now()-seg.oldest > s.opts.MaxAge.Milliseconds()/8 {
		l.log.Seal() // a segment expires as a whole, so it must not span too long a time
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
		if _, err = l.log.Append(s.records(batch, acked)); err == nil {
			p.number, p.octets = l.log.Newest()
		} else {
			p.failed = true
		}
		done = append(done, p)
	}
	err = errors.Join(err, l.log.Sync())
	for i := range done { // a failed sync, also that of a full segment, loses all records since the last successful one
		done[i].failed = done[i].failed || !l.log.Holds(done[i].number, done[i].octets)
	}
	s.commitDone(l, done, until, err)
	return err
}

// placement states where entries were written.
type placement struct {
	entries []*entry
	number  uint64
	octets  int64 // size of the segment including them
	failed  bool
}

// gather takes as many entries as fit into one write.
func (s *Spool) gather(l *lane, until uint64) (batch []*entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	octets := int64(0)
	for e := l.nextWrite; e != nil && e.Sequence <= until; e = l.nextWrite {
		if octets += e.octets; len(batch) > 0 && octets > commitOctets {
			break
		}
		e.writing = true
		batch = append(batch, e)
		l.nextWrite = e.next
	}
	return batch
}

func (s *Spool) records(batch []*entry, acked uint64) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for _, e := range batch {
			s.writer.scratch = appendEvent(s.writer.scratch[:0], e, acked)
			if !yield(s.writer.scratch) {
				return
			}
		}
		if cap(s.writer.scratch) > 2*commitOctets {
			s.writer.scratch = nil // do not keep the memory of a long record
		}
	}
}

// commitDone updates the lane after a commit.
func (s *Spool) commitDone(l *lane, done []placement, until uint64, err error) {
	s.mu.Lock()
	defer s.unlockAndCall()
	l.busy = false
	for _, p := range done {
		for _, e := range p.entries {
			if e.writing = false; p.failed {
				continue
			}
			l.addRecord(p.number, p.octets, e)
			if !e.gone {
				e.written = true
				s.memoryOnly -= e.octets
				s.resolve(e, nil)
			}
		}
	}
	if err != nil {
		s.commitFailed(l, until, err)
	}
	s.retire(l)
	s.evict()
	s.signalRoom()
}

// commitFailed updates the lane after a commit that did not write everything.
func (s *Spool) commitFailed(l *lane, until uint64, err error) {
	for l.nextWrite = l.front; l.nextWrite != nil && l.nextWrite.written; {
		l.nextWrite = l.nextWrite.next
	}
	for e := l.nextWrite; e != nil && e.Sequence <= until; e = e.next {
		s.resolve(e, fmt.Errorf("store event: %w", err))
	}
	l.deleteIfEmpty()
}

// retire schedules segments without remaining events for deletion. The newest segment of Durable is kept until it is
// half full, because the next commit would only begin another one.
func (s *Spool) retire(l *lane) {
	for i := 0; i < len(l.segments); {
		seg := l.segments[i]
		newest := i == len(l.segments)-1 && !seg.sealed
		if seg.live > 0 || newest && (l.busy || l.class == Durable && seg.octets < l.limit/2) {
			i++
			continue
		}
		s.octets -= seg.liveOctets
		l.removeSegment(seg)
		signal(s.wake)
	}
}

// trim deletes the files of segments scheduled for deletion.
func (s *Spool) trim() (err error) {
	for _, l := range s.lanes[Disk:] {
		s.mu.Lock()
		toDelete := l.toDelete
		l.toDelete = nil
		s.mu.Unlock()
		for i, number := range toDelete {
			failed := l.log.Remove(number)
			if failed == nil {
				continue
			}
			err = errors.Join(err, failed)
			s.mu.Lock()
			l.toDelete = append(l.toDelete, toDelete[i:]...)
			s.mu.Unlock()
			break
		}
	}
	return err
}

// expire drops events older than MaxAge.
func (s *Spool) expire(now int64) {
	if s.opts.MaxAge == 0 {
		return
	}
	limit := now - s.opts.MaxAge.Milliseconds()
	s.mu.Lock()
	defer s.unlockAndCall()
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
	s.signalRoom()
	signal(s.more)
}

var errLow = errors.New("too little free space on disk")

// writable returns an error if the disk has too little free space.
func (s *Spool) writable() error {
	if s.opts.MinFree < 0 {
		return nil
	}
	if free, ok := freeOctets(s.opts.Dir); ok && free < s.opts.MinFree {
		return fmt.Errorf("%w: %d bytes, min_free is %d", errLow, free, s.opts.MinFree)
	}
	return nil
}

// report raises the alarm if err is not nil, and clears it otherwise.
func (s *Spool) report(err error) {
	s.mu.Lock()
	defer s.unlockAndCall()
	defer s.signalRoom()
	w := &s.writer
	if err == nil {
		if s.alarm != nil {
			s.log.Info("spool writable again", "duration", time.Since(s.alarmed).Round(time.Second).String())
		}
		s.alarm, w.patience, w.retryAt = nil, 0, 0
		return
	}
	if s.alarm == nil {
		s.alarmed = time.Now()
		s.log.Error("spool not writable, keeping events in memory", "err", err)
	}
	s.alarm = err
	w.patience = min(max(2*w.patience, firstPatience), lastPatience)
	if s.relieve(err) {
		w.patience = s.opts.Sync
	}
	w.retryAt = s.clock.now() + w.patience.Milliseconds()
}

// relieve makes room on a full disk by dropping the oldest events there, so that newer events in memory are not dropped.
func (s *Spool) relieve(err error) bool {
	if s.opts.Drop != Oldest || s.memoryOnly < s.opts.MaxMemory/2 || !errors.Is(err, errLow) && !errors.Is(err, syscall.ENOSPC) {
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

// shutDown writes all remaining events and closes the logs.
func (s *Spool) shutDown() {
	s.mu.Lock()
	s.closed = true
	s.signalRoom()
	s.mu.Unlock()
	if s.gaps != nil {
		err := s.trim()
		for _, l := range s.lanes[Disk:] {
			err = errors.Join(err, s.commit(l))
		}
		err = errors.Join(err, s.commitHeld(), s.trimHeld(), s.saveGaps(), s.appendAckMark())
		for _, l := range s.lanes[Disk:] {
			err = errors.Join(err, l.log.Close())
		}
		if err = errors.Join(err, s.held.log.Close(), s.gaps.Close()); err != nil {
			s.log.Error("cannot write all events to spool", "err", err)
		}
	}
	s.release()
	s.mu.Lock()
	defer s.unlockAndCall()
	lost := 0
	for _, l := range s.lanes {
		for e := l.front; e != nil; e = e.next {
			s.resolve(e, ErrClosed)
			if !e.written && e.Gap == nil {
				lost++
			}
		}
	}
	for _, in := range s.held.tail {
		s.resolveHeld(in, ErrClosed)
		if !in.gone && !in.copied {
			lost++
		}
	}
	if lost > 0 {
		s.log.Warn("events lost that were only in memory", "events", lost)
	}
}

// appendAckMark writes up to which number events are acknowledged, because the records that stated it may be deleted. If
// no events remain, it deletes all files instead.
func (s *Spool) appendAckMark() error {
	s.mu.Lock()
	some := s.ackedTo() > 0
	for _, l := range s.lanes[Disk:] {
		for i := len(l.segments) - 1; i >= 0 && s.depth == 0; i-- {
			l.removeSegment(l.segments[i])
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
