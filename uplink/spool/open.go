package spool

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"runnel/edge/journal"
)

// Open opens a spool with the events left in its directory. It succeeds whatever the files contain. A torn tail is cut
// off. The intact records of a damaged segment are forwarded, then the file is renamed to .bad. Every loss is logged and
// leaves a gap. If the directory cannot be read or written, the spool works in memory, with an alarm. Open fails only if
// another process uses the directory (ErrInUse) or if the options are invalid.
func Open(o Options) (*Spool, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Spool{
		opts: o, log: o.Log, epoch: newEpoch(), clock: clock{start: time.Now()}, release: func() {},
		wake: make(chan struct{}, 1), more: make(chan struct{}, 1), openGaps: make(map[gapKey]*entry),
	}
	for i := range s.lanes {
		s.lanes[i] = &lane{class: Class(i), limit: min(max(o.MaxOctets/16, 4<<10), 256<<10)}
	}
	if o.Dir == "" {
		return s, nil
	}
	if o.disk == journal.Machine {
		if err := s.lock(); err != nil {
			return nil, err
		}
	}
	if err := s.recover(); err != nil {
		s.report(fmt.Errorf("open spool: %w", err))
		s.gaps = nil
		for _, l := range s.lanes {
			l.log = nil
		}
		s.held.log = nil
	} else if err := s.writable(); err != nil {
		s.report(err)
	}
	return s, nil
}

// lock locks the directory. If it does not exist and cannot be created, there is nothing to lock.
func (s *Spool) lock() error {
	if err := s.opts.disk.MkdirAll(s.opts.Dir); err != nil {
		s.report(err)
		return nil
	}
	if err := s.opts.disk.SyncDir(filepath.Dir(s.opts.Dir)); err != nil {
		s.report(err)
	}
	release, err := lockFile(filepath.Join(s.opts.Dir, "lock"))
	switch {
	case errors.Is(err, ErrInUse):
		return fmt.Errorf("open spool %s: %w", s.opts.Dir, err)
	case err != nil:
		s.report(err)
	default:
		s.release = release
	}
	return nil
}

// newEpoch returns a random number that fits into a JSON number exactly.
func newEpoch() uint64 {
	var b [8]byte
	rand.Read(b[:])
	return binary.LittleEndian.Uint64(b[:])>>11 | 1
}

// recovery collects the information of the logs about the earlier run.
type recovery struct {
	acked  uint64 // all events up to this number are acknowledged or dropped
	last   uint64 // highest sequence number
	at     int64  // latest time of the spool's clock
	bad    int    // number of damaged files
	unread int    // number of invalid records
}

func (r *recovery) note(rec *record) {
	r.acked, r.last, r.at = max(r.acked, rec.acked), max(r.last, rec.Sequence, rec.acked), max(r.at, rec.at)
}

// recover reads the logs. It runs before any other goroutine knows the spool.
func (s *Spool) recover() (err error) {
	var r recovery
	for _, l := range s.lanes[Disk:] {
		if err = s.recoverLane(l, &r); err != nil {
			return err
		}
	}
	if err = s.recoverHeld(&r); err != nil {
		return err
	}
	gaps, err := s.recoverGaps(&r)
	if err != nil {
		return err
	}
	s.last, s.returned, s.clock.base = r.last, r.acked, r.at
	for _, l := range s.lanes[Disk:] {
		s.countLive(l)
	}
	for _, g := range gaps {
		if g.Sequence > r.acked {
			e := &entry{Event: g.Event, octets: cost, at: g.at}
			s.lanes[Memory].insert(e)
			s.count(e)
			if g.Gap.Reason == ByDamage {
				s.openGaps[gapKey{reason: ByDamage}] = e // damage found again at the next start extends this gap
			}
		}
	}
	if r.unread > 0 {
		s.log.Error("invalid records in spool", "records", r.unread)
	}
	if r.bad+r.unread > 0 {
		s.recordLoss(loss{reason: ByDamage, first: r.acked + 1, last: max(r.last, r.acked+1)})
	}
	if s.depth > 0 {
		s.log.Info("events of an earlier run restored", "events", s.depth, "bytes", s.octets)
	}
	return nil
}

