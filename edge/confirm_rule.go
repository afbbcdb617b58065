package edge

import (
	"fmt"
	"slices"
	"time"

	"runnel/edge/wamp"
)

// ConfirmRule names a topic or pattern whose events are safe only with subscribers that confirm them (confirm.go). As long
// as fewer internal sessions than By confirm it, a PUBLISH that asks for an acknowledgement fails and nothing is routed. Like
// a history's, its subscription is there from the start, whether there are subscribers or not.
type ConfirmRule struct {
	URI   string
	Match wamp.Match
	By    int // how many sessions confirm it; default 1
}

// checkConfirmed says what is wrong with rules.
func checkConfirmed(rules []ConfirmRule, strict bool) error {
	for _, r := range rules {
		if !wamp.ValidURI(r.URI, r.Match, strict) {
			return fmt.Errorf("confirmation of %q: not a URI that can be matched as %v", r.URI, r.Match)
		}
	}
	return nil
}

// requireConfirmation makes the realm's rules these, which were checked. Holds updating, once the realm is open.
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

// setConfirmers notes in the rule's subscription how many must confirm. Holds mu.
func (m *realm) setConfirmers(rule ConfirmRule, by int) {
	table := m.topics.Load()
	next := subscription{uri: rule.URI, match: rule.Match}
	if sub, ok := table.Get(rule.Match, rule.URI); ok {
		next = *sub
	} else {
		next.id, next.created = m.nextID(), time.Now()
	}
	if next.confirmers = by; next.wanted() {
		m.topics.Store(table.With(rule.Match, rule.URI, &next))
	} else {
		m.topics.Store(table.Without(rule.Match, rule.URI))
	}
}

// unconfirmed reports why an event for these subscriptions can't be acknowledged.
func unconfirmed(matched []*subscription) error {
	for _, sub := range matched {
		if sub.confirmers > 0 && !sub.confirmedBy(sub.confirmers) {
			return refusal{wamp.Unavailable, "the subscriber that is to take charge of the event is absent; publish it again later"}
		}
	}
	return nil
}

// confirmedBy reports whether so many seats confirm.
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
