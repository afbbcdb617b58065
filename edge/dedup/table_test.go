package dedup

import (
	"fmt"
	"testing"
)

// has reports whether the table has the numbering of a node.
func (t *Table[W]) has(node any) bool { return t.numberings[Key{"a", fmt.Sprint(node), 1}] != nil }

// mustUse makes c the user of a node's numbering.
func mustUse(t *testing.T, table *Table[int], c *Client[int], node any) *numbering[int] {
	t.Helper()
	n, err := table.use(Key{"a", fmt.Sprint(node), 1}, c)
	if err != nil {
		t.Fatalf("%v: %v", node, err)
	}
	return n
}

// A full table first forgets the numberings that a single client has abandoned, the longest abandoned first, then shared ones.
func TestNumberingsAreBounded(t *testing.T) {
	var table Table[int]
	var connected, several, before, now Client[int]
	mustUse(t, &table, &connected, "connected")
	mustUse(t, &table, &before, "came again")
	mustUse(t, &table, &now, "came again")
	now.Close()
	const all = minNumberings + 100
	for i := range all {
		var client Client[int]
		mustUse(t, &table, &client, i)
		client.Close()
	}
	if len(table.numberings) != minNumberings+1 || !table.has("connected") || !table.has("came again") {
		t.Errorf("%d, %v, %v", len(table.numberings), table.has("connected"), table.has("came again"))
	}
	for i := range all {
		if table.has(i) != (i >= all-minNumberings+1) {
			t.Errorf("numbering %d is kept: %v", i, table.has(i))
		}
	}
	for i := range maxOwn { // the first is kept anyway
		mustUse(t, &table, &several, fmt.Sprint("several", i))
	}
	if len(table.numberings) != minNumberings+2 || table.has(all-minNumberings+maxOwn-1) || !table.has(all-minNumberings+maxOwn) || !table.has("came again") {
		t.Errorf("%d, %v, %v", len(table.numberings), table.has(all-minNumberings+maxOwn), table.has("came again"))
	}
}

// Each connected client keeps one numbering, however many clients there are. Only further ones fill the table.
func TestEachClientKeepsOne(t *testing.T) {
	var table Table[int]
	clients := make([]Client[int], 3*minNumberings)
	for i := range clients {
		mustUse(t, &table, &clients[i], i)
	}
	const more = minNumberings / (maxOwn - 1)
	for i := range more + 2 {
		for j := range maxOwn - 1 {
			mustUse(t, &table, &clients[i], fmt.Sprint(i, "/", j))
		}
	}
	if n := len(table.numberings); n != len(clients)+minNumberings {
		t.Errorf("%d numberings", n)
	}
	for i := range clients {
		if !table.has(i) && i < more { // later ones have replaced it by their own
			t.Errorf("client %d has lost its numbering", i)
		}
	}
	for i := range clients {
		clients[i].Close()
	}
	for i := range clients { // all come again
		var client Client[int]
		mustUse(t, &table, &client, i)
		client.Close()
	}
	if n := len(table.numberings); n < len(clients) || table.clients != 0 {
		t.Errorf("%d numberings, %d clients", n, table.clients)
	}
}

// The table's memory sets its room. If a log has more numberings, the table keeps the last ones.
func TestRestoredNumberingsAreBounded(t *testing.T) {
	for octets, room := range map[int64]int{0: minNumberings, 1 << 20: minNumberings, 10_000 * numberingOctets: 10_000} {
		table := Table[int]{MaxOctets: octets}
		const more = 5
		for i := range room + more {
			table.restore(Key{"a", fmt.Sprint(i), 1}, sequences{})
		}
		for i := range room + more {
			if table.has(i) != (i >= more) {
				t.Errorf("%d bytes: numbering %d is kept: %v", octets, i, table.has(i))
			}
		}
	}
}

// A client that forwards for others displaces what they have left only up to a half of the table.
func TestForwarderSharesTheTable(t *testing.T) {
	var table Table[int]
	for i := range minNumberings {
		var client Client[int]
		mustUse(t, &table, &client, i)
		client.Close()
	}
	link := Client[int]{Internal: true}
	for i := range 3 * minNumberings {
		mustUse(t, &table, &link, fmt.Sprint("far", i))
		if i > 0 {
			mustUse(t, &table, &link, "far0") // it is in use all the time
		}
	}
	if n := len(table.numberings); n != minNumberings+1 || !table.has(minNumberings-1) || !table.has("far0") || table.has("far1") {
		t.Errorf("%d numberings; of another client: %v; the one in use: %v", n, table.has(minNumberings-1), table.has("far0"))
	}
}

// When the table is full, a link replaces the least recently used numbering that it has found in a log or begun itself. Another
// client replaces those that it has begun itself first.
func TestOwnNumberingsAreReplaced(t *testing.T) {
	for _, internal := range []bool{false, true} {
		var table Table[int]
		for i := range minNumberings {
			table.restore(Key{"a", fmt.Sprint(i), 1}, sequences{})
		}
		client := Client[int]{Internal: internal}
		for i := range minNumberings {
			mustUse(t, &table, &client, i)
		}
		mustUse(t, &table, &client, 0)
		for i := range 10 {
			mustUse(t, &table, &client, fmt.Sprint("new", i))
		}
		if !table.has(0) || table.has(1) == internal || table.has("new0") != internal || !table.has("new9") {
			t.Errorf("internal %v: %v, %v, %v, %v", internal, table.has(0), table.has(1), table.has("new0"), table.has("new9"))
		}
		if _, _, err := table.Begin(&client, Key{"a", "new9", 1}, 1); err != nil { // it can't be replaced meanwhile
			t.Fatal(err)
		}
		if mustUse(t, &table, &client, "one more"); !table.has("new9") {
			t.Errorf("internal %v: a numbering in use is replaced", internal)
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

// A numbering with a publication in progress is not forgotten. A client that has only such ones gets no further one.
func TestTableIsFull(t *testing.T) {
	var table Table[int]
	begin := func(c *Client[int], node any) (*Mark[int], error) {
		m, _, err := table.Begin(c, Key{"a", fmt.Sprint(node), 1}, 1)
		return m, err
	}
	var left, client Client[int]
	link := Client[int]{Internal: true}
	for i := range minNumberings {
		if _, err := begin(&left, i); i < maxOwn && err != nil || i >= maxOwn && err != ErrFull {
			t.Fatal(i, err)
		}
		if _, err := begin(&link, fmt.Sprint("far", i)); err != nil && i < minNumberings-maxOwn {
			t.Fatal(i, err)
		}
	}
	left.Close()
	if _, err := begin(&client, "first"); err != nil {
		t.Error(err)
	}
	if _, err := begin(&client, "second"); err != ErrFull {
		t.Errorf("the table is full of publications in progress: %v", err)
	}
	m, _ := begin(&left, "7")
	m.Done(true)
	left.Close()
	if _, err := begin(&client, "second"); err != nil || table.has(7) {
		t.Errorf("numbering 7 is abandoned: %v", err)
	}
}

// A numbering that another client continues no longer belongs to the first client.
func TestNumberingChangesHands(t *testing.T) {
	var table Table[int]
	var before, after Client[int]
	mustUse(t, &table, &before, "n")
	n := mustUse(t, &table, &after, "n")
	before.Close()
	if n.user != &after || before.used.count() > 0 || after.used.count() != 1 || table.clients != 1 {
		t.Errorf("it is used by the client that has come: %v; %d clients", n.user == &after, table.clients)
	}
}
