package durable

import (
	"cmp"
	"slices"
	"sort"
	"strings"
	"sync/atomic"
	"time"

	"runnel/edge/store"
	"runnel/edge/wamp"
)

// Rule selects the events of a durable subscription and its owners.
type Rule struct {
	Owner string // the sessions that may consume; "": all sessions that may subscribe
	Name  string
	URI   string
	Match wamp.Match

	// Bounds of the backlog. Beyond them the oldest events are dropped.
	MaxSize   int64 // bytes; 0: DefaultSize
	MaxEvents int   // 0: no limit
	MaxAge    time.Duration

	// Defaults for consumers.
	Window  int           // events in flight to one consumer; 0: DefaultWindow
	AckWait time.Duration // 0: DefaultAckWait
}

// The defaults of a Rule.
const (
	DefaultSize    = 16 << 20
	DefaultWindow  = 256
	MaxWindow      = 4096
	DefaultAckWait = 30 * time.Second
	MinAckWait     = 100 * time.Millisecond // otherwise the router would send events again before consumers can answer
	MaxAckWait     = 24 * time.Hour
	refusedWait    = time.Second // from an event's refusal to its redelivery
	ackPause       = 5 * time.Millisecond
)

// AckWaitInRange reports whether a time for acknowledgements is within its limits.
func AckWaitInRange(d time.Duration) bool { return d >= MinAckWait && d <= MaxAckWait }

func (r Rule) withDefaults() Rule {
	if r.MaxSize <= 0 {
		r.MaxSize = DefaultSize
	}
	if r.Window <= 0 {
		r.Window = DefaultWindow
	}
	r.Window = min(r.Window, MaxWindow)
	if r.AckWait <= 0 {
		r.AckWait = DefaultAckWait
	}
	return r
}

// compare orders rules by name and owner.
func (r *Rule) compare(owner, name string) int {
	return cmp.Or(strings.Compare(r.Name, name), strings.Compare(r.Owner, owner))
}

// key identifies a subscription.
type key struct{ owner, name string }

// Subscription is a durable subscription.
type Subscription struct {
	// Static after construction.
	store   *Store
	id      wamp.ID
	created time.Time
	epoch   atomic.Uint64 // changes when the subscription starts again, so that events with earlier positions are no repetitions
	wake    chan struct{} // is full when there may be something to do for deliver

	// Guarded by store.mu.
	Rule              // its owner, name, URI and match are static
	declared bool     // by the configuration
	floor    uint64   // everything up to this position is done
	floorAt  place    // where the search for records above floor begins
	gap      *gap     // dropped events that the consumers have not acknowledged
	read     uint64   // everything up to this position is done or in flight
	readAt   place    // of the next record
	flight   []*entry // in order of position; the first is not done
	slots    []*entry // the memory of flight, from its start
	unused   []*entry // to be used again by deliver
	byID     map[wamp.ID]*entry
	version  int   // changes when a goroutine other than deliver's changes positions
	events   int   // of the backlog
	octets   int64 // of the backlog
	oldest   int64 // the oldest event of the backlog is not older than this; ms since 1970
	exact    bool  // events is exact or too large
	attached int   // consumers since the store was opened
	charged  int   // chunks of the flight that were charged to the memory budget
	dirty    bool  // the cursor must be recorded
	removed  bool
	opening  bool // it has no id yet
	pausing  bool // deliver will be woken in a moment

	unsyncedEvents int
	unsyncedOctets int64

	consumers []*Attachment
	turn      int  // the consumer to be tried first
	running   bool // deliver runs

	delivered, redelivered, acked, dropped, expired uint64
}

// entry is an event that was read and is not done.
type entry struct {
	position uint64
	id       wamp.ID
	size     int64
	at, next place
	occurred int64
	to       *Attachment // nil: the event is free
	due      time.Time   // in flight: when it becomes free; free: earliest delivery
	again    bool        // it was delivered before
	done     bool
	counted  bool // it is part of the backlog
	barred   bool // it waits for a consumer that may receive it, and is tried again when it is due
}

// ID returns the subscription id by which sessions know it. It is the same as long as the realm is open.
func (d *Subscription) ID() wamp.ID { return d.id }

// Pattern returns the topic or pattern.
func (d *Subscription) Pattern() (string, wamp.Match) { return d.URI, d.Match }

func (d *Subscription) matches(h *head) bool {
	if h.kind == gapRecord {
		return true
	}
	switch d.Match {
	case wamp.Prefix:
		return len(h.topic) >= len(d.URI) && string(h.topic[:len(d.URI)]) == d.URI
	case wamp.Wildcard:
		return wamp.MatchesWildcard(d.URI, h.topic)
	}
	return string(h.topic) == d.URI
}

