package dedup

import (
	"container/list"
	"errors"
)

const (
	minNumberings   = 8192      // that a table has room for, whatever its memory
	numberingOctets = 512       // of a numbering with usual names and its place in the table
	maxOwn          = 32        // that one client has begun
	maxAllSpans     = 256 << 10 // of all numberings of a table; 16 bytes each
	fewSpans        = 16        // spans of a numbering that grows while the table is at its bound
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
	// MaxOctets is the memory for numberings, in bytes, in addition to one numbering for each connected client. The table
	// has room for at least 8192. It is set before the table is used.
	MaxOctets int64

	numberings map[Key]*numbering[W]
	abandoned  owned
	clients    int     // that use a numbering
	spans      int     // of all numberings
	log        *Log[W] // nil: the table is in memory only
}

// owned lists the numberings of one client, the least recently used first, or those of clients that have left, the longest
// abandoned first. All numberings of an internal client are in single.
type owned struct {
	single list.List // those that one client has begun, and no other has used
	shared list.List // those that several clients have used, or that were read from a log
}

// Client is a sender of publications, such as a session. The zero value is a client that has sent none.
type Client[W any] struct {
	// Internal means that the client forwards the publications of many clients. Only the bound of the table holds for it. It
	// is set before the client is used.
	Internal bool

	used *owned // the numberings that this client was the last to use; nil: none yet
}

// numbering is the table's state of one numbering.
type numbering[W any] struct {
	key     Key
	table   *Table[W]
	routed  sequences           // including the pending ones
	pending map[uint64]*Mark[W] // by number
	routing bool                // a new publication is being routed
	user    *Client[W]          // the last to use it; nil: it has left
	shared  bool                // see owned
	place   *list.Element       // in the list that it belongs to; nil: nobody has used it yet
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
	if c.used == nil {
		return
	}
	for _, numberings := range []*list.List{&c.used.single, &c.used.shared} {
		for e := numberings.Front(); e != nil; e = numberings.Front() {
			n := e.Value.(*numbering[W])
			n.moveTo(nil, n.shared)
		}
	}
}

// use returns the numbering of a key, which may be a new one, and makes c its user.
func (t *Table[W]) use(key Key, c *Client[W]) (*numbering[W], error) {
	n := t.numberings[key]
	if n == nil {
		if !t.makeRoom(c.used, c.Internal) {
			return nil, ErrFull
		}
		n = t.add(key)
	}
	n.moveTo(c, n.shared || n.place != nil && n.user != c)
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
		t.makeRoom(nil, false)
		n = t.add(key)
	}
	n.moveTo(nil, true)
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

// makeRoom forgets a numbering if a client, which uses the given ones, or the table has too many. It returns false if the
// client may not begin another one.
func (t *Table[W]) makeRoom(used *owned, internal bool) bool {
	switch {
	case used.begun() >= maxOwn && !internal:
		return t.forgetFirst(&used.single)
	case len(t.numberings)-t.clients < t.room():
		return true
	case used.begun() > t.room()/2 && t.forgetFirst(&used.single): // one client does not displace all that others have left
		return true
	}
	return t.forgetFirst(&t.abandoned.single) || t.forgetFirst(&t.abandoned.shared) ||
		used.count() == 0 || t.forgetFirst(&used.single) || t.forgetFirst(&used.shared)
}

// room returns how many numberings the table may have in addition to one for each connected client.
func (t *Table[W]) room() int { return max(minNumberings, int(t.MaxOctets/numberingOctets)) }

// begun returns how many numberings its client has begun.
func (o *owned) begun() int {
	if o == nil {
		return 0
	}
	return o.single.Len()
}

func (o *owned) count() int {
	if o == nil {
		return 0
	}
	return o.single.Len() + o.shared.Len()
}

// forgetFirst forgets the first numbering of a list that has no publication in progress.
func (t *Table[W]) forgetFirst(numberings *list.List) bool {
	for e := numberings.Front(); e != nil; e = e.Next() {
		if n := e.Value.(*numbering[W]); len(n.pending) == 0 {
			n.leave()
			t.spans -= len(n.routed.open)
			delete(t.numberings, n.key)
			return true
		}
	}
	return false
}

// moveTo makes a numbering the most recently used one of a client, or of those that were abandoned.
func (n *numbering[W]) moveTo(c *Client[W], shared bool) {
	if n.place != nil && n.user == c && n.shared == shared {
		n.list().MoveToBack(n.place)
		return
	}
	n.leave()
	if c != nil && c.used.count() == 0 {
		c.used = new(owned)
		n.table.clients++
	}
	n.user, n.shared = c, shared
	n.place = n.list().PushBack(n)
}

// leave takes a numbering from the list that it belongs to.
func (n *numbering[W]) leave() {
	if n.place == nil {
		return
	}
	n.list().Remove(n.place)
	if n.user != nil && n.user.used.count() == 0 {
		n.table.clients--
	}
}

// list returns the list that a numbering belongs to.
func (n *numbering[W]) list() *list.List {
	switch {
	case n.user == nil && n.shared:
		return &n.table.abandoned.shared
	case n.user == nil:
		return &n.table.abandoned.single
	case n.shared && !n.user.Internal:
		return &n.user.used.shared
	}
	return &n.user.used.single
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
