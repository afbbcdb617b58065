package durable

import (
	"sort"

	"runnel/edge/journal"
)

// recent holds the latest records, so that consumers that keep up are served from memory.
type recent struct {
	segment uint64
	first   int64  // offset of the first record in the segment
	data    []byte // the records, one after the other
	ends    []int  // of each of them in data
}

const maxRecent = 128 << 10 // bytes; a longer batch is not held

// add adds a batch that ends at a place of the log. The batch replaces the records held so far if they do not
// directly precede it, or are too large.
func (r *recent) add(b *batch, end place) {
	at := end.offset - int64(len(b.data)+len(b.ends)*journal.Overhead)
	if r.segment != end.segment || r.offset(len(r.ends)) != at || len(r.data)+len(b.data) > maxRecent {
		r.segment, r.first, r.data, r.ends = end.segment, at, r.data[:0], r.ends[:0]
	}
	if len(b.data) > maxRecent {
		r.first = end.offset
		return
	}
	start := len(r.data)
	r.data = append(r.data, b.data...)
	for _, end := range b.ends {
		r.ends = append(r.ends, start+end)
	}
}

// forget drops all records.
func (r *recent) forget() { r.segment, r.data, r.ends = 0, r.data[:0], r.ends[:0] }

// offset returns where record i begins in the segment.
func (r *recent) offset(i int) int64 {
	n := r.first + int64(i*journal.Overhead)
	if i > 0 {
		n += int64(r.ends[i-1])
	}
	return n
}

// copyTo copies the records from a place on. It returns false if they are not held. The caller holds mu.
func (r *recent) copyTo(to *recent, from place) bool {
	i := sort.Search(len(r.ends), func(i int) bool { return r.offset(i) >= from.offset })
	if r.segment != from.segment || i == len(r.ends) || r.offset(i) != from.offset {
		return false
	}
	start := 0
	if i > 0 {
		start = r.ends[i-1]
	}
	to.segment, to.first = from.segment, from.offset
	to.data = append(to.data[:0], r.data[start:]...)
	to.ends = append(to.ends[:0], r.ends[i:]...)
	for j := range to.ends {
		to.ends[j] -= start
	}
	return true
}

// each is like Store.scan for the records of r.
func (r *recent) each(u *unpacker, each func(h *head, at, next place) bool) {
	start := 0
	for i, end := range r.ends {
		if !u.each(r.data[start:end:end], place{r.segment, r.offset(i)}, place{r.segment, r.offset(i + 1)}, each) {
			return
		}
		start = end
	}
}
