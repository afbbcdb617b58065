package edge

import (
	"math"
	"slices"
	"time"

	"runnel/edge/durable"
	"runnel/edge/store"
)

// HistoryRule names a topic or pattern whose events are kept for later queries; meta_history.go describes the queries.
type HistoryRule = store.Rule

// addHistories makes the histories of rules, and their subscriptions. It runs before a session joins.
func (m *realm) addHistories(rules []HistoryRule) {
	for _, rule := range rules {
		h := store.NewHistory(rule, m.log, m.router.options().Memory)
		m.histories.Add(h)
		m.attach(h)
	}
}

// attach makes a history record its topics' events, by an existing subscription or a new one. The meta API does not announce a new
// one, because no session has subscribed. The caller holds mu, once the realm is open.
func (m *realm) attach(h *store.History) {
	sub, ok := m.topics.Get(h.Match, h.URI)
	if !ok {
		sub = &subscription{id: m.nextID(), uri: h.URI, match: h.Match, created: time.Now()}
	}
	next := *sub
	next.history = h
	m.topics.Set(h.Match, h.URI, &next)
}

// detach ends the recording. The subscription stays while it has subscribers. The caller holds mu.
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

// updateHistories replaces the rules. The caller has checked the new ones and holds updating. Histories that remain
// keep their events.
func (m *realm) updateHistories(rules []HistoryRule) {
	var kept []*store.History
	for _, h := range m.histories.All() {
		if i := slices.IndexFunc(rules, h.IsFor); i >= 0 {
			h.SetBounds(rules[i])
			kept = append(kept, h)
			continue
		}
		m.mu.Lock()
		m.detach(h)
		m.mu.Unlock()
		if m.state != nil {
			h.Release(0, math.MaxUint64)
			m.state.disk.DropHistory(h)
		}
		h.Drop()
	}
	m.histories.Set(kept)
	for _, rule := range rules {
		if slices.ContainsFunc(kept, func(h *store.History) bool { return h.IsFor(rule) }) {
			continue
		}
		h := store.NewHistory(rule, m.log, m.router.options().Memory)
		if m.state != nil {
			m.state.disk.AddHistory(h)
		}
		if s := m.durables(); s != nil {
			h.Begin(s.Last())
		}
		m.histories.Add(h)
		m.mu.Lock()
		m.attach(h)
		m.mu.Unlock()
		m.fill(h)
	}
}

// A history shares the log of durable subscriptions: an event in the log is not written to the history's own files. While a
// history needs a segment, the log keeps it (store.Histories.Needed), or the history takes over its events (release).

// fill adds the events that the log has already to a new history.
func (m *realm) fill(h *store.History) {
	s := m.durables()
	if s == nil {
		return
	}
	var one store.Histories
	one.Add(h)
	err := s.Each(func(p durable.Publication) { one.Restore(p.Event, p.At, p.End, p.Position) })
	if err != nil {
		m.log.Warn("cannot read durable events for a history", "match", h.Match.String(), "uri", h.URI, "err", err)
	}
}

// release makes the histories copy the events from first to last into their own files. Unless the log has lost the events,
// it returns once they are on disk, and reports whether they are.
func (s *state) release(m *realm, first, last uint64, lost bool) bool {
	return !m.histories.Release(first, last) || lost || s.disk.Flush() == nil
}
