package store

import (
	"cmp"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"runnel/edge/budget"
	"runnel/edge/wamp"
)

// Rule names a topic or pattern whose events are kept for later queries (advanced/pubsub_event_history.md). Its subscription
// exists from the start and stays, whether there are subscribers or not: wamp.subscription.lookup and list find its id. The
// oldest events are dropped when a bound is reached. On disk, a segment is deleted once all of its events are dropped.
type Rule struct {
	URI    string
	Match  wamp.Match
	Events int           // most events kept; default 1000
	Octets int           // limit of bytes of all events together; default 4 MiB
	Age    time.Duration // how long an event is kept; 0: no limit
}

func (r Rule) withDefaults() Rule {
	r.Events = cmp.Or(r.Events, 1000)
	r.Octets = cmp.Or(r.Octets, 4<<20)
	return r
}

func (r Rule) check(strict bool) error {
	switch {
	case !wamp.ValidURI(r.URI, r.Match, strict):
		return fmt.Errorf("history of %q: not a URI that can be matched as %v", r.URI, r.Match)
	case r.Events < 0 || r.Octets < 0 || r.Age < 0:
		return fmt.Errorf("history of %q: a bound is negative", r.URI)
	}
	return nil
}

// CheckRules returns the first error in a realm's rules.
func CheckRules(rules []Rule, strict bool) error {
	for i, rule := range rules {
		if err := rule.check(strict); err != nil {
			return err
		}
		if slices.ContainsFunc(rules[:i], rule.sameTopics) {
			return fmt.Errorf("history of %q: two rules for the same URI, matched as %v", rule.URI, rule.Match)
		}
	}
	return nil
}

func (r Rule) sameTopics(other Rule) bool { return r.URI == other.URI && r.Match == other.Match }

// History holds the events of one rule, in order of occurrence. The order does not depend on the clock, which may jump on
// machines without a battery. Any goroutine may use it.
type History struct {
	// Static after construction.
	URI     string
	Match   wamp.Match
	log     *slog.Logger
	memory  *budget.Budget
	changed func() // called for each event; nil without a disk. It must not wait. Set before the history is used.

	tooLong atomic.Bool // an event was larger than Rule.Octets; this is logged once

	mu         sync.Mutex
	rule       Rule
	dropped    bool   // the history keeps no more events
	events     []held // oldest first
	own        int    // how many of them the log of durable events does not have
	last       uint64 // the last known position in that log
	released   uint64 // events up to this position are no longer in that log
	disordered bool   // the archive has taken over an event that precedes others in it
	bytes      int
}

// NewHistory returns an empty history.
func NewHistory(rule Rule, log *slog.Logger, memory *budget.Budget) *History {
	return &History{URI: rule.URI, Match: rule.Match, rule: rule.withDefaults(), log: log, memory: memory}
}

// IsFor reports whether the history is for the topics of a rule.
func (h *History) IsFor(r Rule) bool { return h.URI == r.URI && h.Match == r.Match }

// Record adds an event. Its Filter must not name sessions (filter.BySession). position is its place in the log of durable events;
// 0: the log does not have it.
func (h *History) Record(e *PastEvent, position uint64) {
	h.mu.Lock()
	limit := h.rule.Octets
	if e.size <= limit {
		x := h.newHeld(e, position)
		if i := h.place(x); position == 0 || i == 0 || h.events[i-1].order != x.order { // Restore may have been first
			h.insert(i, x)
		}
	}
	own := h.own > 0
	h.mu.Unlock()
	if e.size > limit {
		if h.tooLong.CompareAndSwap(false, true) {
			h.log.Warn("event is larger than the limit of its history; such events are not kept",
				"match", h.Match.String(), "uri", h.URI, "topic", string(e.Topic), "limit", limit)
		}
		return
	}
	if own && h.changed != nil {
		h.changed()
	}
}

// makeRoom charges the memory of an event that is to be inserted at index i. If there is no memory, it drops events before i,
// the oldest first. It returns the index at which to insert the event, and false if there still is no memory. The caller holds
// mu.
func (h *History) makeRoom(e *PastEvent, i int) (at int, ok bool) {
	if h.dropped {
		return i, false
	}
	if h.memory.Keep(budget.Histories, e.size) {
		return i, true
	}
	for had := h.bytes; had-h.bytes < e.size; h.dropOldest() {
		if i == 0 {
			return i, false
		}
		i--
	}
	h.memory.Drop(budget.Histories, -e.size)
	return i, true
}

// insert adds an event at index i if there is memory for it, and drops events beyond the bounds. The caller holds mu.
func (h *History) insert(i int, x held) {
	i, ok := h.makeRoom(x.PastEvent, i)
	if !ok {
		return
	}
	h.events = append(h.events, x)
	copy(h.events[i+1:], h.events[i:])
	h.events[i] = x
	h.bytes += x.size
	if !x.logged {
		h.own++
	}
	for _, later := range h.events[i+1:] {
		h.disordered = h.disordered || !x.stored && !later.logged && later.stored
	}
	h.trim()
}

// dropOldest drops the oldest event. The caller holds mu.
func (h *History) dropOldest() {
	h.bytes -= h.events[0].size
	h.memory.Drop(budget.Histories, h.events[0].size)
	if !h.events[0].logged {
		h.own--
	}
	h.events[0] = held{}
	h.events = h.events[1:]
}

// trim drops the oldest events until the bounds hold. The caller holds mu.
func (h *History) trim() {
	for len(h.events) > 0 && (len(h.events) > h.rule.Events || h.bytes > h.rule.Octets || h.expired(h.events[0].PastEvent)) {
		h.dropOldest()
	}
	if len(h.events) == 0 {
		h.events = nil
	}
}

// expired reports whether e is too old, by the rule or for its publisher. The caller holds mu.
func (h *History) expired(e *PastEvent) bool {
	return h.rule.Age > 0 && time.Since(e.At) > h.rule.Age || passed(e.end)
}

// All returns the current events, oldest first. An expired event may follow one that is not: after a jump of the clock,
// or because its publisher has set a limit.
func (h *History) All() (list []*PastEvent) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.trim()
	for _, x := range h.events {
		if !h.expired(x.PastEvent) {
			list = append(list, x.PastEvent)
		}
	}
	return list
}

// Bytes returns the estimated memory of the events.
func (h *History) Bytes() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.bytes
}

// SetBounds replaces the bounds of the history by those of a rule for the same topics.
func (h *History) SetBounds(rule Rule) {
	h.mu.Lock()
	h.rule = rule.withDefaults()
	h.trim()
	h.mu.Unlock()
	h.tooLong.Store(false)
	if h.changed != nil {
		h.changed()
	}
}

// Drop frees the memory of a history that is no longer used.
func (h *History) Drop() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for h.dropped = true; len(h.events) > 0; {
		h.dropOldest()
	}
}

// nextExpiry returns when the oldest event expires; the zero time is never.
func (h *History) nextExpiry() (at time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.events) == 0 || h.rule.Age == 0 {
		return at
	}
	return h.events[0].At.Add(h.rule.Age + time.Millisecond)
}
