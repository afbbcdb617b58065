package durable

import (
	"fmt"
	"testing"

	"runnel/edge/journal"
)

// batchOf returns a batch of records.
func batchOf(records ...string) *batch {
	b := &batch{}
	for _, r := range records {
		b.data = append(b.data, r...)
		b.ends = append(b.ends, len(b.data))
	}
	return b
}

// The records written last are held as long as they follow each other and are not too long together. They have the places that
// they have in the log.
func TestRecent(t *testing.T) {
	long := string(make([]byte, maxRecent/2))
	type step struct {
		segment uint64
		skip    int64 // bytes of the log before the batch that are not held
		records []string
		want    int // records that are held then
	}
	for name, steps := range map[string][]step{
		"batches":           {{1, 0, []string{"a", "bb"}, 2}, {1, 0, []string{"ccc"}, 3}},
		"another file":      {{1, 0, []string{"a", "bb"}, 2}, {2, 0, []string{"ccc"}, 1}},
		"the same offset":   {{1, 0, []string{"a"}, 1}, {2, 1 + journal.Overhead, []string{"bb"}, 1}},
		"records missed":    {{1, 0, []string{"a", "bb"}, 2}, {1, 50, []string{"ccc", "d"}, 2}},
		"all that may be":   {{1, 0, []string{long}, 1}, {1, 0, []string{long}, 2}},
		"too long together": {{1, 0, []string{long, "x"}, 2}, {1, 0, []string{long}, 1}},
		"too long":          {{1, 0, []string{"a"}, 1}, {1, 0, []string{long, long, "x"}, 0}, {1, 0, []string{"bb"}, 1}},
	} {
		var r recent
		var at place
		var all []string // the records of the steps, with their places
		for n, s := range steps {
			if s.segment != at.segment {
				at = place{segment: s.segment, offset: 100}
			}
			at.offset += s.skip
			for _, record := range s.records {
				next := place{at.segment, at.offset + int64(len(record)) + journal.Overhead}
				all = append(all, fmt.Sprint(record, at, next))
				at = next
			}
			r.add(batchOf(s.records...), at)
			if len(r.ends) != s.want {
				t.Errorf("%s, step %d: %d records, want %d", name, n, len(r.ends), s.want)
			}
			held := all[len(all)-len(r.ends):]
			for i := range held {
				var copied recent
				if !r.copyTo(&copied, place{r.segment, r.offset(i)}) {
					t.Errorf("%s, step %d: record %d is not found", name, n, i)
				}
				var got []string
				copied.each(func(record []byte, at, next place) bool {
					got = append(got, fmt.Sprint(string(record), at, next))
					return true
				})
				equal(t, fmt.Sprint(name, ", step ", n), got, held[i:])
				if r.copyTo(&copied, place{r.segment, r.offset(i) + 1}) || r.copyTo(&copied, place{r.segment + 1, r.offset(i)}) {
					t.Errorf("%s, step %d: a record is found in another place", name, n)
				}
			}
			if r.copyTo(new(recent), at) {
				t.Errorf("%s, step %d: a record is found behind the last", name, n)
			}
		}
		r.forget()
		if len(r.ends) != 0 || r.copyTo(new(recent), at) {
			t.Errorf("%s: not forgotten", name)
		}
	}
}

// Each ends when it is told to.
func TestRecentEnds(t *testing.T) {
	var r recent
	r.add(batchOf("a", "b", "c"), place{1, 1000})
	n := 0
	r.each(func([]byte, place, place) bool {
		n++
		return n < 2
	})
	if n != 2 {
		t.Errorf("%d records", n)
	}
}
