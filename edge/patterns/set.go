package patterns

import (
	"slices"
	"strings"

	"runnel/edge/wamp"
)

// Set answers whether a URI or pattern overlaps one of a list of patterns. A realm has many subscriptions, and a call may
// name many patterns, so comparing each pair would cost too much. URIs and prefixes are found by binary search; only
// wildcards are compared one by one. The zero value overlaps nothing.
type Set struct {
	exact     []string                  // sorted
	prefixes  []string                  // sorted, and none begins with another
	wildcards []wamp.Pattern            // none is covered by another
	tree      components[*wamp.Pattern] // the wildcards
	steps     int                       // comparisons of wildcards and their components so far
}

// NewSet returns a set of patterns.
func NewSet(list []wamp.Pattern) *Set {
	s := &Set{}
	for _, p := range list {
		switch p.Match {
		case wamp.Exact:
			s.exact = append(s.exact, p.URI)
		case wamp.Prefix:
			s.prefixes = append(s.prefixes, p.URI)
		case wamp.Wildcard:
			if covers := func(q wamp.Pattern) bool { return q.Covers(p) }; !slices.ContainsFunc(s.wildcards, covers) {
				s.wildcards = append(s.wildcards, p)
				s.tree.set(p.URI, &p)
			}
		}
	}
	slices.Sort(s.exact)
	slices.Sort(s.prefixes)
	shortest := s.prefixes[:0]
	for _, p := range s.prefixes {
		if n := len(shortest); n == 0 || !strings.HasPrefix(p, shortest[n-1]) {
			shortest = append(shortest, p)
		}
	}
	s.prefixes = shortest
	return s
}

// Overlaps reports whether p overlaps one of the patterns.
func (s *Set) Overlaps(p wamp.Pattern) bool {
	switch p.Match {
	case wamp.Exact:
		if _, found := slices.BinarySearch(s.exact, p.URI); found || s.begins(p.URI) {
			return true
		}
		return s.matches(&s.tree, p.URI)
	case wamp.Prefix:
		if anyBegins(s.exact, p.URI) || anyBegins(s.prefixes, p.URI) || s.begins(p.URI) {
			return true
		}
	case wamp.Wildcard:
		return s.compared(wamp.Exact, s.exact, p) || s.compared(wamp.Prefix, s.prefixes, p) || s.meetsWildcard(p)
	}
	return s.meetsWildcard(p)
}

// begins reports whether uri begins with one of the prefixes. None of them begins with another, so only the last prefix
// that does not sort after uri can match.
func (s *Set) begins(uri string) bool {
	at, found := slices.BinarySearch(s.prefixes, uri)
	return found || at > 0 && strings.HasPrefix(uri, s.prefixes[at-1])
}

// anyBegins reports whether one of the sorted strings begins with prefix.
func anyBegins(sorted []string, prefix string) bool {
	at, _ := slices.BinarySearch(sorted, prefix)
	return at < len(sorted) && strings.HasPrefix(sorted[at], prefix)
}

func (s *Set) compared(m wamp.Match, list []string, p wamp.Pattern) bool {
	s.steps += len(list)
	return slices.ContainsFunc(list, func(uri string) bool { return p.Overlaps(wamp.Pattern{URI: uri, Match: m}) })
}

func (s *Set) meetsWildcard(p wamp.Pattern) bool {
	s.steps += len(s.wildcards)
	return slices.ContainsFunc(s.wildcards, p.Overlaps)
}

// matches reports whether a wildcard of the tree below n matches uri.
func (s *Set) matches(n *components[*wamp.Pattern], uri string) bool {
	s.steps++
	component, rest, more := strings.Cut(uri, ".")
	literal, _ := n.literal.get([]byte(component))
	for _, below := range [...]*components[*wamp.Pattern]{literal, n.any.Load()} {
		if more && below != nil && s.matches(below, rest) {
			return true
		}
		if _, ends := below.load(); ends && !more {
			return true
		}
	}
	return false
}

// maxSteps bounds the comparisons of one call.
const maxSteps = 2_000_000

// TooCostly reports whether the set has made more comparisons than a call may cost.
func (s *Set) TooCostly() bool { return s.steps > maxSteps }
