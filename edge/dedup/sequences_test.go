package dedup

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

func TestSequences(t *testing.T) {
	var q sequences
	for _, step := range []struct {
		add, remove uint64
		want        string
	}{
		{1, 0, "{1 []}"},
		{2, 0, "{2 []}"},
		{2, 0, "{2 []}"},
		{6, 0, "{6 [{3 5}]}"},
		{4, 0, "{6 [{3 3} {5 5}]}"},
		{3, 0, "{6 [{5 5}]}"},
		{0, 1, "{6 [{1 1} {5 5}]}"},
		{0, 2, "{6 [{1 2} {5 5}]}"},
		{0, 4, "{6 [{1 2} {4 5}]}"},
		{0, 3, "{6 [{1 5}]}"},
		{0, 3, "{6 [{1 5}]}"},
		{0, 6, "{6 [{1 6}]}"},
		{0, 7, "{6 [{1 6}]}"},
		{1, 0, "{6 [{2 6}]}"},
		{6, 0, "{6 [{2 5}]}"},
		{10, 0, "{10 [{2 5} {7 9}]}"},
		{0, 6, "{10 [{2 9}]}"},
		{0, 10, "{10 [{2 10}]}"},
		{13, 0, "{13 [{2 12}]}"},
	} {
		if step.add > 0 {
			q.add(step.add)
		} else {
			q.remove(step.remove)
		}
		if got := fmt.Sprint(q); got != step.want {
			t.Fatalf("after %+v: %s", step, got)
		}
	}
}

// Beside a plain set of numbers.
func TestSequencesAreASet(t *testing.T) {
	const most = 60
	var q sequences
	plain := map[uint64]bool{}
	for range 20_000 {
		n := rand.Uint64N(most) + 1
		if rand.IntN(2) == 0 {
			q.add(n)
			plain[n] = true
		} else {
			q.remove(n)
			delete(plain, n)
		}
		for n := range uint64(most + 2) {
			if n > 0 && q.has(n) != plain[n] {
				t.Fatalf("%d is in it: %v, in %+v", n, q.has(n), q)
			}
		}
		for i := 1; i < len(q.open); i++ {
			if q.open[i-1].last+1 >= q.open[i].first {
				t.Fatalf("spans touch: %+v", q)
			}
		}
	}
}

// Beyond the bound a number may be forgotten, but none is taken for one that was there.
func TestSequencesAreBounded(t *testing.T) {
	var q sequences
	for n := uint64(2); n < 10*maxSpans; n += 2 {
		q.add(n)
	}
	if len(q.open) != maxSpans || q.has(2) || !q.has(q.highest) {
		t.Errorf("%d spans, up to %d", len(q.open), q.highest)
	}
	for n := uint64(1); n < q.highest; n += 2 {
		if q.has(n) {
			t.Fatalf("%d was never there", n)
		}
	}
	q.add(1) // a late number still counts
	if !q.has(1) {
		t.Error("1 is missing")
	}
	for n := q.highest; n > 0; n -= min(n, 2) {
		q.remove(n)
	}
	if len(q.open) > maxSpans {
		t.Errorf("%d spans", len(q.open))
	}
}

// The bound holds after each change, whatever created the spans.
func TestSpansAreBoundedAtOnce(t *testing.T) {
	const most = 4 * maxSpans
	var split, removed sequences
	split.add(most)
	for n := range uint64(most) {
		removed.add(n + 1)
	}
	for n := uint64(most - 2); n > 0; n -= 2 {
		split.add(n)
		removed.remove(n)
		if len(split.open) > maxSpans || len(removed.open) > maxSpans {
			t.Fatalf("%d and %d spans", len(split.open), len(removed.open))
		}
	}
}
