package edge

import (
	"fmt"
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
		set := newOverlapSet(list)
		for range 10 {
			p, want := random(), false
			for _, q := range list {
				want = want || q.Overlaps(p)
			}
			if got := set.overlaps(p); got != want {
				t.Fatalf("%v overlaps one of %v: %v, want %v", p, list, got, want)
			}
		}
	}
}

// What a call costs does not grow with the product of its patterns and the realm's subscriptions.
func TestOverlapsAreBounded(t *testing.T) {
	wanted := make([]wamp.Pattern, 0, maxOverlaps)
	for i := range maxOverlaps {
		wanted = append(wanted, wamp.Pattern{URI: fmt.Sprintf("com.%d.%s", i, strings.Repeat("x", i)), Match: wamp.Prefix})
	}
	table := &patterns[wamp.Pattern]{}
	for i := range 10000 {
		for _, m := range []wamp.Match{wamp.Exact, wamp.Prefix, wamp.Wildcard} {
			p := wamp.Pattern{URI: fmt.Sprintf("org.%d.a", i), Match: m}
			table = table.with(m, p.URI, p)
		}
	}
	all := func(p wamp.Pattern) wamp.Pattern { return p }
	tell := func(p wamp.Pattern) map[string]any { return map[string]any{"id": p.URI} }
	if _, err := overlapping(wanted, all, tell, table); err == nil {
		t.Error("10000 wildcards times 256 patterns are compared")
	}
	for i := range 10000 {
		table = table.without(wamp.Wildcard, fmt.Sprintf("org.%d.a", i))
	}
	result, err := overlapping(wanted, all, tell, table)
	if err != nil || len(result[1].([]any)) != 0 {
		t.Errorf("%v, %v", result, err)
	}
}
