package client

import (
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"runnel/edge/codec"
	"runnel/edge/wamp"
)

// eventQueue holds the events that were read and not yet handled, in the order in which they came. The read loop puts
// them in, the deliver goroutine hands them to their handlers. It outlives sessions, so that a reconnect does not reorder
// what came before it.
//
// Events stand in chunks: their bytes one after the other, beside a list of where each begins. A chunk is filled, handled
// and used again whole, so that a steady flow allocates nothing.
type eventQueue struct {
	// Static after newEventQueue.
	limit   int
	wait    time.Duration
	log     *slog.Logger
	arrived chan struct{} // room for one
	room    chan struct{} // room for one: the read loop may try again

	dropped    atomic.Uint64
	unanswered atomic.Int64 // requests of this client that wait for the router
	waiting    atomic.Bool  // the read loop waits in put

	mu sync.Mutex
	// Guarded by mu.
	chunks   []*chunk
	free     []*chunk // at most keptChunks
	size     int      // of all events in chunks and of those being handled
	dropping bool     // the queue was full for too long: nothing waits until it has half emptied
	closed   bool
	discard  bool          // closed, and what is left is not delivered
	empty    chan struct{} // closed when size is 0; nil: nobody waits for that
}

type chunk struct {
	bytes  []byte
	events []queued
}

// queued is an event in a chunk: its details end where its payload begins.
type queued struct {
	subscriptions      []*Subscription
	publication        wamp.ID
	start, middle, end int
	items              int
	serializer         wamp.Serializer
	confirm            *confirmation // nil: the router does not wait
}

const (
	chunkSize  = 32 << 10
	keptChunks = 4
	eventCost  = 64 // what an event takes beside its bytes
	hardFactor = 4  // how far beyond the limit the queue grows while a handler may be waiting for a reply
)

func (q queued) size() int { return q.end - q.start + eventCost }

func newEventQueue(o Options) *eventQueue {
	return &eventQueue{
		limit: o.EventBuffer, wait: o.HandlerWait, log: o.Log,
		arrived: make(chan struct{}, 1), room: make(chan struct{}, 1),
	}
}

// requested notes that n more requests wait for a reply. It lets the read loop go on, for the reply may be what the
// handler waits for.
func (q *eventQueue) addUnanswered(n int) {
	q.unanswered.Add(int64(n))
	if q.waiting.Load() {
		wake(q.room)
	}
}

// put appends an event. When the queue is full it waits for room, then makes some.
func (q *eventQueue) put(subscriptions []*Subscription, s wamp.Serializer, m *codec.Message, c *confirmation) {
	size := len(m.Dict.Raw) + len(m.Payload.Raw) + eventCost
	q.mu.Lock()
	if q.full(size) {
		q.makeRoom(size)
	}
	if !q.closed {
		q.append(subscriptions, s, m, c)
	}
	q.mu.Unlock()
	wake(q.arrived)
}

// full reports whether there is no room for size more bytes. An empty queue takes an event of any size. mu is held.
func (q *eventQueue) full(size int) bool {
	limit := q.limit
	if q.unanswered.Load() > 0 {
		limit *= hardFactor
	}
	return q.size > 0 && q.size+size > limit && !q.closed
}

// makeRoom waits for the handlers and, if they don't come, drops the oldest events. mu is held, but not while it waits.
func (q *eventQueue) makeRoom(size int) {
	if !q.dropping {
		q.waitForRoom(size)
	}
	before := q.dropped.Load()
	for q.full(size) && len(q.chunks) > 0 {
		q.dropOldest()
	}
	if q.dropped.Load() > before && !q.dropping {
		q.dropping = true
		q.log.Warn("a handler does not keep up, dropping the oldest events")
	}
}

func (q *eventQueue) waitForRoom(size int) {
	timer := time.NewTimer(q.wait)
	defer timer.Stop()
	q.waiting.Store(true)
	defer q.waiting.Store(false)
	for q.full(size) {
		q.mu.Unlock()
		expired := false
		select {
		case <-q.room:
		case <-timer.C:
			expired = true
		}
		q.mu.Lock()
		if expired {
			return
		}
	}
}

