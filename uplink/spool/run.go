package spool

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"
)

// writer is the state of Run.
type writer struct {
	schedule schedule
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

// work does everything that is due, and returns the time until the next task is due. Each queue is checked only at
// its turn, because a commit may take long and make room.
func (s *Spool) work() time.Duration {
	c := &s.writer.schedule
	now := s.clock.now()
	s.expire(now)
	err, tried := s.trim(), false
	for _, l := range s.lanes[Disk:] {
		if c.commitAt(s.queueOf(l)) <= now {
			tried = true
			err = errors.Join(err, s.commit(l))
		}
	}
	if c.commitAt(s.heldQueue()) <= now {
		tried = true
		err = errors.Join(err, s.commitHeld())
	}
	if s.held.log != nil {
		err = errors.Join(err, s.trimHeld())
	}
	if now >= c.gapsDueAt() {
		err = errors.Join(err, s.saveGaps())
		c.wroteGaps(s.clock.now())
	}
	if err == nil && !tried && c.testDue(now, s.gaps != nil) {
		err, tried = s.testWrite(), true
	}
	if err != nil || tried {
		s.report(err)
	}
	now = s.clock.now()
	return time.Duration(c.wakeAt(now, s.workload())-now) * time.Millisecond
}

// workload returns all that Run may have to do.
func (s *Spool) workload() workload {
	w := workload{onDisk: s.gaps != nil, maxAge: s.opts.MaxAge}
	for _, l := range s.lanes[Disk:] {
		w.queues = append(w.queues, s.queueOf(l))
	}
	w.queues = append(w.queues, s.heldQueue())
	s.mu.Lock()
	defer s.mu.Unlock()
	w.newGaps, w.events = s.newGaps, s.depth
	return w
}

// queueOf describes the events of a lane that are not written.
func (s *Spool) queueOf(l *lane) queue {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l.log == nil || l.nextWrite == nil {
		return queue{}
	}
	wait := s.opts.SpillAfter.Milliseconds()
	if l.class == Durable {
		wait = s.opts.Sync.Milliseconds()
	}
	q := queue{some: true, at: l.nextWrite.at + wait, answerBy: never, urgent: s.urgent()}
	for e := l.back; s.alarm != nil && e != nil && e.stored != nil; e = e.prev {
		q.answerBy = min(q.answerBy, e.at+wait)
	}
	return q
}

// urgent reports whether events must be written early to free memory.
func (s *Spool) urgent() bool { return s.memoryOnly > s.opts.MaxMemory/2 }

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
	c := &s.writer.schedule
	if err == nil {
		if s.alarm != nil {
			s.log.Info("spool writable again", "duration", time.Since(s.alarmed).Round(time.Second).String())
		}
		s.alarm = nil
		c.succeeded()
		return
	}
	if s.alarm == nil {
		s.alarmed = time.Now()
		s.log.Error("spool not writable; keeping events in memory", "err", err)
	}
	s.alarm = err
	now := s.clock.now()
	c.failed(now)
	if s.makeRoomOnDisk(err) {
		c.retryIn(now, s.opts.Sync)
	}
}

// makeRoomOnDisk makes room on a full disk by dropping the oldest events there, so that newer events in memory are not dropped.
func (s *Spool) makeRoomOnDisk(err error) bool {
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
			if e.state != written && e.Gap == nil {
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
		s.log.Warn("events lost that were in memory only", "events", lost)
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
