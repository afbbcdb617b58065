package mqtt

import (
	"hash/maphash"
	"sync"
)

// resent recognizes retained messages that the broker sends again because the link has subscribed again, after the broker lost
// the session or where it keeps none. The realm has them already, and a retained command must not run twice. The memory is
// bounded; a forgotten message is delivered again.
type resent struct {
	seed maphash.Seed

	mu sync.Mutex
	// Guarded by mu.
	last map[string]kept // last delivered message by topic
}

const maxResent = 4096 // topics

func newResent() *resent {
	return &resent{seed: maphash.MakeSeed(), last: make(map[string]kept)}
}

// delivered records a message that the realm has accepted.
func (r *resent) delivered(topic string, payload []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, known := r.last[topic]; !known && len(r.last) >= maxResent {
		for other := range r.last {
			delete(r.last, other)
			break
		}
	}
	r.last[topic] = kept{key: maphash.Bytes(r.seed, payload)}
}

// subscribing records that SUBSCRIBE is about to be sent: the broker sends the retained messages of these filters.
func (r *resent) subscribing(filters []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for topic, k := range r.last {
		if matchAny(filters, topic) {
			r.last[topic] = kept{key: k.key, due: true}
		}
	}
}

// known reports whether a retained message was delivered before and arrives only because the link has subscribed again.
func (r *resent) known(topic string, payload []byte, retained bool) bool {
	if !retained {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	k, known := r.last[topic]
	if !known || !k.due {
		return false
	}
	r.last[topic] = kept{key: k.key}
	return k.key == maphash.Bytes(r.seed, payload)
}