// count adds a new record to the backlog, if it matches. The caller holds mu.
func (d *Subscription) count(h *head) bool {
	if h.position <= d.floor || !d.matches(h) {
		return false
	}
	if d.events == 0 {
		d.oldest = h.at
	}
	d.events++
	d.octets += h.size
	d.unsyncedEvents++
	d.unsyncedOctets += h.size
	return true
}

// shrinkBacklog takes events out of the backlog. The caller holds mu.
func (d *Subscription) shrinkBacklog(events int, octets int64) {
	d.events, d.octets = max(d.events-events, 0), max(d.octets-octets, 0)
}

// skipTo records that the log has nothing for the subscription up to a position. It records the cursor only once a segment,
// because an older cursor has the same effect. The caller holds mu.
func (d *Subscription) skipTo(position uint64, next place) {
	if d.events == 0 && d.exact && len(d.flight) == 0 && position > d.floor {
		if d.floorAt.segment != next.segment {
			d.changed()
		}
		d.floor, d.floorAt = position, next
		d.setRead(position, next)
		d.version++
	}
}

func (d *Subscription) setFloor(position uint64, next place) {
	d.floor, d.floorAt = position, next
	d.changed()
}

func (d *Subscription) setRead(position uint64, next place) { d.read, d.readAt = position, next }

// changed makes Run record the cursor. The caller holds mu.
func (d *Subscription) changed() {
	if !d.dirty {
		d.dirty = true
		wake(d.store.upkeep)
	}
}

// find returns the entry of a position, and the index where it is or would be. The caller holds mu.
func (d *Subscription) find(position uint64) (*entry, int) {
	i := sort.Search(len(d.flight), func(i int) bool { return d.flight[i].position >= position })
	if i < len(d.flight) && d.flight[i].position == position {
		return d.flight[i], i
	}
	return nil, i
}

// finish ends an entry. The caller holds mu.
func (d *Subscription) finish(e *entry) {
	if e.done {
		return
	}
	e.done = true
	e.release()
	delete(d.byID, e.id)
	if e.counted {
		d.shrinkBacklog(1, e.size)
	}
	d.advance()
}

// release takes an entry from its consumer. The caller holds mu.
func (e *entry) release() {
	if e.to != nil {
		e.to.underWay--
		e.to = nil
	}
}

// advance moves the floor over all entries that are done. The caller holds mu.
func (d *Subscription) advance() {
	n := 0
	for n < len(d.flight) && d.flight[n].done {
		n++
	}
	if n == 0 && len(d.flight) > 0 {
		return
	}
	if n > 0 {
		d.oldest = max(d.oldest, d.flight[n-1].occurred)
		if e := d.flight[n-1]; e.position > d.floor {
			d.setFloor(e.position, e.next)
		}
	}
	d.removeFirst(n)
	if len(d.flight) == 0 {
		if d.read > d.floor {
			d.setFloor(d.read, d.readAt)
		}
	}
	d.uncharge()
}

// addEntry adds an entry to the flight. It reuses the room that finished entries have left at the start of slots. The caller
// holds mu.
func (d *Subscription) addEntry(e *entry) {
	if len(d.flight) == cap(d.flight) {
		if 2*len(d.flight) > len(d.slots) {
			d.slots = make([]*entry, 2*len(d.flight)+16)
		}
		n := copy(d.slots, d.flight)
		clear(d.slots[n:])
		d.flight = d.slots[:n]
	}
	d.flight = append(d.flight, e)
}

const maxUnused = 1024 // entries

// removeFirst removes the first n entries from the flight. Their memory is used for later entries. The caller holds mu.
func (d *Subscription) removeFirst(n int) {
	d.unused = append(d.unused, d.flight[:min(n, maxUnused-min(maxUnused, len(d.unused)))]...)
	clear(d.flight[:n])
	if d.flight = d.flight[n:]; len(d.flight) == 0 {
		d.flight = d.slots[:0]
	}
}

// Attachment is a consumer of a subscription.
type Attachment struct {
	sub *Subscription
	AttachOptions

	// Guarded by store.mu.
	underWay int
	gone     bool

	blocked <-chan struct{} // owned by deliver: closed when the consumer may have room again
}

// AttachOptions say how a consumer is served.
type AttachOptions struct {
	Consumer Consumer
	Window   int           // 0: the subscription's
	AckWait  time.Duration // 0: the subscription's
	Sent     bool          // an event is done once it is handed to the connection
	Origin   bool          // an event that the consumer rejects delays the later ones
	MaxAge   time.Duration // older events are not delivered; 0: no limit
}

