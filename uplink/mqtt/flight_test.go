package mqtt

import (
	"context"
	"slices"
	"testing"
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
	f.connected(false)
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
	if n, ok := f.landed(one.id, false); n != 1 || !ok {
		t.Fatal(n, ok)
	}
	if _, ok := f.landed(one.id, false); ok {
		t.Error("one event was acknowledged twice")
	}
	if three := take(t, f, 3); three.again {
		t.Error("a new event is said to be sent again")
	}
}

func TestFlightAfterReconnect(t *testing.T) {
	f := newFlight(10, 0)
	f.connected(false)
	one, two := take(t, f, 1), take(t, f, 2)
	f.received(one.id)
	if release := f.connected(true); !slices.Equal(release, []uint16{one.id}) {
		t.Error(release)
	}
	if n := take(t, f, 1); !n.done || n.id != one.id {
		t.Errorf("what the broker has: %+v", n)
	}
	if n := take(t, f, 2); n.done || !n.again || n.release || n.id != two.id {
		t.Errorf("what it may have: %+v", n)
	}
	f.connected(false)
	if n := take(t, f, 1); n.done || !n.again {
		t.Errorf("what it had: %+v", n)
	}
}

// A PUBCOMP that answers the release of an id is not the new event's.
func TestFlightAfterRestart(t *testing.T) {
	f := newFlight(10, 5)
	f.connected(true)
	if n := take(t, f, 5); !n.again || n.release {
		t.Errorf("an event of an earlier process: %+v", n)
	}
	n := take(t, f, 6)
	if n.again || !n.release {
		t.Errorf("a new event: %+v", n)
	}
	if _, ok := f.landed(n.id, true); ok {
		t.Error("an answer to the release of its id has acknowledged an event")
	}
	f.received(n.id)
	if _, ok := f.landed(n.id, true); !ok {
		t.Error("the event is not acknowledged")
	}
	if n := take(t, f, 6+idSpace); n.release {
		t.Error("an id is released that this process has used")
	}
}

func TestFlightWithoutSessionReleasesNothing(t *testing.T) {
	f := newFlight(10, 0)
	f.connected(false)
	f.connected(true)
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

func TestEchoes(t *testing.T) {
	e := newEchoes([]string{"a/#"})
	say := func(topic string) bool { return e.take(topic, []byte("x"), false) }
	if say("a/b") {
		t.Error("an echo of what was not sent")
	}
	e.expect("a/b", []byte("x"), true, false)
	e.expect("a/b", []byte("x"), true, false)
	e.expect("b", []byte("x"), true, false)
	if got := []bool{say("a/c"), say("a/b"), say("a/b"), say("a/b"), say("b")}; !slices.Equal(got, []bool{false, true, true, false, false}) {
		t.Error(got)
	}
	for range maxEchoes + 1 {
		e.expect("a/b", []byte("x"), true, false)
	}
	if len(e.due) != maxEchoes {
		t.Errorf("%d are remembered", len(e.due))
	}
	e.expect("a/kept", []byte("x"), false, true)
	kept := func(payload string) bool { return e.take("a/kept", []byte(payload), true) }
	e.connected(false)
	if kept("x") {
		t.Error("the broker sends nothing again that it was not asked for")
	}
	e.expect("a/kept", []byte("x"), false, true)
	e.subscribing([]string{"a/#"})
	if say("a/b") || !kept("x") || kept("x") {
		t.Error("what the broker keeps was not recognized once")
	}
	e.expect("a/kept", []byte("x"), false, true)
	e.subscribing([]string{"a/#"})
	if kept("y") || kept("x") {
		t.Error("another client's message was taken for an echo")
	}
}