func (s *Spool) recoverLane(l *lane, r *recovery) (err error) {
	last := uint64(0)
	segments := make(map[uint64]*segment)
	dir := filepath.Join(s.opts.Dir, l.class.String())
	var found journal.Found
	l.log, found, err = journal.OpenOn(s.opts.disk, dir, l.limit, func(number uint64, data []byte) {
		rec, ok := decode(data, "")
		if !ok || rec.kind == gapRecord {
			r.unread++
			return
		}
		r.note(&rec)
		if rec.kind != eventRecord || rec.Sequence <= last {
			return // written twice, after a failed write
		}
		last = rec.Sequence
		seg := segments[number]
		if seg == nil {
			seg = &segment{number: number, first: last, oldest: rec.at}
			segments[number] = seg
			l.segments = append(l.segments, seg)
		}
		seg.last, seg.newest = last, rec.at
		seg.records++
		seg.liveOctets += octetsOf(&rec.Event)
	})
	if err != nil {
		return err
	}
	// Without this sync, a deleted file may reappear after a power cut, with numbers that are assigned again.
	if failed := s.opts.disk.SyncDir(dir); failed != nil && !errors.Is(failed, fs.ErrNotExist) {
		s.report(failed)
	}
	s.logFound(dir, found, r)
	for _, info := range l.log.Segments() {
		if seg := segments[info.Number]; seg != nil {
			seg.octets, seg.sealed = info.Octets, info.Sealed
		} else if info.Sealed {
			l.toDelete = append(l.toDelete, info.Number) // it has no readable event
		}
	}
	return nil
}

func (s *Spool) logFound(dir string, found journal.Found, r *recovery) {
	if found.Torn > 0 {
		s.log.Warn("incomplete record at the end of spool, as after a power cut", "file", dir, "bytes", found.Torn)
	}
	if len(found.Bad) > 0 {
		s.log.Error("spool is damaged; intact events are forwarded, then the files are renamed to .bad", "file", found.Bad)
		r.bad += len(found.Bad)
	}
}

// countLive counts the events of a lane that are not acknowledged.
func (s *Spool) countLive(l *lane) {
	for _, seg := range l.segments {
		seg.live = seg.records
		if seg.first <= s.returned {
			s.adoptRest(l, seg)
		}
		s.depth += seg.live
		s.octets += seg.liveOctets
	}
	for i := len(l.segments) - 1; i >= 0; i-- {
		if l.segments[i].live == 0 {
			s.octets -= l.segments[i].liveOctets
			l.removeSegment(l.segments[i])
		}
	}
}

// adoptRest counts the events of a segment that is acknowledged in part.
func (s *Spool) adoptRest(l *lane, seg *segment) {
	last := uint64(0)
	l.log.Each(seg.number, seg.octets, func(data []byte) {
		rec, ok := decode(data, "")
		if ok && rec.kind == eventRecord && rec.Sequence > last && rec.Sequence >= seg.first && rec.Sequence <= s.returned {
			last = rec.Sequence
			seg.live--
			seg.liveOctets -= octetsOf(&rec.Event)
		}
	})
}

// recoverGaps reads the gaps. Of a gap that was written several times, the last record is valid.
func (s *Spool) recoverGaps(r *recovery) (gaps []record, err error) {
	dir := filepath.Join(s.opts.Dir, "gaps")
	var found journal.Found
	s.gaps, found, err = journal.OpenOn(s.opts.disk, dir, 64<<10, func(_ uint64, data []byte) {
		rec, ok := decode(data, "")
		if !ok || rec.kind != gapRecord {
			r.unread++
			return
		}
		r.note(&rec)
		for i := range gaps {
			if gaps[i].Gap.First == rec.Gap.First && gaps[i].Gap.Reason == rec.Gap.Reason {
				gaps[i] = rec
				return
			}
		}
		gaps = append(gaps, rec)
	})
	s.logFound(dir, found, r)
	return gaps, err
}
