package edge

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"runnel/edge/budget"
	"runnel/edge/wamp"
)

// HistoryRule has the events of a topic or pattern kept for those who ask later (advanced/pubsub_event_history.md, and
// meta_history.go for how to ask). Its subscription is there from the start, whether anybody subscribes or not, and stays:
// wamp.subscription.lookup and list find its id. The oldest events go when one of the bounds is reached; on disk, where
// they may be too (state.go), a segment goes when all of its events have.
type HistoryRule struct {
	URI    string
	Match  wamp.Match
	Events int           // how many are kept at most; default 1000
	Octets int           // of all of them together; default 4 MiB
	Age    time.Duration // how long one is kept at most; 0: until there are too many
}

func (r HistoryRule) withDefaults() HistoryRule {
	r.Events = cmp.Or(r.Events, 1000)
	r.Octets = cmp.Or(r.Octets, 4<<20)
	return r
}

func (r HistoryRule) check(strict bool) error {
	switch {
	case !wamp.ValidURI(r.URI, r.Match, strict):
		return fmt.Errorf("history of %q: not a URI that can be matched as %v", r.URI, r.Match)
	case r.Events < 0 || r.Octets < 0 || r.Age < 0:
		return fmt.Errorf("history of %q: a bound is negative", r.URI)
	}
	return nil
}

// history holds what one rule keeps, in order of occurrence. The clock plays no part in the order: off the grid it jumps.
type history struct {
	// Static after construction.
	uri     string
	match   wamp.Match
	changed func() // is told of each event; nil without a place on disk. It must not wait.

	memory *budget.Budget

	tooLong atomic.Bool // an event was longer than all may be

	mu     sync.Mutex
	rule   HistoryRule
	over   bool    // nothing is kept any more
	events []*past // from old to new
	gone   uint64  // how many were kept before events[0]; so events[i] is number gone+i
	octets int
}

// past is an event that is kept. It is immutable, and may be in several histories.
type past struct {
	publication
	at     time.Time
	octets int
}

// occurred is when the event occurred, as exact as those who ask are told.
func (e *past) occurred() time.Time { return e.at.Truncate(time.Millisecond) }

// asPast returns p to keep; all histories share it.
func (p *publication) asPast() *past {
	if p.past == nil {
		e := &past{publication: *p, at: time.Now(), octets: p.size()}
		e.topic, e.payload, e.dict = slices.Clone(p.topic), p.payload.Clone(), p.dict.Clone()
		p.past = e
	}
	return p.past
}

// size is what a kept event costs in memory, in octets; roughly.
func (p *publication) size() int {
	return retainedOverhead + len(p.topic) + len(p.payload.Raw) + len(p.dict.Raw) + p.options.filter.octets()
}

// bySession reports whether there is a list of session ids, be it empty. Ids mean nothing to the sessions of later: what
// carries such a list goes into no history and to no disk.
func (f *filter) bySession() bool { return f != nil && (f.exclude != nil || f.hasEligible) }

// record keeps p.
func (h *history) record(r *realm, p *publication) {
	if p.options.filter.bySession() {
		return
	}
	e := p.asPast()
	h.mu.Lock()
	most := h.rule.Octets
	if e.octets <= most {
		h.append(e)
	}
	h.mu.Unlock()
	if e.octets > most {
		if h.tooLong.CompareAndSwap(false, true) {
			r.log.Warn("an event is longer than a history may be; it is not kept, nor are further ones",
				"history", h.uri, "topic", string(e.topic), "octets", most)
		}
		return
	}
	if h.changed != nil {
		h.changed()
	}
}

// append adds e and lets go what is too much. Without memory for it, the oldest events make room; if there are none, it is
// not kept. Holds mu.
func (h *history) append(e *past) {
	if h.over {
		return
	}
	if !h.memory.Keep(budget.Histories, e.octets) {
		for had := h.octets; had-h.octets < e.octets; h.letGo() {
			if len(h.events) == 0 {
				return
			}
		}
		h.memory.Drop(budget.Histories, -e.octets)
	}
	h.events = append(h.events, e)
	h.octets += e.octets
	h.trim()
}

// letGo lets go the oldest event. Holds mu.
func (h *history) letGo() {
	h.octets -= h.events[0].octets
	h.memory.Drop(budget.Histories, h.events[0].octets)
	h.events[0] = nil
	h.events = h.events[1:]
	h.gone++
}

