package spool

// list holds the entries of a lane that are in memory, in order. Two marks divide it, independently of each other:
//
//	front ... nextRead    returned by Next: in flight, or in memory only to save reading them back
//	nextRead ... back     not yet returned by Next
//
//	front ... nextWrite   written, or being written
//	nextWrite ... back    not yet written
//
// The marks move only towards the back, except that a failed commit returns nextWrite to the first entry that is not
// written. A mark that is nil is at the end: new entries come after it. A list is used with Spool.mu held.
type list struct {
	front, back *entry
	nextRead    *entry
	nextWrite   *entry
}

// entry is an event in memory.
type entry struct {
	Event
	octets     int64
	at         int64       // by the spool's clock
	stored     func(error) // nil if there is no callback, or if it was called
	state      entryState
	gone       bool // removed from the list, which may happen while it is being written
	prev, next *entry
}

// entryState states whether an entry is in the log of its lane.
type entryState uint8

const (
	unwritten entryState = iota
	writing              // Run is writing it
	written
)

// push appends e.
func (q *list) push(e *entry) {
	e.prev = q.back
	if q.back != nil {
		q.back.next = e
	} else {
		q.front = e
	}
	q.back = e
	if q.nextRead == nil {
		q.nextRead = e
	}
	if q.nextWrite == nil {
		q.nextWrite = e
	}
}

// insert adds e at the position of its sequence number. Next must not have returned it.
func (q *list) insert(e *entry) {
	at := q.nextRead
	for at != nil && at.Sequence < e.Sequence {
		at = at.next
	}
	if at == nil {
		q.push(e)
		return
	}
	e.prev, e.next = at.prev, at
	if at.prev != nil {
		at.prev.next = e
	} else {
		q.front = e
	}
	at.prev = e
	if q.nextRead == at {
		q.nextRead = e
	}
	if q.nextWrite == at {
		q.nextWrite = e
	}
}

// unlink removes e. It keeps e.next, for iterations that are at e.
func (q *list) unlink(e *entry) {
	if q.nextRead == e {
		q.nextRead = e.next
	}
	if q.nextWrite == e {
		q.nextWrite = e.next
	}
	if e.prev != nil {
		e.prev.next = e.next
	} else {
		q.front = e.next
	}
	if e.next != nil {
		e.next.prev = e.prev
	} else {
		q.back = e.prev
	}
	e.gone = true
}

// renumber moves e, which Next must not have returned, to the position of another sequence number.
func (q *list) renumber(e *entry, sequence uint64) {
	q.unlink(e)
	e.Sequence, e.gone, e.prev, e.next = sequence, false, nil, nil
	q.insert(e)
}

// find returns the entry with the given number, or nil. It searches from the front, because most requests are for old
// events.
func (q *list) find(sequence uint64) *entry {
	e := q.front
	for e != nil && e.Sequence < sequence {
		e = e.next
	}
	if e == nil || e.Sequence != sequence {
		return nil
	}
	return e
}

// returnedTo moves nextRead past the entry with the given number.
func (q *list) returnedTo(sequence uint64) {
	for q.nextRead != nil && q.nextRead.Sequence <= sequence {
		q.nextRead = q.nextRead.next
	}
}

// startWrite returns the entry at nextWrite, which is being written from now on.
func (q *list) startWrite() *entry {
	e := q.nextWrite
	e.state, q.nextWrite = writing, e.next
	return e
}

// rewindWrite returns nextWrite to the first entry that is not written. No entry may be being written.
func (q *list) rewindWrite() {
	for q.nextWrite = q.front; q.nextWrite != nil && q.nextWrite.state == written; {
		q.nextWrite = q.nextWrite.next
	}
}

// evictable returns the entry at the front if it is written, and nil otherwise.
func (q *list) evictable() *entry {
	if q.front == nil || q.front.state != written {
		return nil
	}
	return q.front
}
