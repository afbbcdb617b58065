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
	due  []echo          // from old to new
	kept map[string]kept // by topic: what we had the broker retain last
}

type echo struct {
	key uint64
	at  time.Time
}

// kept is what the broker retains. It comes back once for each time that we subscribe, from a broker that knows bridges,
// too, unless somebody else has published there meanwhile.
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

// expect notes what is about to be sent: live says that it comes back at once, retained that it does when we subscribe.
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
	return slices.ContainsFunc(filters, func(f string) bool { return matches(f, topic) })
}

// heard reports whether a message is an echo. Each is one once.
func (e *echoes) heard(topic string, payload []byte, retained bool) bool {
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
	delete(e.kept, topic) // now it is somebody else's
	return false
}

// subscribing notes that SUBSCRIBE is about to be sent: what the broker retains under these filters comes back. What is
// sent later is not what it retained before.
func (e *echoes) subscribing(filters []string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for topic, k := range e.kept {
		if matchAny(filters, topic) {
			e.kept[topic] = kept{key: k.key, due: true}
		}
	}
}

// connected begins a connection. What was sent live in the one before comes back only if the broker says so.
func (e *echoes) connected(back bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !back {
		e.due = e.due[:0]
	}
}
