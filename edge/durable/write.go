package durable

import (
	"time"

	"runnel/edge/journal"
)

// Run writes events until stop is closed. Then it writes the remaining events, and closes the files. If this write fails,
// Run tries once more to record the number of missing events.
func (s *Store) Run(stop <-chan struct{}) {
	defer close(s.done)
	defer s.timer.Stop()
	for {
		select {
		case <-s.wake:
			s.write()
		case <-s.syncing:
			s.sync()
		case <-s.upkeep:
			if s.saving == nil {
				s.saving = time.After(time.Until(s.saved.Add(cursorInterval)))
			}
		case <-s.saving:
			s.saveCursors()
		case task := <-s.tasks:
			s.write() // the task sees all assigned positions
			task()
		case <-s.timer.C:
			s.maintain()
		case <-stop:
			s.close()
			return
		}
	}
}

func (s *Store) close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.write()
	if err := s.sync(); err != nil || s.failing() {
		s.write() // the gap
		s.sync()
	}
	s.saveCursors()
	s.journal.Close()
	s.cursors.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range s.subs {
		d.flight, d.byID = nil, nil
		d.version++
		d.uncharge()
		wake(d.wake)
	}
}

// batch holds the records that are written with one call.
type batch struct {
	data    []byte
	ends    []int
	waiters []Waiter
	last    uint64 // position of the last event or gap
}

// each calls yield for every record.
func (b *batch) each(yield func([]byte) bool) {
	start := 0
	for _, end := range b.ends {
		if !yield(b.data[start:end:end]) {
			return
		}
		start = end
	}
}

// events returns how many events are lost if only the first n records are written.
func (b *batch) events(n int, u *unpacker) (events uint64) {
	for record := range b.each {
		if n--; n >= 0 {
			continue
		}
		u.each(record, place{}, place{}, func(h *head, _, _ place) bool {
			events += h.events()
			return true
		})
	}
	return events
}

const pageSize = 4096 // smallest unit of a disk write, in bytes

// align adds padding if the records would end near the end of a page in the file, so that the next batch need not write this
// page again. offset is where the first record will begin. The padding takes at most a quarter of the batch's size.
func (b *batch) align(offset int64) {
	end := offset + int64(len(b.data)+len(b.ends)*journal.Overhead)
	if missing := int(-end & (pageSize - 1)); missing <= len(b.data)/4 {
		for range missing {
			b.data = append(b.data, padding)
		}
		b.ends[len(b.ends)-1] += missing
	}
}

// take returns the records that wait to be written. It adds a gap record if events could not be stored.
func (s *Store) take() (b batch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken != nil {
		if time.Now().Before(s.retryAt) && !s.closed {
			return b
		}
		s.broken = nil
	}
	if s.lost > 0 {
		s.putGap(loss{events: s.lost, reason: "disk"})
		s.lost = 0
	}
	select {
	case <-s.gathered:
	default:
	}
	b = batch{s.pending.data, s.pending.ends, s.waiters, s.next - 1}
	s.pending.reset(s.spare.data, s.spare.ends)
	s.waiters = s.spare.waiters[:0]
	s.spare = batch{} // it is in use
	return b
}

// gather waits a moment until as many publishers are waiting as at the last sync. These publishers are about to
// publish again, and one sync can then serve all of them.
func (s *Store) gather() {
	s.mu.Lock()
	missing := len(s.waiters) > 0 && len(s.waiters) < s.crowd
	s.mu.Unlock()
	if missing {
		select {
		case <-s.gathered:
		case <-time.After(min(s.took/2, maxGather)):
		}
	}
}

// write writes all events that have arrived since the last call. It syncs them if a publisher waits.
func (s *Store) write() {
	s.gather()
	b := s.take()
	if len(b.ends) == 0 {
		s.spare = b
		return
	}
	err := s.append(&b)
	if err == nil && len(b.waiters) > 0 {
		start := time.Now()
		err = s.sync()
		s.took = time.Since(start)
		s.mu.Lock()
		s.crowd = len(b.waiters) + len(s.waiters)
		s.mu.Unlock()
	} else if s.syncing == nil {
		s.syncing = time.After(s.Interval)
	}
	s.Report(err)
	if len(b.waiters) > 0 {
		s.Committed(b.waiters, err)
	}
	if clear(b.waiters); cap(b.data) <= 2*maxPending {
		s.spare = b
	}
	if s.oversize() {
		s.maintain()
	} else if !s.due {
		s.due = true
		s.timer.Reset(upkeepInterval)
	}
}