// dropOldest drops the oldest chunk.
func (q *eventQueue) dropOldest() {
	c := q.chunks[0]
	q.chunks = append(q.chunks[:0], q.chunks[1:]...)
	for _, e := range c.events {
		q.size -= e.size()
		if e.confirm != nil {
			e.confirm.resolve(errNotHandled)
		}
	}
	q.dropped.Add(uint64(len(c.events)))
	q.recycle(c)
}

// errNotHandled is what a publisher hears of an event that was dropped before the one who is to confirm it had it.
var errNotHandled = &Error{URI: wamp.Unavailable.Error(), cause: errors.New("the subscriber does not keep up")}

// append copies the event into the last chunk. mu is held.
func (q *eventQueue) append(subscriptions []*Subscription, s wamp.Serializer, m *codec.Message, confirm *confirmation) {
	c := q.chunkFor(len(m.Dict.Raw) + len(m.Payload.Raw))
	e := queued{
		subscriptions: subscriptions, publication: m.Publication, start: len(c.bytes), items: m.Payload.Items,
		serializer: s, confirm: confirm,
	}
	c.bytes = append(c.bytes, m.Dict.Raw...)
	e.middle = len(c.bytes)
	c.bytes = append(c.bytes, m.Payload.Raw...)
	e.end = len(c.bytes)
	c.events = append(c.events, e)
	q.size += e.size()
}

// chunkFor returns a chunk with room for n more bytes.
func (q *eventQueue) chunkFor(n int) *chunk {
	if last := len(q.chunks) - 1; last >= 0 && len(q.chunks[last].bytes)+n <= chunkSize {
		return q.chunks[last]
	}
	var c *chunk
	if last := len(q.free) - 1; last >= 0 {
		c, q.free = q.free[last], q.free[:last]
	} else {
		c = new(chunk)
	}
	q.chunks = append(q.chunks, c)
	return c
}

// recycle keeps a few chunks of ordinary size. mu is held.
func (q *eventQueue) recycle(c *chunk) {
	if cap(c.bytes) > 2*chunkSize || len(q.free) == keptChunks {
		return
	}
	clear(c.events) // lets go of subscriptions
	c.bytes, c.events = c.bytes[:0], c.events[:0]
	q.free = append(q.free, c)
}

// take waits for the next chunk; nil when the queue is closed. handled, if not nil, is the chunk done with.
func (q *eventQueue) take(handled *chunk) *chunk {
	q.mu.Lock()
	defer q.mu.Unlock()
	if handled != nil {
		q.recycle(handled)
	}
	for len(q.chunks) == 0 || q.discard {
		if q.closed {
			return nil
		}
		q.mu.Unlock()
		<-q.arrived
		q.mu.Lock()
	}
	c := q.chunks[0]
	q.chunks = append(q.chunks[:0], q.chunks[1:]...)
	return c
}

// deliver calls the handlers until the queue is closed.
func (q *eventQueue) deliver() {
	var ev Event
	for c := q.take(nil); c != nil; c = q.take(c) {
		for i, e := range c.events {
			ev = Event{
				Body: Body{
					Details: codec.Dict{Serializer: e.serializer, Raw: c.bytes[e.start:e.middle]},
					Payload: codec.Payload{Serializer: e.serializer, Items: e.items, Raw: c.bytes[e.middle:e.end]},
				},
				Publication: e.publication,
				More:        i+1 < len(c.events),
			}
			if e.confirm != nil {
				e.confirm.deliver(ev, e.subscriptions)
				e.subscriptions = nil
			}
			for _, sub := range e.subscriptions {
				ev.Subscription = sub
				if !sub.closed() {
					sub.handler(&ev)
				}
			}
			if q.handled(e.size()) {
				return
			}
		}
	}
}

// handled gives back an event's room, and reports whether the rest is not to be delivered.
func (q *eventQueue) handled(size int) (stop bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.size -= size
	q.signalEmpty()
	if q.size <= q.limit/2 {
		q.dropping = false
	}
	if q.waiting.Load() {
		wake(q.room)
	}
	return q.discard
}

// close ends deliver: at once with discard, else after the last event.
func (q *eventQueue) close(discard bool) {
	q.mu.Lock()
	q.closed, q.discard = true, discard
	q.signalEmpty()
	q.mu.Unlock()
	wake(q.arrived)
	wake(q.room)
}
