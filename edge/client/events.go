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

// eventQueue holds events between the read loop, which puts them in, and the deliver goroutine, which calls their
// handlers. It outlives sessions: events received before a reconnect keep their order.
//
// Events are stored in chunks: their bytes in sequence, and a list of their offsets. A chunk is filled, handled and
// reused as a whole, so that a steady flow allocates nothing.
type eventQueue struct {
	// Static after newEventQueue.
	limit   int
	wait    time.Duration
	log     *slog.Logger
	arrived chan struct{} // room for one
	room    chan struct{} // room for one: the read loop may continue

	dropped    atomic.Uint64
	unanswered atomic.Int64 // requests of this client without a reply
	waiting    atomic.Bool  // the read loop waits in waitForRoom

	mu sync.Mutex
	// Guarded by mu.
	chunks   []*chunk
	free     []*chunk // at most keptChunks
	size     int      // cost of the events in chunks, and of those being handled
	dropping bool     // the queue was full for too long: put drops instead of waiting, until half is free
	closed   bool
	discard  bool          // closed, and the remaining events are not delivered
	empty    chan struct{} // closed when size is 0; nil: no goroutine waits for that
}

type chunk struct {
	bytes  []byte
	events []queued
}

// queued is an event in a chunk. Its details are bytes[start:middle], its payload is bytes[middle:end].
type queued struct {
	subscriptions      []*Subscription
	publication        wamp.ID
	start, middle, end int
	items              int
	serializer         wamp.Serializer
	confirm            *confirmation // nil: the router does not wait for a confirmation
}

const (
	chunkSize  = 32 << 10
	keptChunks = 4
	eventCost  = 64 // memory of an event besides its bytes
	hardFactor = 4  // the queue may grow to this multiple of the limit while a handler may be waiting for a reply
)

func (q queued) size() int { return q.end - q.start + eventCost }

func newEventQueue(o Options) *eventQueue {
	return &eventQueue{
		limit: o.EventBuffer, wait: o.HandlerWait, log: o.Log,
		arrived: make(chan struct{}, 1), room: make(chan struct{}, 1),
	}
}

// addUnanswered counts n more requests without a reply. It wakes the read loop: a handler that blocks the queue may be
// waiting for one of these replies.
func (q *eventQueue) addUnanswered(n int) {
	q.unanswered.Add(int64(n))
	if q.waiting.Load() {
		wake(q.room)
	}
}

// put appends an event. If the queue is full it waits for room, and then drops events to make room.
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

// full reports whether there is no room for size more bytes. An empty queue accepts an event of any size. The caller holds mu.
func (q *eventQueue) full(size int) bool {
	limit := q.limit
	if q.unanswered.Load() > 0 {
		limit *= hardFactor
	}
	return q.size > 0 && q.size+size > limit && !q.closed
}

// makeRoom waits for the handlers and drops the oldest events if the wait times out. mu is held, except while waiting.
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
		q.log.Warn("handler too slow; dropping oldest events")
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

// dropOldest drops the oldest chunk and counts its events.
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

// errNotHandled is the publisher's error if the event it waits for was dropped before a handler confirmed it.
var errNotHandled = &Error{URI: wamp.Unavailable.Error(), cause: errors.New("the subscriber does not keep up")}

// append copies the event into the last chunk. The caller holds mu.
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

// chunkFor returns a chunk with room for n more bytes. The caller holds mu.
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

// recycle keeps up to keptChunks chunks of ordinary size for reuse. The caller holds mu.
func (q *eventQueue) recycle(c *chunk) {
	if cap(c.bytes) > 2*chunkSize || len(q.free) == keptChunks {
		return
	}
	clear(c.events) // releases the subscriptions
	c.bytes, c.events = c.bytes[:0], c.events[:0]
	q.free = append(q.free, c)
}

// take waits for the next chunk and returns nil once the queue is closed. handled is the chunk taken before, if any.
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

// handled frees the room of one event, and reports whether the rest must not be delivered.
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

// close ends deliver: at once with discard, otherwise after the last event.
func (q *eventQueue) close(discard bool) {
	q.mu.Lock()
	q.closed, q.discard = true, discard
	q.signalEmpty()
	q.mu.Unlock()
	wake(q.arrived)
	wake(q.room)
}
