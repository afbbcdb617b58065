package durable

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"runnel/edge/journal"
	"runnel/edge/store"
)

// Config configures a Store.
type Config struct {
	Directory string
	Limit     int64         // bytes of the log; default 64 MiB
	Interval  time.Duration // from an event that no publisher waits for to its sync
	Log       *slog.Logger

	// ReadOptions sets the fields of a restored event that depend on its options.
	ReadOptions func(*store.Event) error

	// Committed is called when the events of waiting publishers are on disk, or with the reason why they are not. No lock is
	// held.
	Committed func([]Waiter, error)

	// Report is called with the result of each write and sync.
	Report func(error)

	// Keep charges bytes to the memory budget, if it has room. Free frees them. Both may be nil, and are called with
	// locks held.
	Keep func(octets int) bool
	Free func(octets int)

	// Found is called by Open for every event in the log. The event is valid during the call only.
	Found func(Publication)

	// Histories may need the events, too. Needed returns the first position that they need; 0: none. Release is called before
	// events at some positions leave the log, or after the log has lost them (lost). It reports whether the histories have
	// taken over the events that they need. Run calls both without a lock. Either both or neither may be nil.
	Needed  func() uint64
	Release func(first, last uint64, lost bool) bool

	After uint64 // positions that others may know; new events get later ones
}

// Waiter identifies a publisher that waits until its event is on disk.
type Waiter any

// Store holds the events and durable subscriptions of one realm.
type Store struct {
	// Static after Open.
	Config
	journal  *journal.Journal // owned by Run; any goroutine may call From
	cursors  *journal.Journal // owned by Run
	wake     chan struct{}    // is full when events wait to be written
	upkeep   chan struct{}    // is full when cursors have changed
	gathered chan struct{}    // is full when as many publishers are waiting as at the last sync
	tasks    chan func()
	done     chan struct{} // closed when Run has ended

	// Owned by Run.
	spare     batch // memory for the next one
	unpacker  unpacker
	rewrite   bool        // the journal of cursors is incomplete
	compact   int64       // bytes of the journal of cursors when it was last rewritten
	unsynced  uint64      // events of the records written since the last sync
	synced    uint64      // position of the last record that is on disk
	forgotten []key       // removed subscriptions, to be recorded
	loud      func() bool // limits log lines about dropped events
	retryAt   time.Time   // when to retry a failed write
	timer     *time.Timer // of upkeep
	due       bool        // a write has scheduled upkeep; later writes do not postpone it
	syncing   <-chan time.Time
	saving    <-chan time.Time // of cursors
	saved     time.Time        // when they were last recorded
	took      time.Duration    // by the last sync for which publishers waited

	mu sync.Mutex
	// Guarded by mu.
	pending  packer // records to be written
	waiters  []Waiter
	crowd    int    // events whose publishers waited at the last sync, for it or for the next one
	next     uint64 // position of the next record
	written  uint64 // position of the last record that was written
	lost     uint64 // events that could not be written, to be reported by a gap record
	broken   error  // why writing fails at the moment
	segments []segment
	recent   recent          // the last records of the last segment
	subs     []*Subscription // by owner and name
	started  bool            // Run runs, is about to, or has ended
	closed   bool
}

// segment describes a file of the log.
type segment struct {
	number      uint64
	octets      int64
	first, last uint64 // positions
}

const (
	defaultLimit   = 64 << 20
	minSegment     = 64 << 10
	maxSegment     = 4 << 20
	maxPending     = 4 << 20 // bytes of events that wait to be written
	cursorSegment  = 256 << 10
	upkeepInterval = time.Second
	cursorInterval = 100 * time.Millisecond // at least, between two records of a cursor
	maxGather      = time.Millisecond
	ageInterval    = 10 * time.Second
	retryInterval  = time.Second

	// A power cut may lose records that have already been delivered. Positions skip ahead by this number, so that the
	// position of a record that was written within a second is not used again.
	unsyncedMost = 1 << 20

	maxSubs  = 4096 // of one realm
	maxOwned = 32   // that sessions of one owner may create
)

// Errors of a store. They are shown to clients.
var (
	ErrFull   = errors.New("the disk is too slow: too many events wait to be written")
	errClosed = errors.New("the realm is closing")
)

// Open opens the store of a directory. If it fails, the realm has no durable subscriptions.
func Open(c Config) (*Store, error) {
	c.Limit = cmp.Or(c.Limit, defaultLimit)
	s := &Store{
		Config: c, wake: make(chan struct{}, 1), upkeep: make(chan struct{}, 1), gathered: make(chan struct{}, 1), tasks: make(chan func()), done: make(chan struct{}),
		loud: everyMinute(), timer: time.NewTimer(upkeepInterval),
	}
	if err := s.openCursors(filepath.Join(c.Directory, "cursors")); err != nil {
		return nil, err
	}
	if err := s.openLog(filepath.Join(c.Directory, "log")); err != nil {
		return nil, err
	}
	return s, nil
}

