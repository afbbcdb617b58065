package mqtt

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
)

func take(t *testing.T, f *flight, sequence uint64) flying {
	t.Helper()
	n, err := f.take(context.Background(), 7, sequence, freight{})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestFlightKeepsWhatIsUnderWay(t *testing.T) {
	f := newFlight(2, 0)
	f.connected(false, underWay)
	one := take(t, f, 1)
	two := take(t, f, 2)
	if one.id == two.id || one.again || one.release || one.done {
		t.Fatal(one, two)
	}
	full, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := f.take(full, 7, 3, freight{}); err == nil {
		t.Fatal("there is room for a third")
	}
	if n, ok := f.remove(one.id, false); n != 1 || !ok {
		t.Fatal(n, ok)
	}
	if _, ok := f.remove(one.id, false); ok {
		t.Error("one event was acknowledged twice")
	}
	if three := take(t, f, 3); three.again {
		t.Error("a new event is said to be sent again")
	}
}

func TestFlightAfterReconnect(t *testing.T) {
	f := newFlight(10, 0)
	f.connected(false, underWay)
	one, two := take(t, f, 1), take(t, f, 2)
	f.received(one.id)
	if release := f.connected(true, underWay); !slices.Equal(release, []uint16{one.id}) {
		t.Error(release)
	}
	if n := take(t, f, 1); !n.done || n.id != one.id {
		t.Errorf("what the broker has: %+v", n)
	}
	if n := take(t, f, 2); n.done || !n.again || n.release || n.id != two.id {
		t.Errorf("what it may have: %+v", n)
	}
	f.connected(false, underWay)
	if n := take(t, f, 1); n.done || !n.again {
		t.Errorf("what it had: %+v", n)
	}
}

// A PUBCOMP that answers the release of an id is not the new event's.
func TestFlightAfterRestart(t *testing.T) {
	f := newFlight(10, 5)
	f.connected(true, underWay)
	if n := take(t, f, 5); !n.again || n.release {
		t.Errorf("an event of an earlier process: %+v", n)
	}
	n := take(t, f, 6)
	if n.again || !n.release {
		t.Errorf("a new event: %+v", n)
	}
	if _, ok := f.remove(n.id, true); ok {
		t.Error("an answer to the release of its id has acknowledged an event")
	}
	f.received(n.id)
	if _, ok := f.remove(n.id, true); !ok {
		t.Error("the event is not acknowledged")
	}
	if n := take(t, f, 6+idSpace); n.release {
		t.Error("an id is released that this process has used")
	}
}

func TestFlightWithoutSessionReleasesNothing(t *testing.T) {
	f := newFlight(10, 0)
	f.connected(false, underWay)
	f.connected(true, underWay)
	if n := take(t, f, 1); n.release {
		t.Errorf("%+v", n)
	}
}

func TestIDsAreEvents(t *testing.T) {
	for _, n := range []uint64{0, 1, idSpace - 1, idSpace, 1 << 63, ^uint64(0)} {
		for _, epoch := range []uint64{0, 1, ^uint64(0)} {
			if id := idOf(epoch, n); id < 1 || id > idSpace {
				t.Errorf("idOf(%d, %d) = %d", epoch, n, id)
			}
		}
	}
}

// An event waits while too many events are in flight, or one with its id, until an acknowledgement or the end of its
// context.
func TestFlightWaitsForRoom(t *testing.T) {
	for _, c := range []struct {
		name     string
		limit    int
		sequence uint64
	}{{"too many", 2, 3}, {"an event with the same id", 10, 1 + idSpace}} {
		synctest.Test(t, func(t *testing.T) {
			f := newFlight(c.limit, 0)
			f.connected(false, underWay)
			one := take(t, f, 1)
			take(t, f, 2)
			var got flying
			var err error
			taken := false
			wait := func(ctx context.Context) {
				taken = false
				go func() {
					got, err = f.take(ctx, 7, c.sequence, freight{})
					taken = true
				}()
				if synctest.Wait(); taken {
					t.Errorf("%s: did not wait", c.name)
				}
			}
			ctx, cancel := context.WithCancel(t.Context())
			wait(ctx)
			cancel()
			if synctest.Wait(); !taken || !errors.Is(err, context.Canceled) {
				t.Errorf("%s: canceled: %v, %v", c.name, taken, err)
			}
			wait(t.Context())
			f.remove(one.id, false)
			if synctest.Wait(); !taken || err != nil || got.again || got.done {
				t.Errorf("%s: %v, %+v, %v", c.name, taken, got, err)
			}
		})
	}
}

// clear waits until every event is acknowledged, or until its context ends.
func TestFlightClears(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFlight(10, 0)
		f.connected(false, underWay)
		if err := f.clear(t.Context()); err != nil {
			t.Errorf("nothing under way: %v", err)
		}
		one, two := take(t, f, 1), take(t, f, 2)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := f.clear(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("canceled: %v", err)
		}
		cleared := false
		go func() {
			f.clear(t.Context())
			cleared = true
		}()
		f.remove(one.id, false)
		if synctest.Wait(); cleared {
			t.Error("one event is still under way")
		}
		f.remove(two.id, false)
		if synctest.Wait(); !cleared {
			t.Error("no event is under way")
		}
	})
}

