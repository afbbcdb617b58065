package wamp

import (
	"cmp"
	"strings"
)

// CompareSpecificity orders patterns that match the same URI: it is negative if p takes precedence over q. An exact URI
// comes first, then the longest prefix, then the wildcard whose literal components reach further to the right
// (advanced/rpc_pattern_based_registration.md). This order decides between permissions, and between the rules by
// which routers forward.
func (p Pattern) CompareSpecificity(q Pattern) int {
	switch {
	case p.Match != q.Match:
		return cmp.Compare(p.Match, q.Match)
	case p.Match == Prefix:
		return cmp.Compare(len(q.URI), len(p.URI))
	case p.Match == Exact:
		return 0
	}
	return compareWildcards(p.URI, q.URI)
}

// compareWildcards finds the first component that is literal in only one pattern: that pattern is more specific. Both
// patterns match the same URI, so they have the same number of components.
func compareWildcards(p, q string) int {
	for {
		a, restP, moreP := strings.Cut(p, ".")
		b, restQ, _ := strings.Cut(q, ".")
		switch {
		case a != "" && b == "":
			return -1
		case a == "" && b != "":
			return 1
		case !moreP:
			return 0
		}
		p, q = restP, restQ
	}
}
