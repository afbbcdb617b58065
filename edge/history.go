package edge

import (
	"slices"
	"time"

	"runnel/edge/store"
)

// HistoryRule names a topic or pattern whose events are kept for later queries; meta_history.go describes the queries.
type HistoryRule = store.Rule

// record adds p to a history. An event whose lists name sessions is not kept, because ids mean nothing to later sessions.
// All histories share one copy.
func (p *publication) record(h *store.History) {
	if p.Filter.BySession() {
		return
	}
	if p.past == nil {
		p.past = store.NewPastEvent(&p.Event)
	}
	h.Record(p.past)
}

// addHistories makes the histories of rules, and their subscriptions. It runs before a session joins.
func (m *realm) addHistories(rules []HistoryRule) {
	for _, rule := range rules {
		h := store.NewHistory(rule, m.log, m.router.options().Memory)
		m.histories = append(m.histories, h)
		m.attach(h)
	}
}

// attach has the events of a history's topics recorded, in an existing subscription or a new one. The meta API does not
// announce a new one, because no session has subscribed. Holds mu, once the realm is open.
func (m *realm) attach(h *store.History) {
	sub, ok := m.topics.Get(h.Match, h.URI)
	if !ok {
		sub = &subscription{id: m.nextID(), uri: h.URI, match: h.Match, created: time.Now()}
	}
	next := *sub
	next.history = h
	m.topics.Set(h.Match, h.URI, &next)
}

// detach ends the recording. The subscription stays while it has subscribers. Holds mu.
func (m *realm) detach(h *store.History) {
	sub, ok := m.topics.Get(h.Match, h.URI)
	if !ok {
		return
	}
	next := *sub
	next.history = nil
	if !next.wanted() {
		m.topics.Remove(h.Match, h.URI)
	} else {
		m.topics.Set(h.Match, h.URI, &next)
	}
}

// updateHistories replaces the rules by others, which were checked. Histories that stay keep their events. Holds updating.
func (m *realm) updateHistories(rules []HistoryRule) {
	kept := m.histories[:0:0]
	for _, h := range m.histories {
		if i := slices.IndexFunc(rules, h.IsFor); i >= 0 {
			h.SetBounds(rules[i])
			kept = append(kept, h)
			continue
		}
		m.mu.Lock()
		m.detach(h)
		m.mu.Unlock()
		if m.state != nil {
			m.state.disk.DropHistory(h)
		}
		h.Drop()
	}
	for _, rule := range rules {
		if slices.ContainsFunc(kept, func(h *store.History) bool { return h.IsFor(rule) }) {
			continue
		}
		h := store.NewHistory(rule, m.log, m.router.options().Memory)
		if m.state != nil {
			m.state.disk.AddHistory(h)
		}
		m.mu.Lock()
		m.attach(h)
		m.mu.Unlock()
		kept = append(kept, h)
	}
	m.histories = kept
}
