package mqtt

import (
	"hash/maphash"
	"runnel/transport/mqtt/naming"
	"slices"
	"sync"
	"time"
)

// echoes recognizes the link's own messages. The broker sends them back if the link has subscribed to their topics, because
// MQTT 3.1.1 can't exclude the sender. The memory is bounded by number and time. A forgotten echo is delivered once, like
// another client's message; it does not go out again, because the local router does not send an event back to its publisher.
type echoes struct {
	seed maphash.Seed

	filters []string // the link's subscriptions

	mu sync.Mutex
	// Guarded by mu.
	due  []echo          // oldest first
	kept map[string]kept // by topic: the last message that the broker was to retain
}

type echo struct {
	key uint64
	at  time.Time
}

// kept is a retained message. The broker sends it back once for each SUBSCRIBE, also with the bridge extension, unless another
// client has published to the topic in the meantime.
type kept struct {
	key uint64
	due bool
}

const (
	maxEchoes  = 4096
	echoExpiry = time.Minute
)

func newEchoes(filters []string) *echoes {
	return &echoes{seed: maphash.MakeSeed(), filters: filters, kept: make(map[string]kept)}
}

func (e *echoes) key(topic string, payload []byte) uint64 {
	var h maphash.Hash
	h.SetSeed(e.seed)
	h.WriteString(topic)
	h.WriteByte(0) // no topic has it
	h.Write(payload)
	return h.Sum64()
}

// expect records a message that is about to be sent. live means that the broker sends it back at once, retained that
// the broker sends it back after each SUBSCRIBE.
func (e *echoes) expect(topic string, payload []byte, live, retained bool) {
	if !live && !retained || !matchAny(e.filters, topic) {
		return
	}
	now, key := time.Now(), e.key(topic, payload)
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, known := e.kept[topic]; retained && (known || len(e.kept) < maxEchoes) {
		e.kept[topic] = kept{key: key}
	}
	if !live {
		return
	}
	old := 0
	for old < len(e.due) && (len(e.due)-old >= maxEchoes || now.Sub(e.due[old].at) > echoExpiry) {
		old++
	}
	e.due = append(slices.Delete(e.due, 0, old), echo{key, now})
}

func matchAny(filters []string, topic string) bool {
	return slices.ContainsFunc(filters, func(f string) bool { return naming.Matches(f, topic) })
}

// take reports whether a message is an echo, and forgets the echo.
func (e *echoes) take(topic string, payload []byte, retained bool) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.due) == 0 && len(e.kept) == 0 {
		return false
	}
	key := e.key(topic, payload)
	if k, known := e.kept[topic]; known && retained && k.due && k.key == key {
		e.kept[topic] = kept{key: key}
		return true
	}
	if i := slices.IndexFunc(e.due, func(d echo) bool { return d.key == key }); i >= 0 {
		e.due = slices.Delete(e.due, i, i+1)
		return true
	}
	delete(e.kept, topic) // another client has replaced it
	return false
}

// subscribing records that SUBSCRIBE is about to be sent: the broker sends back the retained messages of these filters.
func (e *echoes) subscribing(filters []string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for topic, k := range e.kept {
		if matchAny(filters, topic) {
			e.kept[topic] = kept{key: k.key, due: true}
		}
	}
}

// connected begins a connection. back means that messages of the previous connection may still come back.
func (e *echoes) connected(back bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !back {
		e.due = e.due[:0]
	}
}
