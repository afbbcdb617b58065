package uplink

import (
	"strings"
	"time"

	"runnel/edge/wamp"
	"runnel/uplink/spool"
)

// Rule selects a topic or a procedure that crosses a link, by URI or pattern. An export has the local name, an import
// has the far side's name.
type Rule struct {
	Topic, Procedure string // one of them
	Match            wamp.Match

	// If one of them is set, URIs have LocalPrefix here where they have RemotePrefix there. The URI or pattern must begin
	// with the prefix of its side.
	LocalPrefix, RemotePrefix string

	// Store is the storage class of the events of an exported topic: what they survive until the far side has them.
	// With spool.Durable for an imported topic, the far side keeps its events while the link is down.
	Store spool.Class

	MaxAge time.Duration // of imported events that the far side keeps; 0: no limit

	// Static makes the rule cross regardless of interest on the other side.
	Static bool
}

// URI returns the rule's procedure or topic.
func (r *Rule) URI() string {
	if r.Procedure != "" {
		return r.Procedure
	}
	return r.Topic
}

// ToRemote returns the name of a local URI or pattern at the far side.
func (r *Rule) ToRemote(uri string) string { return exchange(uri, r.LocalPrefix, r.RemotePrefix) }

// ToLocal is the inverse of ToRemote.
func (r *Rule) ToLocal(uri string) string { return exchange(uri, r.RemotePrefix, r.LocalPrefix) }

func exchange(uri, from, to string) string {
	if from == to {
		return uri
	}
	return to + strings.TrimPrefix(uri, from)
}

// RuleSet finds the rule that applies to a URI. A rule can therefore be an exception to another, and no message crosses
// twice. The zero value is an empty set. Several goroutines may read it at a time.
type RuleSet[R any] struct {
	patterns []wamp.Pattern
	rules    []R
}

// Add adds a rule with its value.
func (s *RuleSet[R]) Add(p wamp.Pattern, rule R) {
	s.patterns, s.rules = append(s.patterns, p), append(s.rules, rule)
}

// Best returns the rule with the most specific pattern that matches the URI: an exact one, else the longest prefix,
// else a wildcard. Among equal rules, the first one added wins. Without a match ok is false.
func (s *RuleSet[R]) Best(uri string) (rule R, ok bool) {
	best := -1
	for i, p := range s.patterns {
		if p.Matches(uri) && (best < 0 || p.CompareSpecificity(s.patterns[best]) < 0) {
			best = i
		}
	}
	if best < 0 {
		return rule, false
	}
	return s.rules[best], true
}
