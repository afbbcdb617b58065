package mqtt

import (
	"hash/maphash"
	"slices"
	"sync"
	"time"
)

// echoes remembers what was sent to the broker and will come back, because the link has subscribed to it too: MQTT 3.1.1
// has no word for "not to me". It is bounded by number and by time; what it has forgotten comes in once, as a message of
// somebody else's would, and goes out no more, for the local router does not send an event back to who published it.
type echoes struct {
	seed maphash.Seed

	filters []string // what comes back

	mu sync.Mutex
	// Guarded by mu.
	due  []echo            // from old to new
	kept map[string]uint64 // topics: what we had the broker retain last, which comes back whenever we subscribe
}

type echo struct {
	key uint64
	at  time.Time
}

const (
	maxEchoes  = 4096
	echoExpiry = time.Minute
)

func newEchoes(filters []string) *echoes {
	return &echoes{seed: maphash.MakeSeed(), filters: filters, kept: make(map[string]uint64)}
}

func (e *echoes) key(topic string, payload []byte) uint64 {
	var h maphash.Hash
	h.SetSeed(e.seed)
	h.WriteString(topic)
	h.WriteByte(0) // no topic has it
	h.Write(payload)
	return h.Sum64()
}

// expect notes what is about to be sent.
func (e *echoes) expect(topic string, payload []byte, retain bool) {
	if !matchAny(e.filters, topic) {
		return
	}
	now, key := time.Now(), e.key(topic, payload)
	e.mu.Lock()
	defer e.mu.Unlock()
	old := 0
	for old < len(e.due) && (len(e.due)-old >= maxEchoes || now.Sub(e.due[old].at) > echoExpiry) {
		old++
	}
	e.due = append(slices.Delete(e.due, 0, old), echo{key, now})
	if _, known := e.kept[topic]; retain && (known || len(e.kept) < maxEchoes) {
		e.kept[topic] = key
	}
}

func matchAny(filters []string, topic string) bool {
	return slices.ContainsFunc(filters, func(f string) bool { return matches(f, topic) })
}

// heard reports whether a message is an echo. A live one is one once; retained is one that the broker had kept.
func (e *echoes) heard(topic string, payload []byte, retained bool) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.due) == 0 && !retained {
		return false
	}
	key := e.key(topic, payload)
	if last, known := e.kept[topic]; retained {
		return known && last == key
	}
	i := slices.IndexFunc(e.due, func(d echo) bool { return d.key == key })
	if i < 0 {
		return false
	}
	e.due = slices.Delete(e.due, i, i+1)
	return true
}

// forget is for a broker that sends none back, or has no session of ours any more; what it retains it still has.
func (e *echoes) forget() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.due = e.due[:0]
}
