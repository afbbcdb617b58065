package durable

import (
	"os"
	"slices"
	"testing"
	"testing/synctest"

	"runnel/edge/codec"
	"runnel/edge/journal"
	"runnel/edge/store"
	"runnel/edge/wamp"
	"runnel/test/kit"
)

// openBlocks opens a store with n events of 100 bytes at the positions 1, 2, 3, ..., written in one batch. ends are the
// positions of the last events of the blocks.
func openBlocks(t *testing.T, dir string, n int) (s *shelf, ends []uint64) {
	t.Helper()
	s = openShelf(t, dir, 0, func(s *Store) {
		kit.Must(t, s.Declare([]Rule{{Name: "d", URI: "com.t"}}, func(*Subscription) {}))
		for range n {
			payload := codec.Payload{Serializer: wamp.CBOR, Items: 1, Raw: make([]byte, 100)}
			kit.Must(t, s.Put(&Publication{Event: &store.Event{ID: wamp.NewID(), Topic: []byte("com.t"), Payload: payload}}, nil))
		}
	})
	s.awaitIdle()
	var places []place
	kit.Must(t, s.scan(place{}, new(unpacker), func(h *head, at, _ place) bool {
		if len(places) > 0 && places[len(places)-1] == at {
			ends[len(ends)-1] = h.position
			return true
		}
		places, ends = append(places, at), append(ends, h.position)
		return true
	}))
	if len(ends) < 4 || ends[len(ends)-1] != uint64(n) {
		t.Fatalf("blocks end at %v", ends)
	}
	return s, ends
}

// A consumer whose window is smaller than a block gets the events of the block in order, each once, even across a
// restart of the router.
func TestWithinABlock(t *testing.T) {
	dir := t.TempDir()
	const n = 400
	var got []uint64
	consume := func(s *shelf, c *clerk, until int) {
		a := s.Find("", "d").Attach(AttachOptions{Consumer: c, Window: 7})
		for s.awaitIdle(); len(got) < until; s.sleep(2 * ackPause) {
			positions := c.positions()
			if len(positions) == 0 {
				t.Fatalf("no event after %d", len(got))
			}
			for _, position := range positions {
				a.AckPosition(position)
			}
			got = append(got, positions...)
		}
		a.Detach()
		s.awaitIdle()
	}
	var ends []uint64
	synctest.Test(t, func(t *testing.T) {
		var s *shelf
		s, ends = openBlocks(t, dir, n)
		consume(s, &clerk{}, int(ends[1])+3)
		floor := s.Find("", "d").State().Floor
		if s.close(); slices.Contains(ends, floor) {
			t.Fatalf("the floor %d is the end of a block", floor)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		s := openShelf(t, dir, 0)
		if st := s.Find("", "d").State(); int(st.Floor) != len(got) || st.Events != n-len(got) {
			t.Errorf("%+v after %d events", st, len(got))
		}
		consume(s, &clerk{}, n)
	})
	for i, position := range got {
		if position != uint64(i+1) {
			t.Fatalf("event %d has position %d", i+1, position)
		}
	}
}

// A damaged block costs only its own events: the events of the blocks before and after it are delivered.
func TestDamagedBlock(t *testing.T) {
	dir := t.TempDir()
	var ends []uint64
	synctest.Test(t, func(t *testing.T) {
		var s *shelf
		s, ends = openBlocks(t, dir, 400)
		s.close()
	})
	file := files(t, dir)[0]
	b, err := os.ReadFile(file)
	kit.Must(t, err)
	b[maxBlock+maxBlock/2] ^= 1 // in the second one
	kit.Must(t, os.WriteFile(file, b, 0o600))
	var want []uint64
	for position := uint64(1); position <= 400; position++ {
		if position <= ends[0] || position > ends[1] {
			want = append(want, position)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		s := openShelf(t, dir, 0)
		d, c := s.Find("", "d"), &clerk{}
		s.awaitIdle()
		if st := d.State(); st.Events != len(want)+1 {
			t.Errorf("%d events, want %d and the gap", st.Events, len(want))
		}
		d.Attach(AttachOptions{Consumer: c, Sent: true})
		s.awaitIdle()
		equal(t, "deliveries", c.positions(), want)
		if len(c.gaps) != 1 || c.gaps[0].Reason != "damage" {
			t.Errorf("%+v", c.gaps)
		}
	})
}

// A batch that ends near the end of a page is padded to that end, so that the next batch does not rewrite the page. The
// padding takes at most a quarter of the batch.
func TestAlign(t *testing.T) {
	const batchOf = 400
	total := batchOf + journal.Overhead
	for _, c := range []struct {
		missing int
		want    int
	}{{0, 0}, {1, 1}, {99, 99}, {100, 100}, {101, 0}, {4095, 0}} {
		for _, page := range []int64{1, 2, 100} {
			b := batch{data: make([]byte, batchOf), ends: []int{150, batchOf}}
			b.align(page*pageSize - int64(total+journal.Overhead+c.missing))
			if len(b.data) != batchOf+c.want || b.ends[0] != 150 || b.ends[1] != len(b.data) {
				t.Errorf("%d bytes missing on page %d: %d bytes, %v", c.missing, page, len(b.data), b.ends)
			}
			for _, x := range b.data[batchOf:] {
				if x != padding {
					t.Errorf("the filling is %x", b.data[batchOf:])
				}
			}
		}
	}
}

// Batches of confirmed events are filled up in the file. The filling is no part of a backlog, and has no events.
func TestAlignedOnDisk(t *testing.T) {
	dir := t.TempDir()
	s := openShelf(t, dir, 0)
	d := s.create(Rule{Name: "d", URI: "com.t"})
	aligned := 0
	var want []int64
	for n := range int64(40) {
		kit.Must(t, s.put("com.t", int(n), 3000))
		want = append(want, n)
		if s.Octets()%pageSize == 0 {
			aligned++
		}
	}
	if aligned < 5 {
		t.Errorf("%d of 40 batches end with a page", aligned)
	}
	if got := s.numbers(d); !slices.Equal(got, want) {
		t.Errorf("%v", got)
	}
	st := d.State()
	s.close()
	s = openShelf(t, dir, 0)
	d = s.Find("", "d")
	if got := s.numbers(d); !slices.Equal(got, want) || d.State().Octets != st.Octets {
		t.Errorf("after a restart %v, %d bytes of %d", got, d.State().Octets, st.Octets)
	}
}