// openLog reads the log, and counts the backlogs.
func (s *Store) openLog(dir string) error {
	reported := make(map[uint64]bool) // damaged segments
	var event store.Event
	others := 0
	log, found, err := journal.OpenOn(journal.Machine, dir, math.MaxInt64, func(number uint64, record []byte) {
		if !known(record) {
			others++
			return
		}
		s.unpacker.each(record, place{}, place{}, func(h *head, _, _ place) bool {
			if h.position <= s.written {
				return true
			}
			s.noteWritten(h.position, number)
			for _, d := range s.subs {
				d.count(h)
			}
			if g, err := h.loss(); err == nil && g.segment != 0 {
				reported[g.segment] = true
			}
			if p, err := h.stored(&event, s.ReadOptions); err == nil && s.Found != nil {
				s.Found(p)
			}
			return true
		})
	})
	if err != nil {
		return err
	}
	if others > 0 {
		return fmt.Errorf("read %s: %d records are of another version of runnel; run that version, or move the directory elsewhere", dir, others)
	}
	last := s.written
	s.journal, s.synced = log, last
	s.measure()
	for _, d := range s.subs {
		last = max(last, d.floor)
	}
	last = max(last, s.After)
	if s.next = last + 1; last > 0 {
		s.next += unsyncedMost
	}
	for _, d := range s.subs {
		d.read, d.readAt, d.floorAt = d.floor, s.locate(d.floor), s.locate(d.floor)
	}
	for _, d := range s.subs {
		d.unsyncedEvents, d.unsyncedOctets = 0, 0
	}
	for _, path := range found.Bad {
		s.noteDamage(path, reported)
	}
	return nil
}

// noteWritten records that the segment with a number has an event or gap. The caller holds mu, or runs before Run.
func (s *Store) noteWritten(position, number uint64) {
	if n := len(s.segments); n == 0 || s.segments[n-1].number != number {
		s.segments = append(s.segments, segment{number: number, first: position})
	}
	s.segments[len(s.segments)-1].last, s.written = position, position
}

// noteDamage adds a gap record for a damaged segment, unless there is one already.
func (s *Store) noteDamage(path string, reported map[uint64]bool) {
	for _, segment := range s.journal.Segments() {
		if journal.Name(segment.Number) == filepath.Base(path) && !reported[segment.Number] {
			s.Log.Warn("log of durable events is damaged; some events may be missing", "file", path)
			s.putGap(loss{reason: "damage", segment: segment.Number})
		}
	}
}

// measure copies the sizes of the segments from the journal. A segment that a failed sync has shortened keeps its place.
func (s *Store) measure() {
	for _, now := range s.journal.Segments() {
		if i := slices.IndexFunc(s.segments, func(g segment) bool { return g.number == now.Number }); i >= 0 {
			s.segments[i].octets = now.Octets
		}
	}
}

// Used reports whether there are durable subscriptions.
func (s *Store) Used() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.subs) > 0
}

// Put stores an event, and sets its position. If there is a waiter, it is passed to Config.Committed later. Put never waits for
// the disk. If it fails, the event is not stored. Without a waiter the event is counted as lost, and consumers get a gap.
func (s *Store) Put(p *Publication, w Waiter) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.broken
	if err == nil && len(s.pending.data) > maxPending {
		err = ErrFull
	}
	if err == nil && s.closed {
		err = errClosed
	}
	if err != nil {
		s.lost++
		return err
	}
	if p.At.IsZero() {
		p.At = time.Now()
	}
	p.Position = s.next
	s.pending.event(p.Position, p)
	s.next++
	if w != nil {
		if s.waiters = append(s.waiters, w); len(s.waiters) == s.crowd {
			wake(s.gathered)
		}
	}
	wake(s.wake)
	return nil
}

// putGap adds a gap record. The caller holds mu, or runs before Run.
func (s *Store) putGap(g loss) {
	s.pending.gap(s.next, time.Now(), g)
	s.next++
	wake(s.wake)
}

// wake fills a channel that has room for one signal.
func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Begin announces that Run is about to run. Until then, only one goroutine may use the store.
func (s *Store) Begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.started = true
}

// do runs a task in the goroutine of Run, and waits for it. Before Run, the caller's goroutine takes its place.
func (s *Store) do(task func()) error {
	s.mu.Lock()
	started := s.started
	s.mu.Unlock()
	if !started {
		task()
		return nil
	}
	ran := make(chan struct{})
	select {
	case s.tasks <- func() { task(); close(ran) }:
		<-ran
		return nil
	case <-s.done:
		return errClosed
	}
}

// everyMinute returns a function that returns true at most once a minute. One goroutine may call it.
func everyMinute() func() bool {
	var last time.Time
	return func() bool {
		if now := time.Now(); now.Sub(last) >= time.Minute {
			last = now
			return true
		}
		return false
	}
}