// outcome returns the events acknowledged in this connection, and in order the events that the broker may lack.
func TestFlightOutcome(t *testing.T) {
	f := newFlight(10, 0)
	f.connected(false, underWay)
	var ids []uint16
	for n := range uint64(5) {
		ids = append(ids, take(t, f, n+1).id)
	}
	f.remove(ids[0], false)
	f.received(ids[1])
	landed, open := f.outcome()
	var numbers []uint64
	for _, s := range open {
		numbers = append(numbers, s.sequence)
	}
	if landed != 1 || !slices.Equal(numbers, []uint64{3, 4, 5}) {
		t.Errorf("%d acknowledged, %d are open", landed, numbers)
	}
	f.remove(ids[1], true)
	if landed, _ := f.outcome(); landed != 2 {
		t.Errorf("%d acknowledged", landed)
	}
	f.connected(true, underWay)
	if landed, open := f.outcome(); landed != 0 || len(open) != 0 {
		t.Errorf("in the next connection: %d acknowledged, %v are open", landed, open)
	}
}

// After a reconnect, the events that the broker has are released in their order, and one that it refuses is in flight no more.
func TestFlightReleasesInOrder(t *testing.T) {
	f := newFlight(100, 0)
	f.connected(false, underWay)
	var want []uint16
	for sequence := range uint64(30) {
		n := take(t, f, idSpace-10+sequence) // the ids begin again on the way
		f.received(n.id)
		want = append(want, n.id)
	}
	f.received(want[0] + 1000) // of no event
	if release := f.connected(true, underWay); !slices.Equal(release, want) {
		t.Errorf("%v, not %v", release, want)
	}
	if _, ok := f.remove(want[0], false); ok {
		t.Error("PUBACK ends an event that waits for PUBCOMP")
	}
	if e, ok := f.refused(want[0]); !ok || e.sequence != idSpace-10 {
		t.Errorf("refused: %+v, %v", e, ok)
	}
	if e, ok := f.refused(want[0]); ok {
		t.Errorf("refused twice: %+v", e)
	}
	if landed, _ := f.outcome(); landed != 1 {
		t.Errorf("%d events are answered", landed)
	}
}

// Messages that are no events take the same places. The first always gets one, and only in the connection in which it is sent.
func TestFlightOfOthers(t *testing.T) {
	f := newFlight(10, 0)
	f.connected(false, 3)
	take(t, f, 1)
	take(t, f, 2)
	take(t, f, 3)
	if !f.reserve() || f.reserve() {
		t.Error("the first of the others gets no place, or the second one does")
	}
	f.free()
	f.free() // one more than there are
	f.connected(false, 3)
	for place := range 4 {
		if got := f.reserve(); got != (place < 3) {
			t.Errorf("place %d of 3: %v", place+1, got)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		taken := false
		go func() { take(t, f, 4); taken = true }()
		if synctest.Wait(); taken {
			t.Error("an event takes the place of another message")
		}
		f.free()
		if synctest.Wait(); !taken {
			t.Error("an event does not get the place that is free")
		}
	})
}

// No more events are in flight than the link or the broker allows.
func TestFlightLimits(t *testing.T) {
	for _, c := range []struct{ limit, most, want int }{{2, 5, 2}, {5, 2, 2}, {3, 3, 3}} {
		f := newFlight(c.limit, 0)
		f.connected(false, c.most)
		full, cancel := context.WithCancel(t.Context())
		cancel()
		for n := range c.want {
			take(t, f, uint64(1+n))
		}
		if _, err := f.take(full, 7, 9, freight{}); err == nil {
			t.Errorf("%+v: one more is in flight", c)
		}
	}
}
