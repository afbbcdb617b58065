package wamp

import "testing"

// uris are all of up to three short components; patterns all that can be made of the same.
func uris(least int) (list []string) {
	words := []string{"a", "ab", "b"}
	if least == 0 {
		words = append(words, "")
	}
	var grow func(s string, depth int)
	grow = func(s string, depth int) {
		list = append(list, s)
		if depth == 3 {
			return
		}
		for _, w := range words {
			grow(s+"."+w, depth+1)
		}
	}
	for _, w := range words {
		grow(w, 1)
	}
	return list
}

func TestOverlapAndCoverAreWhatTheMatchesSay(t *testing.T) {
	var patterns []Pattern
	for _, uri := range uris(0) {
		for _, m := range []Match{Exact, Prefix, Wildcard} {
			if ValidURI(uri, m, false) {
				patterns = append(patterns, Pattern{uri, m})
			}
		}
	}
	all := append(uris(1), "a.a.a.a", "a.b.a.b", "ab.ab.ab.ab", "b.b.b.b", "abc", "a.abc", "bb", "a.bb", "x", "a.x", "a.x.a", "a.b.x", "x.a.x", "x.x.x", "x.ab.x", "x.b.x", "a.ax", "ax.a", "bx.b", "a.a.ax", "a.b.bx", "a.ab.abx", "b.bx", "b.a.ax", "abx.a", "abx.b.b", "ax.ab.a")
	for _, p := range patterns {
		for _, q := range patterns {
			overlap, covers := false, true
			for _, uri := range all {
				one, other := p.Matches(uri), q.Matches(uri)
				overlap = overlap || one && other
				covers = covers && (one || !other)
			}
			if overlap && !p.Overlaps(q) {
				t.Errorf("%v and %v overlap", p, q)
			}
			if !covers && p.Covers(q) {
				t.Errorf("%v does not cover %v", p, q)
			}
			if p.Overlaps(q) != q.Overlaps(p) {
				t.Errorf("%v and %v: the order matters", p, q)
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
