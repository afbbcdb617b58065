package store

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"runnel/edge/journal"
	"runnel/edge/wamp"
)

// entry is an event of a story: its text, and its position in the log of durable events.
type entry struct {
	*PastEvent
	position uint64
}

func (k *kept) entry(text string, position uint64) entry {
	k.Helper()
	return entry{NewPastEvent(k.event("com.a", text, nil)), position}
}

func (k *kept) records(h *History, list ...entry) {
	for _, e := range list {
		h.Record(e.PastEvent, e.position)
	}
}

// archived returns how many events a history's own files have.
func (k *kept) archived() int {
	k.Helper()
	_, found, err := journal.Open(filepath.Join(k.copied(), "history/exact-com.a"), segmentBytes, func([]byte) {})
	if err != nil {
		k.Fatal(err)
	}
	return found.Records
}

// awaitSaved waits until the changes are on disk.
func (k *kept) awaitSaved() {
	time.Sleep(2 * saveDelay)
	synctest.Wait()
}

// Events that the log of durable events has are not written a second time. After a restart, both kinds are in one order.
func TestSharedEvents(t *testing.T) {
	story(t, func(t *testing.T, dir string) {
		k := open(t, dir, 1<<20, Rule{URI: "com.a"})
		h := k.histories[0]
		log := []entry{k.entry("3", 5), k.entry("5", 6), k.entry("6", 9)}
		k.records(h, k.entry("1", 0), k.entry("2", 0), log[0], k.entry("4", 0), log[2], log[1], k.entry("7", 0))
		k.holds(h, "1 2 3 4 5 6 7")
		if n := h.Needed(); n != 5 {
			t.Errorf("needs %d", n)
		}
		k.awaitSaved()
		if n := k.archived(); n != 4 {
			t.Errorf("%d events are written, of 4 that the log does not have", n)
		}
		for range 2 {
			k.close()
			k = open(t, dir, 1<<20, Rule{URI: "com.a"})
			h = k.histories[0]
			k.holds(h, "1 2 4 7")
			for range 2 { // the second time there are no new events
				for _, e := range log {
					h.Restore(e.PastEvent, e.position)
				}
				k.holds(h, "1 2 3 4 5 6 7")
			}
			if n := h.Last(); n != 9 {
				t.Errorf("the last position is %d", n)
			}
		}
		k.records(h, k.entry("8", 0), k.entry("9", 12))
		k.holds(h, "1 2 3 4 5 6 7 8 9")
	})
}

// The archive takes over the events that the log drops, in their order, and once.
func TestRelease(t *testing.T) {
	for _, c := range []struct {
		name        string
		first, last uint64
		archived    int
		needs       uint64
	}{
		{"none", 0, 4, 2, 5}, {"the first", 0, 5, 3, 6}, {"behind the archive's", 8, 10, 3, 5}, {"all", 0, math.MaxUint64, 5, 0},
	} {
		story(t, func(t *testing.T, dir string) {
			k := open(t, dir, 1<<20, Rule{URI: "com.a"})
			h := k.histories[0]
			log := []entry{k.entry("2", 5), k.entry("4", 6), k.entry("5", 9)}
			k.records(h, k.entry("1", 0), log[0], k.entry("3", 0), log[1], log[2])
			k.awaitSaved()
			if any := h.Release(c.first, c.last); any != (c.archived > 2) {
				t.Errorf("%s: takes over %v", c.name, any)
			}
			if err := k.disk.Flush(); err != nil {
				t.Error(c.name, err)
			}
			if n := k.archived(); n != c.archived || h.Needed() != c.needs {
				t.Errorf("%s: %d events are written, and %d is needed", c.name, n, h.Needed())
			}
			late := k.entry("6", 10) // it was on its way meanwhile
			k.records(h, late)
			k.awaitSaved()
			k.close()
			k = open(t, dir, 1<<20, Rule{URI: "com.a"})
			h = k.histories[0]
			for _, e := range slices.Concat(log, []entry{late}) {
				h.Restore(e.PastEvent, e.position)
			}
			k.holds(h, "1 2 3 4 5 6")
		})
	}
}

// The disk writes the events that the archive has taken over by itself, without a Flush.
func TestReleaseIsWritten(t *testing.T) {
	story(t, func(t *testing.T, dir string) {
		k := open(t, dir, 1<<20, Rule{URI: "com.a"})
		k.records(k.histories[0], k.entry("1", 0), k.entry("2", 5))
		k.awaitSaved()
		k.histories[0].Release(0, 5)
		k.awaitSaved()
		if n := k.archived(); n != 2 {
			t.Errorf("%d events are written", n)
		}
	})
}

