package wamp

import (
	"sync"

	"runnel/edge/client"
	"runnel/edge/wamp"
)

// inbox holds the events that the client's goroutines pass to a watch. Its methods may be called from any goroutine.
type inbox struct {
	wake chan struct{} // room for one. Static after construction

	mu sync.Mutex
	// Guarded by mu.
	events  []metaEvent // in order
	lost    bool        // events are missing: the watch has to list again
	refused bool        // a meta topic was refused after a reconnect
}

// metaEvent is an event of the meta API.
type metaEvent struct {
	topic       string // without the census's prefix
	session, id wamp.ID
	details     map[string]any // of the created item; nil otherwise
}

// maxMetaEvents is how many events an inbox holds. Beyond it they are lost.
const maxMetaEvents = 10_000

func newInbox() inbox { return inbox{wake: make(chan struct{}, 1)} }

// notify wakes the watch.
func (b *inbox) notify() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// receive takes an event of a meta topic.
func (b *inbox) receive(topic string, e *client.Event) {
	args := e.Args()
	if len(args) < 2 {
		return
	}
	m := metaEvent{topic: topic, session: idOf(args[0]), id: idOf(args[1])}
	if m.details, _ = args[1].(map[string]any); m.details != nil {
		m.id = idOf(m.details["id"])
	}
	b.add(m)
	b.notify()
}

func (b *inbox) add(m metaEvent) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.events) < maxMetaEvents {
		b.events = append(b.events, m)
	} else {
		b.lost = true
	}
}

// setRefused records that a meta topic is refused, or with nil that it is accepted again. In this case events were missed.
func (b *inbox) setRefused(err error) {
	b.mu.Lock()
	b.refused, b.lost = err != nil, err == nil
	b.mu.Unlock()
	b.notify()
}

func (b *inbox) isRefused() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.refused
}

// take returns the events that have arrived since the last call.
func (b *inbox) take() []metaEvent {
	b.mu.Lock()
	defer b.mu.Unlock()
	events := b.events
	b.events = nil
	return events
}

// takeLost reports whether events were lost since the last time.
func (b *inbox) takeLost() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	lost := b.lost
	b.lost = false
	return lost
}
