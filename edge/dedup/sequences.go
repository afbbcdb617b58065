package dedup

import (
	"cmp"
	"slices"
)

// sequences is a set of the numbers 1, 2, 3, ... It is designed for numbers that mostly arrive in order: it holds all
// numbers up to the highest, except for a few open spans. The zero value is empty.
type sequences struct {
	highest uint64
	open    []span // the missing numbers, ascending; no span touches another
}

// span is the numbers from first to last.
type span struct{ first, last uint64 }

// maxSpans bounds the spans of one set. Beyond it the two lowest are merged, and the numbers between them count as
// missing. A late publication may therefore be routed twice, but none is mistaken for a routed one.
const maxSpans = 4096

// find returns the index of the first open span that ends at n or later, and whether n is in it.
func (q *sequences) find(n uint64) (at int, open bool) {
	at, _ = slices.BinarySearchFunc(q.open, n, func(s span, n uint64) int { return cmp.Compare(s.last, n) })
	return at, at < len(q.open) && q.open[at].first <= n
}

func (q *sequences) has(n uint64) bool {
	_, open := q.find(n)
	return n <= q.highest && !open
}

// add adds n to the set.
func (q *sequences) add(n uint64) {
	if n > q.highest {
		q.miss(q.highest+1, n-1)
		q.highest = n
		return
	}
	at, open := q.find(n)
	if !open {
		return
	}
	s := q.open[at]
	var rest []span
	if s.first < n {
		rest = append(rest, span{s.first, n - 1})
	}
	if n < s.last {
		rest = append(rest, span{n + 1, s.last})
	}
	q.open = slices.Replace(q.open, at, at+1, rest...)
	q.bound()
}

// miss marks the numbers from first to last, which are above all in the set, as missing.
func (q *sequences) miss(first, last uint64) {
	switch newest := len(q.open) - 1; {
	case first > last:
	case newest >= 0 && q.open[newest].last+1 == first:
		q.open[newest].last = last
	default:
		q.open = append(q.open, span{first, last})
		q.bound()
	}
}

// remove takes n out of the set.
func (q *sequences) remove(n uint64) {
	if !q.has(n) {
		return
	}
	at, _ := q.find(n)
	before := at > 0 && q.open[at-1].last+1 == n
	after := at < len(q.open) && q.open[at].first == n+1
	switch {
	case before && after:
		q.open[at-1].last = q.open[at].last
		q.open = slices.Delete(q.open, at, at+1)
	case before:
		q.open[at-1].last = n
	case after:
		q.open[at].first = n
	default:
		q.open = slices.Insert(q.open, at, span{n, n})
		q.bound()
	}
}

func (q *sequences) bound() { q.mergeLowest(maxSpans) }

// mergeLowest merges the lowest spans until at most so many are left.
func (q *sequences) mergeLowest(spans int) {
	if extra := len(q.open) - spans; extra > 0 {
		q.open[extra].first = q.open[0].first
		q.open = slices.Delete(q.open, 0, extra)
	}
}

// clone returns a copy that shares no memory with the original.
func (q *sequences) clone() sequences { return sequences{q.highest, slices.Clone(q.open)} }
