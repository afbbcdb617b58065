package spool

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"runnel/edge/codec"
	"runnel/edge/journal"
)

// Class is what an event is to survive.
type Class uint8

const (
	Memory  Class = iota // nothing
	Disk                 // kill -9 and power cuts, but for the last SpillAfter
	Durable              // both, from the moment on when Put's callback says so
)

var classNames = [...]string{"memory", "disk", "durable"}

// String is the class's name in the configuration.
func (c Class) String() string { return classNames[c] }

// ParseClass reads a class's name.
func ParseClass(name string) (c Class, ok bool) {
	for i, n := range classNames {
		if n == name {
			return Class(i), true
		}
	}
	return 0, false
}

// Drop is what goes when the spool is full.
type Drop uint8

const (
	Oldest Drop = iota // what has waited longest, to make room for the new one
	Newest             // the new one
)

// String is the policy's name in the configuration.
func (d Drop) String() string {
	if d == Newest {
		return "newest"
	}
	return "oldest"
}

// Event is what is kept. Its bytes are never changed: Next's caller may keep them.
type Event struct {
	Epoch, Sequence uint64    // its identity, beside the node's; Put sets them
	Time            time.Time // when it was published, by the time of day; Put sets it if it is zero
	Class           Class
	Topic           string
	Options         []byte // what else is to cross, as the drain wants it; the spool does not look into it
	Payload         codec.Payload

	Held  bool // the far side has rejected it, or an earlier event of its topic; Next and Peek set it
	Probe bool // it is held, and shows whether it still has to be: nothing else of its topic comes before the answer
	Alone bool // it is a probe that may cost the connection (ReasonCloses): send it with nothing else under way

	Gap *Gap // not nil: it stands for events that were dropped, and is to be forwarded like one; it has no topic
}

// Gap says which events are missing.
type Gap struct {
	Reason      Reason
	First, Last uint64 // the sequence numbers, of which some between may have arrived
	Count       uint64 // how many are missing; 0: that can't be told
	Octets      uint64
	Since       time.Time // when the first of them was dropped, by the time of day
}

// Reason is why events were dropped.
type Reason string

const (
	BySize     Reason = "size"     // the spool was full
	ByMemory   Reason = "memory"   // memory was full, and the disk could not be written to
	ByAge      Reason = "age"      // they were too old
	ByDamage   Reason = "damage"   // files can't be read
	ByOperator Reason = "operator" // somebody said so
)

// Options say how a Spool keeps events. The zero value keeps them in memory.
type Options struct {
	Dir string // its own directory; "": everything is of class Memory

	MaxOctets int64         // of all events; default 64 MiB, without Dir 4 MiB
	MaxMemory int64         // of those that are in memory only, and of those that are there besides; default 4 MiB
	MaxAge    time.Duration // 0: no limit
	MinFree   int64         // octets that are to stay free on the disk; default 16 MiB, negative: none
	Drop      Drop

	SpillAfter time.Duration // default 1 s
	Sync       time.Duration // how long a durable event waits for others to be committed together with; default 100 ms

	RetryFirst time.Duration // until held events are sent once more; the pause doubles up to RetryLast. Default 5 s
	RetryLast  time.Duration // default 1 min
	RetryOne   bool          // one topic at a time: each time costs a connection

	Log *slog.Logger // default: nothing is logged

	disk journal.Disk // default: the machine's
}

const (
	defaultOctets     = 64 << 20
	defaultMemory     = 4 << 20
	defaultFree       = 16 << 20
	defaultSpillAfter = time.Second
	defaultSync       = 100 * time.Millisecond
)

var (
	// ErrFull is what Put's callback gets for an event that there is no room for.
	ErrFull = errors.New("spool is full")
	// ErrClosed is what it gets after the end of Run.
	ErrClosed = errors.New("spool is closed")
	// ErrInUse is Open's error when another process has the directory.
	ErrInUse = errors.New("in use by another process")

	errNoDisk = errors.New("spool has no directory")
)

