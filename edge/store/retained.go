package store

import (
	"log/slog"
	"maps"
	"slices"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"runnel/edge/budget"
	"runnel/edge/wamp"
)

// Retained keeps, for each topic, the event that a late subscriber gets (advanced/pubsub_event_retention.md): the
// latest event without black or white lists, and later ones that lists restrict. Any goroutine may use it.
//
// The specification leaves two things open. Here a retained PUBLISH without a payload clears its topic, and an event may
// have a time to live.
type Retained struct {
	log    *slog.Logger   // static
	memory *budget.Budget // static
	full   atomic.Bool    // an event was not kept

	mu      sync.Mutex
	limit   int                    // bytes of all events together
	topics  map[string][]*retained // oldest first; only the first may be without lists
	sorted  []string               // the topics, immutable; nil when one was added or removed since
	version uint64                 // changes when a topic is added or removed
	bytes   int
	unsaved unsaved
}

// retained is an event that is kept.
type retained struct {
	Event
	end  time.Time // when the publisher's limit passes; zero: never
	size int
}

// maxRestricted is how many events with black or white lists are kept for one topic.
const maxRestricted = 8

// NewRetained returns an empty store for at most limit bytes of events.
func NewRetained(limit int, log *slog.Logger, memory *budget.Budget) *Retained {
	return &Retained{limit: limit, log: log, memory: memory}
}

// SetLimit sets how many bytes all events may have together. Events that are kept already stay.
func (r *Retained) SetLimit(bytes int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if bytes > r.limit {
		r.full.Store(false)
	}
	r.limit = bytes
}

// Keep keeps an event until it expires. An event without a payload clears its topic. If there is no room, the event is not
// kept, and Keep logs this the first time.
func (r *Retained) Keep(e *Event) {
	if limit, ok := r.keep(e); !ok && r.full.CompareAndSwap(false, true) {
		r.log.Warn("retained events have reached their limit; further ones are not kept", "limit", limit)
	}
}

func (r *Retained) keep(e *Event) (limit int, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	topic := string(e.Topic)
	list := r.current(topic)
	if e.Payload.Items == 0 {
		r.set(topic, nil)
		return r.limit, true
	}
	event := &retained{Event: e.clone(), end: e.expiry(), size: e.size()}
	if e.Filter == nil {
		list = nil // subscribers no longer get an older event
	} else if len(list) > maxRestricted {
		list = slices.DeleteFunc(slices.Clone(list), func(e *retained) bool { return e == oldestRestricted(list) })
	}
	return r.limit, r.put(topic, append(slices.Clip(list), event))
}

func oldestRestricted(list []*retained) *retained {
	for _, e := range list {
		if e.Filter != nil {
			return e
		}
	}
	return nil
}

func sizeOf(list []*retained) (n int) {
	for _, e := range list {
		n += e.size
	}
	return n
}

// put replaces a topic's events if there is room for the new ones. The caller holds mu.
func (r *Retained) put(topic string, list []*retained) bool {
	more := sizeOf(list) - sizeOf(r.topics[topic])
	if r.bytes+more > r.limit || !r.memory.Keep(budget.Retained, more) {
		return false
	}
	r.memory.Drop(budget.Retained, more) // set charges it
	r.set(topic, list)
	return true
}

// set replaces a topic's events. The caller holds mu.
func (r *Retained) set(topic string, list []*retained) {
	r.unsaved.note(topic)
	less := sizeOf(r.topics[topic]) - sizeOf(list)
	r.bytes -= less
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

// Drop frees the memory of all events.
func (r *Retained) Drop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.memory.Drop(budget.Retained, r.bytes)
	r.topics, r.sorted, r.bytes = nil, nil, 0
}

// current returns a topic's events without the expired ones. The caller holds mu.
func (r *Retained) current(topic string) []*retained {
	list := r.topics[topic]
	expired := func(e *retained) bool { return passed(e.end) }
	if slices.ContainsFunc(list, expired) {
		list = slices.DeleteFunc(slices.Clone(list), expired)
		r.set(topic, list)
	}
	return list
}

// names returns the topics with events, sorted. The lock is held only while the names are copied, because publishers wait
// for it.
func (r *Retained) names() []string {
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

// Matching returns the topics with events that match a URI or pattern, sorted. For an exact URI it returns just that.
func (r *Retained) Matching(match wamp.Match, uri string) (topics []string) {
	switch match {
	case wamp.Exact:
		return []string{uri}
	case wamp.Prefix:
		return beginning(r.names(), uri)
	}
	for _, topic := range r.names() {
		if match.Matches(uri, topic) {
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

// Latest returns the latest event of a topic for which may returns true; nil if there is none.
func (r *Retained) Latest(topic string, may func(*Event) bool) *Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range slices.Backward(r.current(topic)) {
		if may(&e.Event) {
			return e.until(e.end)
		}
	}
	return nil
}

// Size returns how many topics have events, and the estimated memory of the events in bytes.
func (r *Retained) Size() (topics, bytes int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.topics), r.bytes
}