// append writes a batch, and counts its records for the subscriptions.
func (s *Store) append(b *batch) error {
	if _, octets := s.journal.Newest(); octets >= min(max(s.Limit/16, minSegment), maxSegment) {
		s.journal.Seal()
	}
	if len(b.waiters) > 0 { // a sync follows
		b.align(s.journal.End())
	}
	n, err := s.journal.Append(b.each)
	missing := uint64(0)
	if journal.Lost(err) { // by the sync of a full segment
		missing = s.unsynced
		n, s.unsynced = 0, 0
		s.discount()
	}
	if err != nil {
		missing += b.events(n, &s.unpacker)
		defer s.noteLost(b.last)
	}
	number, _ := s.journal.Newest()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.publish(b, n, number); n == len(b.ends) && err == nil {
		s.recent.add(b, s.tail())
	}
	if err != nil {
		s.fail(err, missing)
	}
	return err
}

// publish counts the first n records of a batch for the subscriptions. The records are in the segment of this number. The
// caller holds mu.
func (s *Store) publish(b *batch, n int, number uint64) {
	matched := make([]bool, len(s.subs))
	each := func(h *head, _, _ place) bool {
		s.noteWritten(h.position, number)
		s.unsynced += h.events()
		for i, d := range s.subs {
			matched[i] = d.count(h) || matched[i]
		}
		return true
	}
	for record := range b.each {
		if n--; n < 0 {
			break
		}
		s.unpacker.each(record, place{}, place{}, each)
	}
	s.measure()
	for i, d := range s.subs {
		if matched[i] {
			wake(d.wake)
		} else {
			d.skipTo(s.written, s.tail())
		}
	}
}

// fail records that the log cannot be written, and schedules a retry. The caller holds mu.
func (s *Store) fail(err error, events uint64) {
	s.broken, s.retryAt = err, time.Now().Add(retryInterval)
	s.lost += events
	s.timer.Reset(retryInterval)
}

// sync syncs the log. A gap record reports the events that a failed sync has lost.
func (s *Store) sync() error {
	s.syncing = nil
	err := s.journal.Sync()
	if journal.Lost(err) {
		s.discount()
		s.mu.Lock()
		s.fail(err, s.unsynced)
		s.mu.Unlock()
	}
	s.unsynced = 0
	s.mu.Lock()
	for _, d := range s.subs {
		d.unsyncedEvents, d.unsyncedOctets = 0, 0
	}
	written := s.written
	s.mu.Unlock()
	if err == nil {
		s.synced = written
	} else if journal.Lost(err) {
		s.noteLost(written)
	}
	if err != nil || !s.failing() { // after a failed write there may be nothing to sync; that is not a success
		s.Report(err)
	}
	return err
}

// failing reports whether the last write or sync has failed.
func (s *Store) failing() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.broken != nil
}

// noteLost makes the histories take over the events that are not known to be on disk, up to a position. No lock is held.
func (s *Store) noteLost(last uint64) {
	if first := s.synced + 1; s.Release != nil && first <= last {
		s.Release(first, last, true)
	}
	s.synced = last
}

// discount removes the events that a failed sync has lost from the backlogs.
func (s *Store) discount() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.measure()
	s.recent.forget()
	for _, d := range s.subs {
		d.exact = false
		d.shrinkBacklog(d.unsyncedEvents, d.unsyncedOctets)
		d.unsyncedEvents, d.unsyncedOctets = 0, 0
	}
}

// oversize reports whether a bound is exceeded by too much to wait for the next upkeep.
func (s *Store) oversize() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.octets() > s.Limit {
		return true
	}
	for _, d := range s.subs {
		if d.octets > d.MaxSize/4*5 {
			return true
		}
	}
	return false
}

// octets returns the size of the log. The caller holds mu.
func (s *Store) octets() (n int64) {
	for _, g := range s.segments {
		n += g.octets
	}
	return n
}