// The histories of a realm get the events of the log that match them. Together they determine which part of the log is
// needed.
func TestHistories(t *testing.T) {
	var all Histories
	if n, last := all.Needed(), all.Last(); len(all.All()) != 0 || n != 0 || last != 0 || all.Release(0, math.MaxUint64) {
		t.Errorf("without histories %d is needed, of %d", n, last)
	}
	for _, r := range []Rule{{URI: "com.", Match: wamp.Prefix}, {URI: "com.a"}, {URI: "com.b"}} {
		all.Add(NewHistory(r, discard, nil))
	}
	one := (&kept{T: t}).event("com.a", "", map[string]any{"eligible": []any{7}}).Filter
	for position, e := range []*Event{
		{ID: 1, Topic: []byte("com.b")}, {ID: 2, Topic: []byte("com.a")}, {ID: 3, Topic: []byte("org.a")},
		{ID: 4, Topic: []byte("com.a"), Filter: one}, {ID: 5, Topic: []byte("com.a")},
	} {
		all.Restore(e, time.Now(), time.Time{}, uint64(position+4))
	}
	for i, want := range []string{"[1 2 5]", "[2 5]", "[1]"} {
		if got := idsOf(all.All()[i]); got != want {
			t.Errorf("%s has %s, want %s", all.All()[i].URI, got, want)
		}
	}
	needs := func(want uint64) {
		t.Helper()
		if n := all.Needed(); n != want || all.Last() != 8 {
			t.Errorf("%d is needed, want %d, of %d", n, want, all.Last())
		}
	}
	needs(4)
	if !all.Release(0, 4) {
		t.Error("the first history and the last one take over nothing")
	}
	needs(5)
	all.Set(all.All()[1:]) // the next one needs 5, the last one nothing
	needs(5)
	if all.Release(6, 7) || !all.Release(5, 5) || !all.Release(8, 8) {
		t.Error("events are taken over wrongly")
	}
	needs(0)
}

// Events that the archive could not take over are asked for again: the log must not drop them as if they were on disk.
func TestReleaseAgain(t *testing.T) {
	story(t, func(t *testing.T, dir string) {
		k := open(t, dir, 1<<20, Rule{URI: "com.a"})
		h := k.histories[0]
		history := filepath.Join(dir, "history")
		if err := errors.Join(os.MkdirAll(dir, 0o700), os.WriteFile(history, nil, 0o600)); err != nil { // a file in place of a directory
			t.Fatal(err)
		}
		k.records(h, k.entry("1", 5), k.entry("2", 0))
		for range 2 {
			if !h.Release(0, 5) {
				t.Error("there is nothing to take over")
			}
			if err := k.disk.Flush(); err == nil {
				t.Error("a directory that cannot be made is no error")
			}
		}
		os.Remove(history)
		if err := k.disk.Flush(); err != nil || k.archived() != 2 {
			t.Errorf("%v, %d", err, k.archived())
		}
	})
}

// The bounds hold for the events of both kinds together, in memory and in the archive.
func TestSharedBounds(t *testing.T) {
	story(t, func(t *testing.T, dir string) {
		k := open(t, dir, 1<<20, Rule{URI: "com.a", Events: 3})
		h := k.histories[0]
		log := []entry{k.entry("2", 1), k.entry("4", 2), k.entry("5", 3)}
		k.records(h, k.entry("1", 0), log[0], k.entry("3", 0), log[1], log[2])
		k.holds(h, "3 4 5")
		k.close()
		k = open(t, dir, 1<<20, Rule{URI: "com.a", Events: 3})
		h = k.histories[0]
		for _, e := range log {
			h.Restore(e.PastEvent, e.position)
		}
		k.holds(h, "3 4 5")
		for i := range 3 {
			k.records(h, k.entry(fmt.Sprint(6+i), uint64(4+i)))
		}
		k.holds(h, "6 7 8")
		h.SetBounds(Rule{URI: "com.a", Events: 1})
		if n := h.Needed(); n != 6 {
			t.Errorf("needs %d", n)
		}
	})
}

// Events that the archive could not write are written later, and those of the log are not.
func TestSharedEventsOnFullDisk(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("root may write everywhere")
	}
	story(t, func(t *testing.T, dir string) {
		k := open(t, dir, 1<<20, Rule{URI: "com.a"})
		h := k.histories[0]
		if err := os.Mkdir(filepath.Join(dir, "history"), 0o500); err != nil {
			t.Fatal(err)
		}
		k.records(h, k.entry("1", 0), k.entry("2", 1))
		if err := k.disk.Flush(); err == nil {
			t.Error("a directory that cannot be written is no error")
		}
		os.Chmod(filepath.Join(dir, "history"), 0o700)
		if err := k.disk.Flush(); err != nil || k.archived() != 1 {
			t.Errorf("%v, %d", err, k.archived())
		}
	})
}
