package durable

import (
	"fmt"
	"slices"
	"testing"

	"runnel/test/kit"
)

// The records in memory equal those on disk, at the same positions, wherever a consumer continues. Records that do not
// fit into the memory are read from disk.
func TestRecent(t *testing.T) {
	s := openShelf(t, t.TempDir(), 0)
	s.create(Rule{Name: "d", URI: "com.t"})
	var places []place
	list := func(each func(func(h *head, at, next place) bool)) (all []string) {
		places = nil
		each(func(h *head, at, next place) bool {
			places = append(places, at)
			all = append(all, fmt.Sprintf("%+v %v %v", *h, at, next))
			return true
		})
		return all
	}
	for n := range 5 {
		kit.Must(t, s.put("com.t", n, 10*n))
	}
	s.mu.Lock()
	first := place{s.segments[0].number, s.recent.first}
	s.mu.Unlock()
	onDisk := list(func(each func(h *head, at, next place) bool) { kit.Must(t, s.scan(first, new(unpacker), each)) })
	s.mu.Lock()
	for i, from := range slices.Clone(places) {
		var r recent
		if !s.recent.copyTo(&r, from) {
			t.Errorf("record %d is not in memory", i)
			continue
		}
		if got := list(func(each func(h *head, at, next place) bool) { r.each(new(unpacker), each) }); !slices.Equal(got, onDisk[i:]) {
			t.Errorf("from record %d: %v, want %v", i, got, onDisk[i:])
		}
	}
	for _, from := range []place{{}, s.Store.tail(), {places[0].segment, 1}, {places[0].segment + 1, places[0].offset}} {
		if s.recent.copyTo(new(recent), from) {
			t.Errorf("%v is in memory", from)
		}
	}
	s.mu.Unlock()
	kit.Must(t, s.put("com.t", 5, maxRecent))
	kit.Must(t, s.put("com.t", 6, 10))
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.recent.ends); n != 1 {
		t.Errorf("%d records are in memory behind a long one", n)
	}
}
