package spool

import (
	"slices"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"runnel/edge/journal"
)

// A gap is written once, and again after a failure.
func TestGapsAreWrittenOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, newFlash(), Options{})
		b.put(Memory, "a", "b")
		b.Discard(1)
		time.Sleep(5 * time.Second)
		written := b.disk.wrote()
		time.Sleep(time.Minute)
		if n := b.disk.wrote() - written; n != 0 || written == 0 {
			t.Errorf("%d bytes were written, and %d later", written, n)
		}
		if held := open(t, b.disk.kill(), Options{}).waiting(); !slices.Equal(held, []string{"gap:operator:1"}) {
			t.Errorf("after a crash: %q", held)
		}
		b.disk.breakDown(syscall.EIO)
		b.Discard(1)
		time.Sleep(10 * time.Second)
		b.disk.breakDown(nil)
		time.Sleep(time.Minute)
		if held := open(t, b.disk.kill(), Options{}).waiting(); !slices.Equal(held, []string{"gap:operator:2"}) {
			t.Errorf("after a crash and a failed write: %q", held)
		}
	})
}

// Of a gap that was written several times, the last record is valid, for each reason and beginning.
func TestGapWrittenTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := newFlash()
		j, _, err := journal.OpenOn(disk, "/spool/gaps", 1<<20, func(uint64, []byte) {})
		if err != nil {
			t.Fatal(err)
		}
		var records [][]byte
		for _, g := range []Gap{
			{Reason: BySize, First: 1, Last: 3, Count: 3}, {Reason: ByAge, First: 1, Last: 4, Count: 2}, {Reason: BySize, First: 5, Last: 6, Count: 2},
			{Reason: BySize, First: 1, Last: 7, Count: 7},
		} {
			records = append(records, appendGap(nil, &entry{Event: Event{Epoch: 1, Sequence: g.Last, Gap: &g}}, 0))
		}
		if n, err := j.Append(all(records)); n != len(records) || err != nil {
			t.Fatal(n, err)
		}
		j.Close()
		b := open(t, disk, Options{})
		b.consistent()
		b.holds("gap:age:2", "gap:size:2", "gap:size:7")
	})
}
