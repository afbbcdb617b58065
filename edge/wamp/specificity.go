package wamp

import (
	"cmp"
	"strings"
)

// CompareSpecificity orders patterns that match the same URI: negative if p decides before q. An exact URI comes first,
// then the longest prefix, then the wildcard whose literal components reach further to the right
// (advanced/rpc_pattern_based_registration.md). Permissions and the rules of links are chosen by this order.
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

// compareWildcards finds the first component that is literal in one pattern only: that pattern is the more specific one.
func compareWildcards(p, q string) int {
	for {
		a, restP, moreP := strings.Cut(p, ".")
		b, restQ, moreQ := strings.Cut(q, ".")
		switch {
		case a != "" && b == "":
			return -1
		case a == "" && b != "":
			return 1
		case !moreP || !moreQ:
			return strings.Count(p, ".") - strings.Count(q, ".")
		}
		p, q = restP, restQ
	}
}
