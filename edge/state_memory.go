package edge

import (
	"maps"
	"time"

	"runnel/edge/budget"
)

// The sides of history and retention that are turned to the disk.

// since returns the events with that number and later ones, the first one's number, and how many are gone.
func (h *history) since(number uint64) (events []*past, first, gone uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.trim()
	first = max(number, h.gone)
	return append(events, h.events[first-h.gone:]...), first, h.gone
}

// nextExpiry returns when the oldest event gets too old; a zero time is never.
func (h *history) nextExpiry() (at time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.events) == 0 || h.rule.Age == 0 {
		return at
	}
	return h.events[0].at.Add(h.rule.Age + time.Millisecond)
}

// unsaved notes the topics whose events are to be written. Guarded by retention.mu.
type unsaved struct {
	changed func() // is told of each change; nil: nobody writes
	topics  map[string]struct{}
	all     bool // too many to be noted one by one
}

func (u *unsaved) note(topic string) {
	if u.changed == nil {
		return
	}
	if u.topics == nil {
		u.topics = make(map[string]struct{})
	}
	if u.topics[topic] = struct{}{}; len(u.topics) > maxUnsaved {
		u.topics, u.all = nil, true
	}
	u.changed()
}

// save has changed told of each change from now on.
func (r *retention) save(changed func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.unsaved.changed = changed
}

// restore puts back a topic's events, in place of those that were there. It reports whether there is memory for them; the
// realm's own bound is applied in the end, when later records have replaced earlier ones.
func (r *retention) restore(topic string, list []*retained) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	more := octetsOf(list) - octetsOf(r.topics[topic])
	if !r.memory.Keep(budget.Retained, more) {
		r.set(topic, nil)
		return false
	}
	r.memory.Drop(budget.Retained, more)
	r.set(topic, list)
	return true
}

// restored ends the restoring: what has expired goes, and then what there is no room for. It returns how many topics there
// was no room for.
func (r *retention) restored() (topics int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for topic := range r.topics {
		r.current(topic)
	}
	for topic := range r.topics {
		if r.octets <= r.max {
			break
		}
		r.set(topic, nil)
		topics++
	}
	return topics
}

// unsavedTopics takes the topics that have changed since the last call, with their events. all says that it is more than
// can be said.
func (r *retention) unsavedTopics() (topics map[string][]*retained, all bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	topics = make(map[string][]*retained, len(r.unsaved.topics))
	for topic := range r.unsaved.topics {
		topics[topic] = r.topics[topic]
	}
	all = r.unsaved.all
	r.unsaved.topics, r.unsaved.all = nil, false
	return topics, all
}

// saveAgain gives back what unsavedTopics gave.
func (r *retention) saveAgain(topics map[string][]*retained) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for topic := range topics {
		r.unsaved.note(topic)
	}
}

func (r *retention) snapshot() map[string][]*retained {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.topics)
}

func (r *retention) size() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return int64(r.octets)
}
