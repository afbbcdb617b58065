package dedup

import (
	"errors"
	"iter"
	"maps"
	"slices"
)

const (
	maxNumberings = 8192      // of one table
	maxOwn        = 32        // that one client has begun
	maxAllSpans   = 256 << 10 // of all numberings of a table; 16 bytes each
	fewSpans      = 16        // spans of a numbering that grows while the table is at its bound
)

// ErrFull is returned by Begin when no numbering can be forgotten to make room for another.
var ErrFull = errors.New("too many numberings are in use")

// Key identifies a numbering.
type Key struct {
	Authid, Node string
	Epoch        uint64
}

// Table holds the numberings of a realm. The zero value is empty. The caller's lock guards a table, its clients and its
// marks; a Log of the table takes the same lock.
type Table[W any] struct {
	numberings map[Key]*numbering[W]
	spans      int // of all numberings
	clock      uint64
	log        *Log[W] // nil: the table is in memory only
}

// Client is a sender of publications, such as a session. The zero value is a client that has sent none.
type Client[W any] struct {
	// Internal means that the client forwards the publications of many clients. Only the bound of the table holds for it.
	Internal bool

	used []*numbering[W] // the numberings that this client was the last to use
}

// numbering is the table's state of one numbering.
type numbering[W any] struct {
	key      Key
	table    *Table[W]
	routed   sequences           // including the pending ones
	pending  map[uint64]*Mark[W] // by number
	routing  bool                // a new publication is being routed
	lastUsed uint64              // by Table.clock
	user     *Client[W]          // the last to use it; nil: it has left
	shared   bool                // several clients have used it, or it was read from a log
}

// Mark is the place of one publication in its numbering while the publication is in progress.
type Mark[W any] struct {
	Waiting W // set by the caller before it unlocks the table

	numbering *numbering[W]
	number    uint64
	recorded  bool // or about to be
}

// State is the table's state of a publication.
type State uint8

const (
	New     State = iota // the publication was not routed yet
	Pending              // the publication is in progress; its mark is the first attempt's
	Routed               // the publication was routed
	Busy                 // the publication is new, but an earlier one of its numbering is being routed
)

// Begin looks up a publication. A new one becomes pending, and the caller must call Sent and Done on its mark. The mark of a
// routed publication is nil. So is the mark of a publication that would overtake another one (Busy). This happens when a
// client was cut off and its successor repeats publications. The caller tries again once the other publication was sent.
func (t *Table[W]) Begin(c *Client[W], key Key, number uint64) (*Mark[W], State, error) {
	n, err := t.use(key, c)
	if err != nil {
		return nil, New, err
	}
	if m := n.pending[number]; m != nil {
		return m, Pending, nil
	}
	if n.routed.has(number) {
		return nil, Routed, nil
	}
	if n.routing {
		return nil, Busy, nil
	}
	m := &Mark[W]{numbering: n, number: number}
	n.routing = true
	n.add(number)
	if n.pending == nil {
		n.pending = make(map[uint64]*Mark[W])
	}
	n.pending[number] = m
	return m, New, nil
}

// Identity returns the publication's numbering and number.
func (m *Mark[W]) Identity() (Key, uint64) { return m.numbering.key, m.number }

// Record passes the mark to the log, which calls Config.Recorded once the publication is on disk. It returns false if the
// table has no log.
func (m *Mark[W]) Record() bool {
	log := m.numbering.table.log
	if log == nil {
		return false
	}
	log.ready = append(log.ready, m)
	select {
	case log.wake <- struct{}{}:
	default:
	}
	return true
}

// Sent records that the publication has its place among the others of its numbering.
func (m *Mark[W]) Sent() { m.numbering.routing = false }

// Done ends the publication. If it was not routed, it may be repeated.
func (m *Mark[W]) Done(routed bool) {
	delete(m.numbering.pending, m.number)
	if !routed {
		m.numbering.remove(m.number)
	}
}

// Close records that a client has ended. Its numberings stay until the table needs their room.
func (c *Client[W]) Close() {
	for _, n := range c.used {
		n.user = nil
	}
	c.used = nil
}

