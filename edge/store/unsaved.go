package store

import (
	"maps"

	"runnel/edge/budget"
)

// unsaved records the topics whose retained events have to be written. Guarded by Retained.mu.
type unsaved struct {
	changed func() // called for each change; nil without a disk
	topics  map[string]struct{}
	all     bool // too many topics to be noted one by one
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

// onChange sets the function that is called for each change from now on.
func (r *Retained) onChange(changed func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.unsaved.changed = changed
}

// restore replaces a topic's events by those of a record. It reports whether there is memory for them. The limit is
// applied by restored, because later records may replace earlier ones.
func (r *Retained) restore(topic string, list []*retained) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	more := sizeOf(list) - sizeOf(r.topics[topic])
	if !r.memory.Keep(budget.Retained, more) {
		r.set(topic, nil)
		return false
	}
	r.memory.Drop(budget.Retained, more)
	r.set(topic, list)
	return true
}

// restored ends the restoring: it drops the expired events, then topics beyond the limit. It returns how many topics were
// beyond the limit.
func (r *Retained) restored() (topics int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for topic := range r.topics {
		r.current(topic)
	}
	for topic := range r.topics {
		if r.bytes <= r.limit {
			break
		}
		r.set(topic, nil)
		topics++
	}
	return topics
}

// takeUnsaved returns the topics that have changed since the last call, with their events. If all is true, more topics
// have changed than were noted.
func (r *Retained) takeUnsaved() (topics map[string][]*retained, all bool) {
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

// saveAgain records topics that could not be written.
func (r *Retained) saveAgain(topics map[string][]*retained) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for topic := range topics {
		r.unsaved.note(topic)
	}
}

func (r *Retained) snapshot() map[string][]*retained {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.topics)
}