func (o Options) withDefaults() (Options, error) {
	for _, n := range []int64{o.MaxOctets, o.MaxMemory, int64(o.MaxAge), int64(o.SpillAfter), int64(o.Sync), int64(o.RetryFirst), int64(o.RetryLast)} {
		if n < 0 {
			return o, fmt.Errorf("open spool: %d is negative", n)
		}
	}
	orDefault(&o.MaxMemory, defaultMemory)
	if o.Dir == "" {
		orDefault(&o.MaxOctets, defaultMemory)
		o.MaxMemory = o.MaxOctets
	}
	orDefault(&o.MaxOctets, defaultOctets)
	orDefault(&o.MinFree, defaultFree)
	orDefault(&o.SpillAfter, defaultSpillAfter)
	orDefault(&o.Sync, defaultSync)
	orDefault(&o.RetryFirst, defaultRetryFirst)
	orDefault(&o.RetryLast, defaultRetryLast)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.disk == nil {
		o.disk = journal.Machine
	}
	return o, nil
}

func orDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Spool holds the events of one link. Its methods may be called from any goroutine; Next by one at a time.
type Spool struct {
	opts Options // replaced by Run, with mu held; of the others who holds mu reads it

	// Static after Open.
	log     *slog.Logger
	epoch   uint64
	clock   clock
	lanes   [3]*lane      // by Class; gaps stand in that of Memory
	wake    chan struct{} // room for one: there is something for Run to look at
	more    chan struct{} // room for one: there is something for Next to look at
	release func()        // gives the directory back

	gaps   *journal.Journal // nil without Dir; owned by Run
	writer writer           // owned by Run

	reading sync.Mutex // held by the one who reads from the logs; taken before mu

	mu sync.Mutex
	// Guarded by mu.
	last     uint64 // the sequence number given out last
	handed   uint64 // the highest one that Next has returned
	window   window // what Next has returned and Ack has not settled
	depth    int
	octets   int64         // of all events
	inMemory int64         // of those in memory, with what is besides on disk
	pinned   int64         // of those in memory that are not on disk
	room     chan struct{} // closed when there is some again; nil: nobody waits
	drops    Drops
	runs     map[run]*entry // the gap that each run of drops has left last
	newGaps  bool           // gaps have changed and are not written
	refusing bool           // full, and Drop is Newest: until there is room worth the name
	alarm    error          // why the disk is not written to
	alarmed  time.Time
	closed   bool
	update   *Options // what Update wants; nil: nothing
	words    []word   // callbacks that are due
	held     held     // what the far side has rejected
}

// State is how a spool is doing.
type State struct {
	Events   int           // that wait, those under way included
	Octets   int64         // of these
	OnDisk   int           // so many of them are written
	Files    int64         // octets of all files
	Oldest   time.Duration // how long the oldest of them has waited while the spool was open
	Held     Held
	Dropped  Drops
	Alarm    string // why the disk is not written to; "": all is well
	AlarmFor time.Duration
	Epoch    uint64
	Last     uint64 // the sequence number given out last
}

// Drops counts events that were dropped since Open.
type Drops struct {
	Events, Octets uint64
	Runs           uint64 // so many gaps were left
}

// Epoch is that of the events of this run.
func (s *Spool) Epoch() uint64 { return s.epoch }

// State returns how the spool is doing.
func (s *Spool) State() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := State{Events: s.depth, Octets: s.octets, Dropped: s.drops, Epoch: s.epoch, Last: s.last, Held: s.held.state()}
	if s.alarm != nil {
		st.Alarm, st.AlarmFor = s.alarm.Error(), time.Since(s.alarmed)
	}
	now := s.clock.now()
	for _, l := range s.lanes {
		for _, seg := range l.segments {
			st.OnDisk += seg.live
			st.Files += seg.octets
		}
		if at, ok := l.oldest(); ok {
			st.Oldest = max(st.Oldest, time.Duration(now-at)*time.Millisecond)
		}
	}
	for _, seg := range s.held.segments {
		st.OnDisk += seg.live
		st.Files += seg.octets
	}
	if at, ok := s.held.oldest(); ok {
		st.Oldest = max(st.Oldest, time.Duration(now-at)*time.Millisecond)
	}
	return st
}

// clock counts milliseconds while the spool is open, and goes on after a restart where it was.
type clock struct {
	start time.Time
	base  int64
}

func (c clock) now() int64 { return c.base + time.Since(c.start).Milliseconds() }
