package wamp

import "runnel/edge/wamp"

// recent remembers the last publications of a rule. An event that matches several of the rule's subscriptions arrives several
// times, and crosses once.
type recent struct {
	ids  map[wamp.ID]bool
	ring []wamp.ID
	next int
}

const recentEvents = 1024

// first reports whether a publication has not arrived before. Only the goroutine that hands over events may call it.
func (r *rule) first(id wamp.ID) bool {
	if r.subscribed.Load() < 2 && r.recent.ids == nil || id == 0 {
		return true
	}
	return r.recent.add(id)
}

func (r *recent) add(id wamp.ID) bool {
	if r.ids == nil {
		r.ids, r.ring = make(map[wamp.ID]bool), make([]wamp.ID, recentEvents)
	}
	if r.ids[id] {
		return false
	}
	delete(r.ids, r.ring[r.next])
	r.ids[id], r.ring[r.next] = true, id
	r.next = (r.next + 1) % len(r.ring)
	return true
}
