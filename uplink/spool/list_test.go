package spool

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// The list behaves as a sorted slice with two positions does.
func TestList(t *testing.T) {
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 7))
		var l list
		var all []*entry // the expected content of the list
		last, read := uint64(0), uint64(0)
		for range 300 {
			switch n := r.IntN(7); {
			case n < 2:
				last += 1 + uint64(r.IntN(3))
				e := &entry{Event: Event{Sequence: last}}
				all = append(all, e)
				l.push(e)
			case n == 2: // an entry between others, behind those that Next has returned
				sequence := read + 1 + uint64(r.IntN(int(last-read)+1))
				if l.find(sequence) != nil {
					continue
				}
				e := &entry{Event: Event{Sequence: sequence}}
				all, last = append(all, e), max(last, sequence)
				l.insert(e)
			case n == 3 && len(all) > 0:
				i := r.IntN(len(all))
				l.unlink(all[i])
				if !all[i].gone {
					t.Fatal("a removed entry is not gone")
				}
				all = slices.Delete(all, i, i+1)
			case n == 4 && len(all) > 0:
				read = max(read, all[r.IntN(len(all))].Sequence)
				l.returnedTo(read)
			case n == 5 && l.nextWrite != nil:
				if e := l.startWrite(); e.state != writing {
					t.Fatal("an entry is not being written")
				}
			case n == 6: // a commit ends: some of its entries were written, the others were not
				failed := r.IntN(3) == 0
				for _, e := range all {
					if e.state == writing {
						if failed = failed || r.IntN(8) == 0; failed {
							e.state = unwritten
						} else {
							e.state = written
						}
					}
				}
				l.rewindWrite()
				checkWritten(t, &l)
			}
			slices.SortFunc(all, func(a, b *entry) int { return int(a.Sequence) - int(b.Sequence) })
			check(t, &l, all, read)
		}
	}
}

func check(t *testing.T, l *list, all []*entry, read uint64) {
	t.Helper()
	var forward, backward []*entry
	for e := l.front; e != nil; e = e.next {
		forward = append(forward, e)
	}
	for e := l.back; e != nil; e = e.prev {
		backward = append([]*entry{e}, backward...)
	}
	if !slices.Equal(forward, all) || !slices.Equal(backward, all) {
		t.Fatalf("%d entries forward, %d backward, want %d", len(forward), len(backward), len(all))
	}
	i := slices.IndexFunc(all, func(e *entry) bool { return e.Sequence > read })
	if i < 0 && l.nextRead != nil || i >= 0 && l.nextRead != all[i] {
		t.Fatalf("nextRead is %v after %d", l.nextRead, read)
	}
	seen := l.nextWrite == nil
	for _, e := range all {
		if e == l.nextWrite {
			seen = true
		}
		if l.find(e.Sequence) != e {
			t.Fatalf("%d is not found", e.Sequence)
		}
	}
	if !seen || l.find(0) != nil || l.find(1<<40) != nil {
		t.Fatal("nextWrite is not in the list, or an entry is found that is not")
	}
	if e := l.evictable(); len(all) > 0 && (e != nil) != (all[0].state == written) || e != nil && e != all[0] {
		t.Fatalf("%v can be evicted", e)
	}
}

func checkWritten(t *testing.T, l *list) {
	t.Helper()
	for e := l.front; e != l.nextWrite; e = e.next {
		if e.state != written {
			t.Fatalf("%d is in front of nextWrite, and not written", e.Sequence)
		}
	}
	if l.nextWrite != nil && l.nextWrite.state == written {
		t.Fatal("nextWrite is written")
	}
}

func TestRenumber(t *testing.T) {
	var l list
	var all []*entry
	for n := range uint64(5) {
		all = append(all, &entry{Event: Event{Sequence: 10 * (n + 1)}})
		l.push(all[n])
	}
	l.returnedTo(10)
	l.renumber(all[1], 45)
	if all[1].gone {
		t.Error("a renumbered entry is gone")
	}
	check(t, &l, []*entry{all[0], all[2], all[3], all[1], all[4]}, 10)
	l.renumber(all[4], 12)
	check(t, &l, []*entry{all[0], all[4], all[2], all[3], all[1]}, 10)
	l.renumber(all[4], 99)
	check(t, &l, []*entry{all[0], all[2], all[3], all[1], all[4]}, 10)
}
