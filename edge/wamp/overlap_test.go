package wamp

import "testing"

// uris returns all URIs of up to most components from words.
func uris(most int, words ...string) (list []string) {
	var grow func(s string, depth int)
	grow = func(s string, depth int) {
		for _, w := range words {
			list = append(list, s+w)
			if depth < most {
				grow(s+w+".", depth+1)
			}
		}
	}
	grow("", 1)
	return list
}

// Two patterns overlap if a URI matches both, and one covers the other if it matches all URIs of the other.
func TestOverlapAndCoverAreWhatTheMatchesSay(t *testing.T) {
	type matches struct {
		Pattern
		uri []bool
	}
	all := uris(4, "a", "ab", "b", "ax", "abx", "bx", "x")
	var patterns []matches
	for _, uri := range append(uris(3, "a", "ab", "b", ""), "") {
		for _, m := range []Match{Exact, Prefix, Wildcard} {
			if !ValidURI(uri, m, false) {
				continue
			}
			p := matches{Pattern{uri, m}, make([]bool, len(all))}
			for i, uri := range all {
				p.uri[i] = p.Matches(uri)
			}
			patterns = append(patterns, p)
		}
	}
	for _, p := range patterns {
		for _, q := range patterns {
			overlap, covers := false, true
			for i, one := range p.uri {
				overlap = overlap || one && q.uri[i]
				covers = covers && (one || !q.uri[i])
			}
			if got := p.Overlaps(q.Pattern); got != overlap {
				t.Errorf("%v overlaps %v: %v", p.Pattern, q.Pattern, got)
			}
			if p.Match == Exact && q.Match == Wildcard {
				covers = false // even if the wildcard has no empty component
			}
			if got := p.Covers(q.Pattern); got != covers {
				t.Errorf("%v covers %v: %v", p.Pattern, q.Pattern, got)
			}
		}
	}
}

func TestOverlapAndCover(t *testing.T) {
	for _, c := range []struct {
		p, q             Pattern
		overlaps, covers bool
	}{
		{Pattern{"com.a", Exact}, Pattern{"com.a", Exact}, true, true},
		{Pattern{"com.", Prefix}, Pattern{"com.a", Exact}, true, true},
		{Pattern{"com.", Prefix}, Pattern{"com.a.", Prefix}, true, true},
		{Pattern{"com.a.", Prefix}, Pattern{"com.", Prefix}, true, false},
		{Pattern{"com.a", Prefix}, Pattern{"com.b", Prefix}, false, false},
		{Pattern{"com.a.", Prefix}, Pattern{"com..x", Wildcard}, true, false},
		{Pattern{"com.a.", Prefix}, Pattern{"com.a.", Wildcard}, true, true},
		{Pattern{"com.a.", Prefix}, Pattern{"com.b.", Wildcard}, false, false},
		{Pattern{"com.a.b.", Prefix}, Pattern{"com..x", Wildcard}, false, false},
		{Pattern{"co", Prefix}, Pattern{".x", Wildcard}, true, false},
		{Pattern{"", Prefix}, Pattern{"..", Wildcard}, true, true},
		{Pattern{"com..", Wildcard}, Pattern{"com.a.b", Exact}, true, true},
		{Pattern{"com..", Wildcard}, Pattern{"com.a.", Wildcard}, true, true},
		{Pattern{"com.a.", Wildcard}, Pattern{"com..b", Wildcard}, true, false},
		{Pattern{"com.a.", Wildcard}, Pattern{"com.b.", Wildcard}, false, false},
		{Pattern{"com..", Wildcard}, Pattern{"com.a.", Prefix}, true, false},
		{Pattern{"com.", Wildcard}, Pattern{"com.a.b", Wildcard}, false, false},
	} {
		if got := c.p.Overlaps(c.q); got != c.overlaps {
			t.Errorf("%v overlaps %v: %v", c.p, c.q, got)
		}
		if got := c.p.Covers(c.q); got != c.covers {
			t.Errorf("%v covers %v: %v", c.p, c.q, got)
		}
	}
}
