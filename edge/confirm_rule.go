package edge

import (
	"fmt"
	"slices"
	"time"

	"runnel/edge/wamp"
)

// ConfirmRule names a topic or pattern whose events are safe only with subscribers that confirm them (confirm.go). While
// fewer than By internal sessions confirm such events, a PUBLISH that asks for an acknowledgement fails, and nothing is
// routed. Like a history's subscription, it exists from the start, even without subscribers.
type ConfirmRule struct {
	URI   string
	Match wamp.Match
	By    int // how many sessions must confirm an event; default 1
}

// checkConfirmed returns the first error in rules.
func checkConfirmed(rules []ConfirmRule, strict bool) error {
	for _, r := range rules {
		if !wamp.ValidURI(r.URI, r.Match, strict) {
			return fmt.Errorf("confirmation of %q: not a URI that can be matched as %v", r.URI, r.Match)
		}
	}
	return nil
}

// requireConfirmation replaces the realm's rules. The caller has checked the new rules. Once the realm is open, the
// caller holds updating.
func (m *realm) requireConfirmation(rules []ConfirmRule) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, old := range m.confirmed {
		m.setConfirmers(old, 0)
	}
	for _, rule := range rules {
		m.setConfirmers(rule, max(rule.By, 1))
	}
	m.confirmed = slices.Clone(rules)
}

// setConfirmers sets how many sessions must confirm events of the rule's subscription. The caller holds mu.
func (m *realm) setConfirmers(rule ConfirmRule, by int) {
	next := subscription{uri: rule.URI, match: rule.Match}
	if sub, ok := m.topics.Get(rule.Match, rule.URI); ok {
		next = *sub
	} else {
		next.id, next.created = m.nextID(), time.Now()
	}
	if next.confirmers = by; next.wanted() {
		m.topics.Set(rule.Match, rule.URI, &next)
	} else {
		m.topics.Remove(rule.Match, rule.URI)
	}
}

// unconfirmed returns an error if an event for these subscriptions cannot be acknowledged.
func unconfirmed(matched []*subscription) error {
	for _, sub := range matched {
		if sub.confirmers > 0 && !sub.confirmedBy(sub.confirmers) {
			return refusal{wamp.Unavailable, "the subscriber that has to confirm the event is absent; publish it again later"}
		}
	}
	return nil
}

// confirmedBy reports whether at least n seats confirm.
func (s *subscription) confirmedBy(n int) bool {
	for _, chunk := range s.seats {
		for _, seat := range chunk {
			if seat.confirms.Load() && !seat.left.Load() {
				n--
			}
			if n == 0 {
				return true
			}
		}
	}
	return false
}
