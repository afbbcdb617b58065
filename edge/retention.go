package edge

import (
	"maps"
	"slices"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"runnel/edge/budget"
	"runnel/edge/codec"
	"runnel/edge/wamp"
)

// retention keeps, for each topic, the event that a late subscriber is given (advanced/pubsub_event_retention.md).
//
// PUBLISH.Options.retain keeps an event: the latest that everybody may have, and the later ones that black or white
// lists restrict. What the specification leaves open: a retained PUBLISH without a payload clears its topic, and
// PUBLISH.Options._ttl is the time in ms after which an event is forgotten. A subscription by pattern is given one event
// for each topic that it matches.
type retention struct {
	full atomic.Bool // an event was not kept

	memory *budget.Budget // static

	mu      sync.Mutex
	max     int                    // octets of all events together
	topics  map[string][]*retained // from old to new; only the first may be for everybody
	sorted  []string               // the topics, immutable; nil when one has come or gone since
	version uint64                 // changes when one comes or goes
	octets  int

	unsaved unsaved
}

// retained is an event that is kept.
type retained struct {
	publication
	expires time.Time // zero: never
	octets  int
}

const (
	// maxRestricted is how many events with black or white lists are kept for one topic.
	maxRestricted = 8

	// retainedOverhead is what an event costs beside its topic and its payload, in octets; roughly.
	retainedOverhead = 512
)

// bound sets how many octets all events may have; those that are kept stay.
func (r *retention) bound(octets int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if octets > r.max {
		r.full.Store(false)
	}
	r.max = octets
}

// keep stores p or clears its topic. It returns false if there is no room.
func (r *retention) keep(p *publication) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	topic := string(p.topic)
	list := r.current(topic)
	if p.payload.Items == 0 {
		r.set(topic, nil)
		return true
	}
	event := &retained{publication: *p, octets: p.size()}
	event.retained = true
	event.topic, event.payload, event.dict = []byte(topic), p.payload.Clone(), p.dict.Clone()
	if p.options.ttl > 0 {
		event.expires = time.Now().Add(p.options.ttl)
	}
	if p.options.filter == nil {
		list = nil // nobody is given an older one any more
	} else if len(list) > maxRestricted {
		list = slices.DeleteFunc(slices.Clone(list), func(e *retained) bool { return e == oldestRestricted(list) })
	}
	return r.put(topic, append(slices.Clip(list), event))
}

func oldestRestricted(list []*retained) *retained {
	for _, e := range list {
		if e.options.filter != nil {
			return e
		}
	}
	return nil
}

func octetsOf(list []*retained) (n int) {
	for _, e := range list {
		n += e.octets
	}
	return n
}

// put is set if there is room. Holds mu.
func (r *retention) put(topic string, list []*retained) bool {
	more := octetsOf(list) - octetsOf(r.topics[topic])
	if r.octets+more > r.max || !r.memory.Keep(budget.Retained, more) {
		return false
	}
	r.memory.Drop(budget.Retained, more) // set charges it
	r.set(topic, list)
	return true
}

// set replaces a topic's events. Holds mu.
func (r *retention) set(topic string, list []*retained) {
	r.unsaved.note(topic)
	less := octetsOf(r.topics[topic]) - octetsOf(list)
	r.octets -= less
	r.memory.Drop(budget.Retained, less)
	if _, known := r.topics[topic]; known == (len(list) == 0) {
		r.sorted = nil
		r.version++
	}
	if len(list) == 0 {
		delete(r.topics, topic)
		return
	}
	if r.topics == nil {
		r.topics = make(map[string][]*retained)
	}
	r.topics[topic] = list
}

// drop forgets all events.
func (r *retention) drop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.memory.Drop(budget.Retained, r.octets)
	r.topics, r.sorted, r.octets = nil, nil, 0
}

// current returns a topic's events without those whose time is up. Holds mu.
func (r *retention) current(topic string) []*retained {
	list := r.topics[topic]
	expired := func(e *retained) bool { return !e.expires.IsZero() && !time.Now().Before(e.expires) }
	if slices.ContainsFunc(list, expired) {
		list = slices.DeleteFunc(slices.Clone(list), expired)
		r.set(topic, list)
	}
	return list
}

// names returns the topics with events, sorted. The lock is held for a copy of the names at most: publishers wait for it.
func (r *retention) names() []string {
	r.mu.Lock()
	names := r.sorted
	if names == nil {
		names = slices.AppendSeq(make([]string, 0, len(r.topics)), maps.Keys(r.topics))
	}
	known := r.sorted != nil
	version := r.version
	r.mu.Unlock()
	if known {
		return names
	}
	slices.Sort(names)
	r.mu.Lock()
	if r.version == version {
		r.sorted = names
	}
	r.mu.Unlock()
	return names
}

// matching returns the topics with events that a seat is for, sorted.
func (r *retention) matching(place *seat) (topics []string) {
	switch place.match {
	case wamp.Exact:
		return []string{place.uri}
	case wamp.Prefix:
		return beginning(r.names(), place.uri)
	}
	for _, topic := range r.names() {
		if place.match.Matches(place.uri, topic) {
			topics = append(topics, topic)
		}
	}
	return topics
}

// beginning returns the part of sorted names that begins with prefix.
func beginning(names []string, prefix string) []string {
	start, _ := slices.BinarySearch(names, prefix)
	names = names[start:]
	end := sort.Search(len(names), func(i int) bool { return !strings.HasPrefix(names[i], prefix) })
	return names[:end]
}

// latest returns the latest event of a topic that the session would have had, had it subscribed already; nil if there is
// none.
func (r *retention) latest(topic string, place *seat) *retained {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range slices.Backward(r.current(topic)) {
		if e.isFor(place) {
			return e
		}
	}
	return nil
}

// deliverRetained gives the events kept for the topics of place to its session. They may be many: when the peer does not
// keep up they wait for it, like any publisher, with no lock held. So each topic's event is looked for when it is its turn,
// or an old one might follow a new one.
func (t *turn) deliverRetained(r *realm, place *seat, sub *subscription) {
	s := place.session
	var f frame
	for _, topic := range r.retention.matching(place) {
		e := r.retention.latest(topic, place)
		if e == nil {
			continue
		}
		event := e.event(sub)
		event.Dict = t.eventDetails(s.serializer, sub, &e.publication)
		var err error
		if f.bytes, err = codec.Append(f.bytes[:0], s.serializer, &event); err == nil {
			t.append(place, f.bytes, true)
			t.applyBackpressure(s)
		}
	}
}
