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

// Class states which failures an event survives.
type Class uint8

const (
	Memory  Class = iota // none
	Disk                 // a crash or a power cut, except for the last SpillAfter
	Durable              // both, as soon as the callback of Put is called with nil
)

var classNames = [...]string{"memory", "disk", "durable"}

// String returns the name of the class in the configuration.
func (c Class) String() string { return classNames[c] }

// ParseClass parses the name of a class.
func ParseClass(name string) (c Class, ok bool) {
	for i, n := range classNames {
		if n == name {
			return Class(i), true
		}
	}
	return 0, false
}

// Drop decides which events are dropped when the spool is full.
type Drop uint8

const (
	Oldest Drop = iota // the oldest events, to make room for the new one
	Newest             // the new event
)

// String returns the name of the policy in the configuration.
func (d Drop) String() string {
	if d == Newest {
		return "newest"
	}
	return "oldest"
}

// Event is an event in the spool. Its bytes are never modified, so the caller of Next may keep them.
type Event struct {
	Epoch, Sequence uint64    // identity within the node; set by Put
	Time            time.Time // time of publication, by the time of day; set by Put if zero
	Class           Class
	Topic           string
	Options         []byte // other data to transmit; opaque to the spool
	Payload         codec.Payload
	Expires         time.Time // when the event expires, for Put by the time of day; Next sets it again; zero: never

	limit int64 // ms from Put to Expires; 0: none
	until int64 // Expires by the time of day of Put, in ms since 1970

	Held  bool // the event, or an earlier one of its topic, was rejected; set by Next and Peek
	Probe bool // a held event sent to test its topic; others of the topic follow only after the answer
	Alone bool // a probe that may cost the connection (ReasonCloses); send it with nothing else in flight

	Gap *Gap // not nil: the event represents dropped ones and has no topic; forward it as an event
}

// Gap describes events that were dropped.
type Gap struct {
	Reason      Reason
	First, Last uint64 // sequence numbers; some events in between may have been delivered
	Count       uint64 // number of dropped events; 0: unknown
	Octets      uint64
	Since       time.Time // when the first event was dropped, by the time of day
}

// Reason is the cause of a Gap.
type Reason string

const (
	BySize     Reason = "size"     // the spool was full
	ByMemory   Reason = "memory"   // memory was full and the disk not writable
	ByAge      Reason = "age"      // the events were older than MaxAge
	ByDamage   Reason = "damage"   // files were unreadable
	ByOperator Reason = "operator" // an operator dropped the events
)

// Options configure a Spool. The zero value keeps all events in memory.
type Options struct {
	Dir string // directory for this spool alone; "": all events become class Memory

	MaxOctets int64         // bytes of all events; default 64 MiB, without Dir 4 MiB
	MaxMemory int64         // bytes of events in memory, on disk as well or not; default 4 MiB
	MaxAge    time.Duration // 0: no limit
	MinFree   int64         // bytes to leave free on the disk; default 16 MiB, negative: none
	Drop      Drop

	SpillAfter time.Duration // default 1 s
	Sync       time.Duration // how long a durable event waits to be committed together with others; default 100 ms

	RetryFirst time.Duration // pause before the first retry of held events; doubles up to RetryLast; default 5 s
	RetryLast  time.Duration // default 1 min
	RetryOne   bool          // retry one topic at a time, because each attempt costs a connection

	Log *slog.Logger // default: no logging

	disk journal.Disk // default: the disk of this machine
}

const (
	defaultOctets     = 64 << 20
	defaultMemory     = 4 << 20
	defaultFree       = 16 << 20
	defaultSpillAfter = time.Second
	defaultSync       = 100 * time.Millisecond
)

var (
	// ErrFull is passed to the callback of Put if there is no room for the event.
	ErrFull = errors.New("spool is full")
	// ErrClosed is passed to the callback of Put after Run has ended.
	ErrClosed = errors.New("spool is closed")
	// ErrInUse is returned by Open if another process uses the directory.
	ErrInUse = errors.New("in use by another process")

	errNoDisk = errors.New("spool has no directory")
)

func (o Options) withDefaults() (Options, error) {
	for _, n := range []int64{o.MaxOctets, o.MaxMemory, int64(o.MaxAge), int64(o.SpillAfter), int64(o.Sync), int64(o.RetryFirst), int64(o.RetryLast)} {
		if n < 0 {
			return o, fmt.Errorf("open spool: negative option %d", n)
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

// Spool holds the events of one link. Its methods may be called from any goroutine, but Next from only one at a time.
type Spool struct {
	opts Options // replaced by Run with mu held; Run reads it without mu, all others with mu

	// Static after Open.
	log     *slog.Logger
	epoch   uint64
	clock   clock
	lanes   [3]*lane      // by Class; gaps are in the lane of Memory
	wake    chan struct{} // capacity 1: Run has something to do
	more    chan struct{} // capacity 1: Next may have something to return
	release func()        // unlocks the directory

	gaps   *journal.Journal // nil without Dir; owned by Run
	writer writer           // owned by Run

	reading sync.Mutex // held while reading from the logs; locked before mu

	mu sync.Mutex
	// Guarded by mu.
	last       uint64 // last sequence number assigned
	returned   uint64 // highest sequence number returned by Next
	window     window // events returned by Next and not yet acknowledged or dropped
	depth      int
	octets     int64         // bytes of all events
	inMemory   int64         // bytes of events in memory, on disk as well or not
	memoryOnly int64         // bytes of events that are in memory only
	room       chan struct{} // closed when there is room again; nil: no goroutine waits
	drops      Drops
	expired    uint64
	openGaps   map[gapKey]*entry // the gap that the latest drops of each kind extend
	newGaps    bool              // gaps have changed since they were written
	refusing   bool              // full with Drop Newest: refuse events until a sixteenth is free
	alarm      error             // why the disk is not writable; nil: it is
	alarmed    time.Time
	closed     bool
	update     *Options   // options passed to Update and not yet applied
	callbacks  []callback // callbacks to call once mu is unlocked
	held       held       // events that the far side has rejected
}

// State is a snapshot of a spool.
type State struct {
	Events   int           // in the spool, including those in flight
	Octets   int64         // bytes of these events
	OnDisk   int           // number of these events that are on disk
	Files    int64         // bytes of all files
	Oldest   time.Duration // age of the oldest event, counted while the spool was open
	Held     Held
	Dropped  Drops
	Expired  uint64 // events that expired before they could be sent, since Open
	Alarm    string // why the disk is not writable; "": it is
	AlarmFor time.Duration
	Epoch    uint64
	Last     uint64 // last sequence number assigned
}

// Drops counts events dropped since Open.
type Drops struct {
	Events, Octets uint64
	Runs           uint64 // gaps left
}

// Epoch returns the epoch of the events put into this Spool.
func (s *Spool) Epoch() uint64 { return s.epoch }

// State returns a snapshot of the spool.
func (s *Spool) State() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := State{Events: s.depth, Octets: s.octets, Dropped: s.drops, Expired: s.expired, Epoch: s.epoch, Last: s.last, Held: s.held.state()}
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

// clock counts milliseconds while the spool is open. After a restart it continues where it was.
type clock struct {
	start time.Time
	base  int64
}

func (c clock) now() int64 { return c.base + time.Since(c.start).Milliseconds() }