// trim lets go the oldest events until the bounds hold. Holds mu.
func (h *history) trim() {
	for len(h.events) > 0 && (len(h.events) > h.rule.Events || h.octets > h.rule.Octets || h.expired(h.events[0])) {
		h.letGo()
	}
	if len(h.events) == 0 {
		h.events = nil
	}
}

// expired reports whether e is too old. Holds mu.
func (h *history) expired(e *past) bool { return h.rule.Age > 0 && time.Since(e.at) > h.rule.Age }

// all returns the events of now. Where the clock has jumped, an expired one may stand behind one that is not.
func (h *history) all() []*past {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.trim()
	events := slices.Clone(h.events)
	if h.rule.Age == 0 {
		return events
	}
	return slices.DeleteFunc(events, h.expired)
}

// bound gives the history other bounds.
func (h *history) bound(rule HistoryRule) {
	h.mu.Lock()
	h.rule = rule
	h.trim()
	h.mu.Unlock()
	h.tooLong.Store(false)
	if h.changed != nil {
		h.changed()
	}
}

// checkHistory says what is wrong with rules.
func checkHistory(rules []HistoryRule, strict bool) error {
	for i, rule := range rules {
		if err := rule.check(strict); err != nil {
			return err
		}
		if slices.ContainsFunc(rules[:i], rule.isFor) {
			return fmt.Errorf("history of %q: there are two rules for it, matched as %v", rule.URI, rule.Match)
		}
	}
	return nil
}

// isFor reports whether another rule is for the same topics.
func (r HistoryRule) isFor(other HistoryRule) bool {
	return r.URI == other.URI && r.Match == other.Match
}

func newHistory(rule HistoryRule, memory *budget.Budget) *history {
	return &history{uri: rule.URI, match: rule.Match, rule: rule.withDefaults(), memory: memory}
}

// keepHistory makes the histories of rules, and their subscriptions. It runs before anybody joins.
func (m *realm) keepHistory(rules []HistoryRule) {
	for _, rule := range rules {
		h := newHistory(rule, m.router.options().Memory)
		m.histories = append(m.histories, h)
		m.attach(h)
	}
}

// attach has the events of a history's topics kept, in a subscription that was there or a new one; its coming is no news
// for the meta API, for nobody has subscribed. Holds mu, once the realm is open.
func (m *realm) attach(h *history) {
	table := m.topics.Load()
	sub, ok := table.Get(h.match, h.uri)
	if !ok {
		sub = &subscription{id: m.nextID(), uri: h.uri, match: h.match, created: time.Now()}
	}
	next := *sub
	next.history = h
	m.topics.Store(table.With(h.match, h.uri, &next))
}

// detach ends the keeping. The subscription stays while somebody subscribes. Holds mu.
func (m *realm) detach(h *history) {
	table := m.topics.Load()
	sub, ok := table.Get(h.match, h.uri)
	if !ok {
		return
	}
	next := *sub
	next.history = nil
	if !next.wanted() {
		m.topics.Store(table.Without(h.match, h.uri))
	} else {
		m.topics.Store(table.With(h.match, h.uri, &next))
	}
}

// updateHistory makes the histories those of rules, which were checked. Those that stay keep their events. Holds updating.
func (m *realm) updateHistory(rules []HistoryRule) {
	kept := m.histories[:0:0]
	for _, h := range m.histories {
		if i := slices.IndexFunc(rules, HistoryRule{URI: h.uri, Match: h.match}.isFor); i >= 0 {
			h.bound(rules[i].withDefaults())
			kept = append(kept, h)
			continue
		}
		m.mu.Lock()
		m.detach(h)
		m.mu.Unlock()
		if m.state != nil {
			m.state.dropHistory(h)
		}
		h.drop()
	}
	for _, rule := range rules {
		if slices.ContainsFunc(kept, func(h *history) bool { return rule.isFor(HistoryRule{URI: h.uri, Match: h.match}) }) {
			continue
		}
		h := newHistory(rule, m.router.options().Memory)
		if m.state != nil {
			m.state.addHistory(h)
		}
		m.mu.Lock()
		m.attach(h)
		m.mu.Unlock()
		kept = append(kept, h)
	}
	m.histories = kept
}

// drop frees the memory of a history that is not used any more.
func (h *history) drop() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for h.over = true; len(h.events) > 0; {
		h.letGo()
	}
}