// Consumer receives events. Its methods are called by one goroutine at a time.
type Consumer interface {
	// Admits reports whether the consumer may receive an event. own means that it may not, because it has published
	// the event itself.
	Admits(*store.Event) (may, own bool)

	// Deliver passes an event to the consumer, and never waits.
	Deliver(*Delivery) Verdict

	// DeliverGap passes a gap to the consumer. id is the publication id by which it is acknowledged.
	DeliverGap(Gap) Verdict

	// Room returns nil if the consumer has room, otherwise a channel that is closed when that may have changed.
	Room() <-chan struct{}

	// Flush sends the events that were handed out.
	Flush()
}

// Delivery is an event for a consumer.
type Delivery struct {
	*store.Event
	Position    uint64
	Epoch       uint64 // of the subscription
	At          time.Time
	Dated       bool // the event's own details say when it was published
	Redelivered bool
	Sent        bool // it need not be acknowledged
}

// Gap is a run of events that were dropped.
type Gap struct {
	ID          wamp.ID
	First, Last uint64 // positions
	Events      uint64 // 0: unknown
	Reason      string // size, count, age, disk, damage
	Redelivered bool
	Sent        bool
}

// Verdict is the result of a delivery.
type Verdict uint8

const (
	Delivered  Verdict = iota
	Full               // not delivered: the consumer has no room
	Gone               // not delivered: the consumer leaves
	Impossible         // the consumer cannot receive this event
)

// Attach adds a consumer. It may be called under the locks of the caller: it does not wait, and calls nothing.
func (d *Subscription) Attach(o AttachOptions) *Attachment {
	d.store.mu.Lock()
	defer d.store.mu.Unlock()
	if o.Window <= 0 {
		o.Window = d.Window
	}
	o.Window = min(o.Window, MaxWindow)
	if o.AckWait <= 0 {
		o.AckWait = d.AckWait
	}
	a := &Attachment{sub: d, AttachOptions: o, gone: d.removed}
	d.consumers = append(d.consumers, a)
	d.attached++
	d.retryBarred()
	if !d.running && !d.store.closed && !d.removed {
		d.running = true
		go d.deliver()
	}
	wake(d.wake)
	return a
}

// Detach removes the consumer. Its events are free at once.
func (a *Attachment) Detach() {
	d := a.sub
	d.store.mu.Lock()
	defer d.store.mu.Unlock()
	a.gone = true
	d.consumers = slices.DeleteFunc(d.consumers, func(other *Attachment) bool { return other == a })
	for _, e := range d.flight {
		if e.to == a {
			e.free(time.Time{})
		}
	}
	if g := d.gap; g != nil && g.to == a {
		g.to = nil
	}
	wake(d.wake)
}

// free makes an entry in flight free again, from a time on. The caller holds mu.
func (e *entry) free(from time.Time) {
	e.release()
	e.again, e.due = true, from
}

// Ack acknowledges an event or a gap by its publication id. It returns false if none with this id is in flight.
func (a *Attachment) Ack(id wamp.ID) bool {
	d := a.sub
	d.store.mu.Lock()
	defer d.store.mu.Unlock()
	if g := d.gap; g != nil && g.id == id {
		d.gap = nil
		d.changed()
		return true
	}
	e := d.byID[id]
	return e != nil && d.ack(e)
}

// AckPosition is Ack by the position of an event or a gap.
func (a *Attachment) AckPosition(position uint64) bool {
	d := a.sub
	d.store.mu.Lock()
	defer d.store.mu.Unlock()
	if g := d.gap; g != nil && g.id != 0 && g.Last == position {
		d.gap = nil
		d.changed()
		return true
	}
	e, _ := d.find(position)
	return e != nil && !e.done && e.id != 0 && d.ack(e)
}

// ack ends an event that a consumer has acknowledged. The caller holds mu.
func (d *Subscription) ack(e *entry) bool {
	to := e.to
	d.finish(e)
	d.acked++
	switch {
	case to == nil || to.underWay <= to.Window/2:
		wake(d.wake)
	case !d.pausing: // more acknowledgements may follow at once
		d.pausing = true
		time.AfterFunc(ackPause, func() { wake(d.wake) })
	}
	return true
}

// Removed reports whether the subscription was removed.
func (d *Subscription) Removed() bool {
	d.store.mu.Lock()
	defer d.store.mu.Unlock()
	return d.removed
}

// Refuse returns an event, which is delivered again after a while. It returns false if the event is not in flight.
func (a *Attachment) Refuse(id wamp.ID) bool {
	d := a.sub
	d.store.mu.Lock()
	defer d.store.mu.Unlock()
	e := d.byID[id]
	if e == nil {
		return false
	}
	if e.to != nil {
		e.free(time.Now().Add(refusedWait))
		wake(d.wake)
	}
	return true
}

// Subscription returns the consumer's subscription.
func (a *Attachment) Subscription() *Subscription { return a.sub }