// use returns the numbering of a key, which may be a new one, and makes c its user.
func (t *Table[W]) use(key Key, c *Client[W]) (*numbering[W], error) {
	t.clock++
	n := t.numberings[key]
	if n == nil {
		if !t.makeRoom(c) {
			return nil, ErrFull
		}
		n = t.add(key)
	}
	if n.user != c {
		n.shared = n.shared || n.lastUsed > 0
		n.release()
		n.user = c
		c.used = append(c.used, n)
	}
	n.lastUsed = t.clock
	return n, nil
}

// Add records that a publication was routed, before any client uses the table.
func (t *Table[W]) Add(key Key, number uint64) {
	n := t.earlier(key)
	if !n.routed.has(number) {
		n.add(number)
	}
}

// restore adds a numbering that was read from a log.
func (t *Table[W]) restore(key Key, routed sequences) {
	n := t.earlier(key)
	t.spans += len(routed.open) - len(n.routed.open)
	n.routed = routed
}

// addAll records routed publications, as read from a log.
func (t *Table[W]) addAll(key Key, spans []span) {
	n := t.earlier(key)
	for _, s := range spans {
		for number := s.first; number <= s.last; number++ {
			n.add(number)
		}
	}
}

// earlier returns the numbering of a key that was used in an earlier run, before any client uses the table.
func (t *Table[W]) earlier(key Key) *numbering[W] {
	n := t.numberings[key]
	if n == nil {
		t.makeRoom(nil) // nothing is pending yet, so there always is room
		n = t.add(key)
	}
	t.clock++
	n.lastUsed, n.shared = t.clock, true
	return n
}

func (t *Table[W]) add(key Key) *numbering[W] {
	if t.numberings == nil {
		t.numberings = make(map[Key]*numbering[W])
	}
	n := &numbering[W]{key: key, table: t}
	t.numberings[key] = n
	return n
}

// makeRoom forgets a numbering if the client, or the table, has too many. It returns false if none can be forgotten.
func (t *Table[W]) makeRoom(c *Client[W]) bool {
	if c != nil && !c.Internal && c.numberingCount() >= maxOwn {
		return t.forget(slices.Values(c.used), func(n *numbering[W]) int {
			if n.shared {
				return keep
			}
			return 0
		})
	}
	return len(t.numberings) < maxNumberings || t.forget(maps.Values(t.numberings), (*numbering[W]).rank)
}

// numberingCount counts the numberings that the client has begun.
func (c *Client[W]) numberingCount() (n int) {
	for _, used := range c.used {
		if !used.shared {
			n++
		}
	}
	return n
}

// keep is the rank of a numbering that must not be forgotten.
const keep = 9

// rank orders numberings by how soon they may be forgotten, the lowest first.
func (n *numbering[W]) rank() int {
	switch {
	case n.user == nil && !n.shared:
		return 0
	case n.user == nil:
		return 1
	case !n.shared && len(n.user.used) > 1:
		return 2
	}
	return keep
}

// forget forgets the numbering of the lowest rank; among equals, the least recently used.
func (t *Table[W]) forget(among iter.Seq[*numbering[W]], rank func(*numbering[W]) int) bool {
	var chosen *numbering[W]
	lowest := keep
	for n := range among {
		if r := rank(n); len(n.pending) == 0 && (r < lowest || r == lowest && chosen != nil && n.lastUsed < chosen.lastUsed) {
			chosen, lowest = n, r
		}
	}
	if chosen == nil {
		return false
	}
	chosen.release()
	t.spans -= len(chosen.routed.open)
	delete(t.numberings, chosen.key)
	return true
}

// release takes the numbering from the client that used it last.
func (n *numbering[W]) release() {
	if c := n.user; c != nil {
		n.user = nil
		c.used = slices.DeleteFunc(c.used, func(other *numbering[W]) bool { return other == n })
	}
}

func (n *numbering[W]) add(number uint64) {
	n.change(func() { n.routed.add(number) })
}

func (n *numbering[W]) remove(number uint64) {
	n.change(func() { n.routed.remove(number) })
}

// change applies a change to the numbers and keeps the table's count of spans, and its bound.
func (n *numbering[W]) change(apply func()) {
	before := len(n.routed.open)
	apply()
	if n.table.spans += len(n.routed.open) - before; n.table.spans > maxAllSpans {
		before = len(n.routed.open)
		n.routed.mergeLowest(fewSpans)
		n.table.spans += len(n.routed.open) - before
	}
}
