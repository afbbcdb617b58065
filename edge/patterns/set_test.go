package patterns

import (
	"math/rand/v2"
	"strings"
	"testing"

	"runnel/edge/wamp"
)

// The set gives the same answers as a comparison of each pair.
func TestOverlapSet(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	random := func() wamp.Pattern {
		p := wamp.Pattern{Match: wamp.Match(r.IntN(3))}
		parts := make([]string, 1+r.IntN(4))
		for i := range parts {
			parts[i] = strings.Repeat(string(rune('a'+r.IntN(2))), 1+r.IntN(2))
			if p.Match == wamp.Wildcard && r.IntN(2) == 0 {
				parts[i] = ""
			}
		}
		p.URI = strings.Join(parts, ".")
		if p.Match == wamp.Prefix {
			p.URI = p.URI[:r.IntN(len(p.URI)+1)]
		}
		return p
	}
	for range 3000 {
		list := make([]wamp.Pattern, r.IntN(6))
		for i := range list {
			list[i] = random()
		}
		set := NewSet(list)
		for range 10 {
			p, want := random(), false
			for _, q := range list {
				want = want || q.Overlaps(p)
			}
			if got := set.Overlaps(p); got != want {
				t.Fatalf("%v overlaps one of %v: %v, want %v", p, list, got, want)
			}
		}
	}
}

// Each comparison with a wildcard counts, whatever is compared with it.
func TestCostOfASet(t *testing.T) {
	wildcard, exact := wamp.Pattern{URI: "a..c", Match: wamp.Wildcard}, wamp.Pattern{URI: "a.b.d"}
	for _, c := range []struct {
		list []wamp.Pattern
		with wamp.Pattern
	}{
		{[]wamp.Pattern{wildcard}, exact},
		{[]wamp.Pattern{wildcard}, wamp.Pattern{URI: "a.b", Match: wamp.Prefix}},
		{[]wamp.Pattern{exact}, wildcard},
	} {
		set := NewSet(c.list)
		set.steps = maxSteps
		if set.TooCostly() {
			t.Errorf("%v with %v: too costly before the comparison", c.list, c.with)
		}
		if set.Overlaps(c.with); !set.TooCostly() {
			t.Errorf("%v with %v: the comparison does not count", c.list, c.with)
		}
	}
}
