package spool

import (
	"errors"
	"fmt"
	"iter"
	"slices"
)

const commitOctets = 48 << 10 // bytes in one write, which then goes to one segment

// commit writes and syncs the events of a lane that are not written.
func (s *Spool) commit(l *lane) error {
	s.mu.Lock()
	l.busy = true
	if number, _ := l.log.Newest(); slices.Contains(l.toDelete, number) {
		l.log.Seal() // nothing may be added to a segment that is about to be deleted
	}
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
		batch = append(batch, l.startWrite())
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
			if p.failed {
				e.state = unwritten
				continue
			}
			e.state = written
			l.addRecord(p.number, p.octets, e)
			if !e.gone {
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
	if len(s.held.topics) > 0 {
		signal(s.more) // there is room to move events to the held ones
	}
}

// commitFailed updates the lane after a commit that did not write everything.
func (s *Spool) commitFailed(l *lane, until uint64, err error) {
	l.rewindWrite()
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
