package dedup

import (
	"fmt"
	"testing"
)

// A full table first forgets the abandoned numberings of single clients, and last the numbering of a connected client.
func TestNumberingsAreBounded(t *testing.T) {
	var table Table[int]
	use := func(c *Client[int], node string) {
		t.Helper()
		if _, err := table.use(Key{"a", node, 1}, c); err != nil {
			t.Fatal(err)
		}
	}
	kept := func(node string) bool { return table.numberings[Key{"a", node, 1}] != nil }
	connected, before, now := new(Client[int]), new(Client[int]), new(Client[int])
	use(connected, "connected")
	use(before, "came again")
	use(now, "came again")
	now.Close()
	const all, more = maxNumberings + 100, 102
	for i := range all {
		client := new(Client[int])
		use(client, fmt.Sprint(i))
		client.Close()
	}
	if len(table.numberings) != maxNumberings || !kept("connected") || !kept("came again") {
		t.Errorf("%d, %v, %v", len(table.numberings), kept("connected"), kept("came again"))
	}
	for i := range all {
		if kept(fmt.Sprint(i)) != (i >= more) { // the least recently used are forgotten
			t.Errorf("numbering %d is kept: %v", i, kept(fmt.Sprint(i)))
		}
	}
	for i := range maxNumberings / 2 { // clients that stay
		client := new(Client[int])
		use(client, fmt.Sprint("x", i))
		use(client, fmt.Sprint("y", i))
	}
	for i := range 10 {
		use(new(Client[int]), fmt.Sprint("new", i))
	}
	if len(table.numberings) != maxNumberings || !kept("connected") {
		t.Errorf("%d, %v", len(table.numberings), kept("connected"))
	}
}

// Of the numberings in a log, the last ones are kept.
func TestRestoredNumberingsAreBounded(t *testing.T) {
	var table Table[int]
	const more = 5
	for i := range maxNumberings + more {
		table.restore(Key{"a", fmt.Sprint(i), 1}, sequences{})
	}
	for i := range maxNumberings + more {
		if kept := table.numberings[Key{"a", fmt.Sprint(i), 1}] != nil; kept != (i >= more) {
			t.Errorf("numbering %d is kept: %v", i, kept)
		}
	}
}

// One client with any number of numberings displaces its own.
func TestOwnNumberingsAreBounded(t *testing.T) {
	var table Table[int]
	var other, flood Client[int]
	begin := func(c *Client[int], node string) State {
		t.Helper()
		m, state, err := table.Begin(c, Key{"a", node, 1}, 1)
		if err != nil {
			t.Fatal(err)
		}
		if m != nil {
			m.Sent()
			m.Done(true)
		}
		return state
	}
	begin(&other, "other")
	for i := range maxOwn + 2000 {
		if state := begin(&flood, fmt.Sprint(i)); state != New {
			t.Fatalf("%d: %v", i, state)
		}
	}
	if n := len(table.numberings); n != maxOwn+1 {
		t.Errorf("%d numberings", n)
	}
	if begin(&other, "other") != Routed || begin(&flood, "0") != New {
		t.Error("another client's numbering was displaced, or an own one was not")
	}
}

func TestBegin(t *testing.T) {
	var table Table[string]
	var a, b Client[string]
	key := Key{"a", "n", 1}
	expect := func(c *Client[string], number uint64, want State) *Mark[string] {
		t.Helper()
		m, state, err := table.Begin(c, key, number)
		if err != nil || state != want || (m == nil) != (want == Routed) {
			t.Fatalf("%v, %v, %v", m, state, err)
		}
		if state == New {
			m.Sent()
		}
		return m
	}
	first := expect(&a, 1, New)
	first.Waiting = "first"
	if again := expect(&b, 1, Pending); again.Waiting != "first" {
		t.Errorf("the mark is of %q", again.Waiting)
	}
	first.Done(false)
	expect(&b, 1, New).Done(true)
	expect(&a, 1, Routed)
	expect(&a, 9, New).Done(true) // a gap
	expect(&b, 5, New).Done(true) // filled late
	expect(&a, 5, Routed)
	expect(&a, 4, New)
	if first.Record() {
		t.Error("a table without a log has recorded")
	}
}

// A publication does not overtake a publication of its numbering that is being routed. Meanwhile that publication and
// earlier ones are recognized as repetitions, and other numberings do not wait.
func TestBeginWaitsItsTurn(t *testing.T) {
	var table Table[int]
	var old, next Client[int]
	key := Key{"a", "n", 1}
	begin := func(c *Client[int], key Key, number uint64, want State) *Mark[int] {
		t.Helper()
		m, state, err := table.Begin(c, key, number)
		if err != nil || state != want || (m == nil) != (want == Routed || want == Busy) {
			t.Fatalf("%d: %v, %v, %v", number, m, state, err)
		}
		return m
	}
	one := begin(&old, key, 1, New)
	one.Sent()
	one.Done(true)
	two := begin(&old, key, 2, New)
	begin(&next, key, 1, Routed)
	begin(&next, key, 2, Pending)
	begin(&next, key, 3, Busy)
	begin(&next, Key{"a", "other", 1}, 3, New)
	two.Sent()
	three := begin(&next, key, 3, New)
	begin(&old, key, 3, Pending)
	begin(&old, key, 4, Busy)
	three.Done(false) // it was not routed, but it still has to be noted
	begin(&old, key, 4, Busy)
	three.Sent()
	begin(&old, key, 3, New)
}

// The gaps of all numberings together are bounded, and counted correctly.
func TestAllSpansAreBounded(t *testing.T) {
	var table Table[int]
	for i := range 2 * maxAllSpans / maxSpans {
		n, err := table.use(Key{"a", fmt.Sprint(i), 1}, new(Client[int]))
		if err != nil {
			t.Fatal(err)
		}
		for number := range uint64(maxSpans + 10) {
			n.add(2 * (number + 1))
		}
		n.remove(4)
	}
	spans := 0
	for _, n := range table.numberings {
		spans += len(n.routed.open)
	}
	if table.spans != spans || spans > maxAllSpans+2*maxAllSpans/maxSpans*fewSpans {
		t.Errorf("%d spans, counted as %d", spans, table.spans)
	}
}

// A table rejects new numberings if connected clients use all of its numberings.
func TestTableIsFull(t *testing.T) {
	var table Table[int]
	clients := make([]Client[int], maxNumberings)
	for i := range clients {
		if _, err := table.use(Key{"a", fmt.Sprint(i), 1}, &clients[i]); err != nil {
			t.Fatal(i, err)
		}
	}
	if _, err := table.use(Key{"a", "one more", 1}, new(Client[int])); err != ErrFull {
		t.Errorf("one more: %v", err)
	}
	if clients[7].Close(); table.numberings[Key{"a", "7", 1}].user != nil {
		t.Error("a client that has left still uses its numbering")
	}
	if _, err := table.use(Key{"a", "one more", 1}, new(Client[int])); err != nil {
		t.Error(err)
	}
}

// A numbering that another client continues no longer belongs to the first client.
func TestNumberingChangesHands(t *testing.T) {
	var table Table[int]
	var before, after Client[int]
	for _, c := range []*Client[int]{&before, &after} {
		if _, err := table.use(Key{"a", "n", 1}, c); err != nil {
			t.Fatal(err)
		}
	}
	before.Close()
	if n := table.numberings[Key{"a", "n", 1}]; n.user != &after || len(before.used) > 0 || len(after.used) != 1 {
		t.Errorf("it is used by the client that has come: %v", n.user == &after)
	}
}
