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

// Open opens a spool with what is left in its directory. That succeeds whatever is in the files: a torn tail is cut off;
// of a damaged segment all intact records are forwarded, then it is set aside as .bad. A loss is logged, and leaves a gap. If the directory can't be read or written to, the spool is in memory, with an alarm. It fails
// only where another process has the directory (ErrInUse), or the options are wrong.
func Open(o Options) (*Spool, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Spool{
		opts: o, log: o.Log, epoch: newEpoch(), clock: clock{start: time.Now()}, release: func() {},
		wake: make(chan struct{}, 1), more: make(chan struct{}, 1), runs: make(map[run]*entry),
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
	}
	return s, nil
}

// lock takes the directory. Where there is none and none can be made, there is nothing to be locked either.
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

// newEpoch makes a number that JSON can carry and that nobody has had.
func newEpoch() uint64 {
	var b [8]byte
	rand.Read(b[:])
	return binary.LittleEndian.Uint64(b[:])>>11 | 1
}

// recovery is what the logs say.
type recovery struct {
	settled uint64 // all up to this number is
	last    uint64 // the highest number
	at      int64  // how far the spool's clock had come
	bad     int    // files
	unread  int    // records
}

func (r *recovery) note(rec *record) {
	r.settled, r.last, r.at = max(r.settled, rec.settled), max(r.last, rec.Sequence, rec.settled), max(r.at, rec.at)
}

// recover reads the logs. It runs before anybody else knows of the spool.
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
	s.last, s.handed, s.clock.base = r.last, r.settled, r.at
	for _, l := range s.lanes[Disk:] {
		s.adopt(l)
	}
	for _, g := range gaps {
		if g.Sequence > r.settled {
			e := &entry{Event: g.Event, octets: cost, at: g.at}
			s.lanes[Memory].insert(e)
			s.count(e)
			if g.Gap.Reason == ByDamage {
				s.runs[run{reason: ByDamage}] = e // what is found damaged at each start leaves one gap
			}
		}
	}
	if r.unread > 0 {
		s.log.Error("spool has unusable records", "records", r.unread)
	}
	if r.bad+r.unread > 0 {
		s.missing(lost{reason: ByDamage, first: r.settled + 1, last: max(r.last, r.settled+1)})
	}
	if s.depth > 0 {
		s.log.Info("events wait from an earlier run", "events", s.depth, "octets", s.octets)
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
			return // written twice, after a failure
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
	// A file that is gone is not to come back after a power cut, with numbers that are used again.
	if failed := s.opts.disk.SyncDir(dir); failed != nil && !errors.Is(failed, fs.ErrNotExist) {
		s.report(failed)
	}
	s.tellOf(dir, found, r)
	for _, info := range l.log.Segments() {
		if seg := segments[info.Number]; seg != nil {
			seg.octets, seg.sealed = info.Octets, info.Sealed
		} else if info.Sealed {
			l.doomed = append(l.doomed, info.Number) // nothing in it can be read
		}
	}
	return nil
}

func (s *Spool) tellOf(dir string, found journal.Found, r *recovery) {
	if found.Torn > 0 {
		s.log.Warn("spool ends within a record, as after a power cut", "directory", dir, "octets", found.Torn)
	}
	if len(found.Bad) > 0 {
		s.log.Error("spool is damaged", "files", found.Bad, "remedy", "intact events are forwarded; the files are then renamed to .bad")
		r.bad += len(found.Bad)
	}
}

// adopt counts what of a lane's segments still waits.
func (s *Spool) adopt(l *lane) {
	for _, seg := range l.segments {
		seg.live = seg.records
		if seg.first <= s.handed {
			s.adoptRest(l, seg)
		}
		s.depth += seg.live
		s.octets += seg.liveOctets
	}
	for i := len(l.segments) - 1; i >= 0; i-- {
		if l.segments[i].live == 0 {
			s.octets -= l.segments[i].liveOctets
			l.take(l.segments[i])
		}
	}
}

// adoptRest counts in a segment of which a part is settled.
func (s *Spool) adoptRest(l *lane, seg *segment) {
	last := uint64(0)
	l.log.Each(seg.number, seg.octets, func(data []byte) {
		rec, ok := decode(data, "")
		if ok && rec.kind == eventRecord && rec.Sequence > last && rec.Sequence >= seg.first && rec.Sequence <= s.handed {
			last = rec.Sequence
			seg.live--
			seg.liveOctets -= octetsOf(&rec.Event)
		}
	})
}

// recoverGaps reads the gaps. Where one has grown between two writes, the longer one counts.
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
	s.tellOf(dir, found, r)
	return gaps, err
}
