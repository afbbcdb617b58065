package edge

import (
	"encoding/binary"
	"sync"
	"sync/atomic"
	"time"

	"runnel/edge/budget"
	"runnel/edge/buffers"
	"runnel/edge/codec"
	"runnel/edge/patience"
	"runnel/edge/wamp"
)

// outbox holds the messages that wait to be written to one peer, each preceded by its length. Any read loop may append.
// The read loop that appended first flushes the outbox at the end of its turn. A flush writes what the connection
// accepts at once. The rest is written by a drain goroutine, which ends when the outbox is empty.
//
// An outbox is bounded. Above high, the read loops that fill it wait for room, each no longer than the peer's patience (await).
// When such a wait times out, the peer is stalled. Then no read loop waits for it until it has received everything, and its
// oldest EVENTs are dropped and counted. Replies are never dropped: a peer whose replies exceed hard is disconnected.
type outbox struct {
	// Static after construction.
	conn    Conn
	account *budget.Account // of the peer; nil: memory is not limited
	owner   *session        // notified of stalls and drops; nil for calls by the router itself, see inner.go
	high    int             // bytes waiting, above which read loops wait
	hard    int             // bytes waiting, above which the peer is disconnected

	mu          sync.Mutex
	buf         *buffers.Buffer // messages that are not being written yet; nil if there are none
	writing     bool            // a flush or a drain is in conn.Write
	flushing    bool            // a read loop has the outbox on its list and will flush it
	stalled     bool
	confirmable bool          // EVENTs were appended that the peer must confirm
	kept        int           // bytes at the start of buf that must not be dropped
	dead        bool          // the connection failed or is closed: appends have no effect
	idle        chan struct{} // closed when the current write ends; made by the goroutine that waits
	room        chan struct{} // closed when a write takes buf; made by the goroutine that waits
	patience    time.Duration // limit of the next wait for this peer
	timedOut    time.Time     // when a wait last timed out
	taken       int           // bytes received by the peer since it last stalled; counted up to high

	reported uint64 // drops that the owner was notified of
	overrun  bool   // the peer was disconnected because it did not read its replies

	dropped atomic.Uint64 // number of dropped EVENTs
}

const (
	maxPatience = patience.Max          // longest wait for a peer, at its first stall
	minPatience = 50 * time.Millisecond // longest wait for a peer that stalls again and again
	ownPatience = 3 * time.Second       // longest wait for a session of this process, whose client may wait 2 s for a handler
	headRoom    = 96                    // bytes of a message besides its texts and its payload, as codec.Append reserves them
	flushAt     = 64 << 10              // bytes in an outbox, above which it is flushed before the turn ends
	forgiveness = 30 * time.Second      // the patience doubles for each such time without a stall
)

// init prepares the outbox for conn. owner may be nil.
func (o *outbox) init(conn Conn, owner *session, high int) {
	o.conn, o.owner, o.high, o.hard = conn, owner, high, 4*high
}

// verdict is the result of an append.
type verdict uint8

const (
	appended   verdict = iota
	needsFlush         // appended; the caller must make sure that the outbox is flushed
	flushNow           // appended; the caller should flush the outbox now
	peerGone           // the peer is disconnected
	tooLong            // the message exceeds the peer's limit
	noMemory           // there is no memory for it
	noSeat             // the seat was removed
)

// begin locks the outbox and returns its buffer, with room for a message of about n bytes. The caller appends to the
// buffer, and then calls commit or cancel.
func (o *outbox) begin(n int) []byte {
	o.mu.Lock()
	if o.buf == nil {
		o.buf = buffers.Tiny.Take()
	}
	if o.needsRoom(n + frameHeader) {
		o.grow(n+frameHeader, true)
	}
	return o.buf.Bytes
}

// beginEvent is begin for a message that may be dropped. If there is no memory for it, it unlocks and returns false.
func (o *outbox) beginEvent(n int) (buf []byte, ok bool) {
	o.mu.Lock()
	if o.buf == nil {
		o.buf = buffers.Tiny.Take()
	}
	if o.needsRoom(n+frameHeader) && !o.grow(n+frameHeader, false) {
		o.cancel(o.buf.Bytes)
		return nil, false
	}
	return o.buf.Bytes, true
}

// commit puts back the buffer with the caller's message, and unlocks.
func (o *outbox) commit(buf []byte) verdict {
	defer o.mu.Unlock()
	o.putBack(buf)
	if o.dead {
		o.empty()
		return peerGone
	}
	switch {
	case len(buf) > flushAt && !o.writing:
		return flushNow
	case o.flushing:
		return appended
	}
	o.flushing = true
	return needsFlush
}

// cancel puts back the buffer without a new message, and unlocks.
func (o *outbox) cancel(buf []byte) {
	if o.putBack(buf); len(buf) == 0 {
		o.empty()
	}
	o.mu.Unlock()
}

// empty releases the buffer. The caller holds mu.
func (o *outbox) empty() {
	if o.buf != nil {
		o.release(o.buf)
		o.buf, o.kept = nil, 0
	}
}

// waiting returns how many bytes are not being written yet. The caller holds mu.
func (o *outbox) waiting() int {
	if o.buf == nil {
		return 0
	}
	return len(o.buf.Bytes)
}

// append adds a message that must not be dropped. full means that the caller should wait (await) before it makes more.
func (o *outbox) append(m *codec.Message) (v verdict, full bool, err error) {
	transport := o.conn.Transport()
	buf := o.begin(headRoom + len(m.Text) + len(m.Dict.Raw) + len(m.Payload.Raw))
	start := len(buf)
	buf, err = codec.Append(append(buf, 0, 0, 0, 0), transport.Serializer, m)
	length := len(buf) - start - frameHeader
	if tooMuch := transport.Limit > 0 && length > transport.Limit; err != nil || tooMuch {
		o.cancel(buf[:start])
		return tooLong, false, err
	}
	binary.BigEndian.PutUint32(buf[start:], uint32(length))
	if len(buf) > o.hard && start > 0 {
		o.overrun = true
		o.fail()
	}
	return o.commit(buf), len(buf) > o.high, nil
}

// appendEvent adds an EVENT for seat. It has no effect if the seat was removed. If the peer is stalled, the EVENT
// replaces older EVENTs, or is dropped.
func (o *outbox) appendEvent(seat *seat, msg []byte) (v verdict, full bool) {
	if limit := o.conn.Transport().Limit; limit > 0 && len(msg) > limit {
		o.dropped.Add(1)
		return tooLong, false
	}
	buf, ok := o.beginEvent(len(msg))
	if !ok {
		return noMemory, false
	}
	if seat.gone {
		o.cancel(buf)
		return appended, false
	}
	if o.stalled && len(buf)+len(msg) > o.high {
		buf = o.dropEvents(buf)
		if len(buf)+len(msg) > o.high {
			o.dropped.Add(1)
			return o.commit(buf), false
		}
	}
	buf = binary.BigEndian.AppendUint32(buf, uint32(len(msg)))
	buf = append(buf, msg...)
	full = len(buf) > o.high && !o.stalled
	return o.commit(buf), full
}

// appendConfirmable is appendEvent for an EVENT that the peer must confirm. Once appended it is never dropped. If the peer
// is stalled and has no room, the EVENT is rejected.
func (o *outbox) appendConfirmable(seat *seat, msg []byte) (v verdict, full bool) {
	if limit := o.conn.Transport().Limit; limit > 0 && len(msg) > limit {
		return tooLong, false
	}
	buf, ok := o.beginEvent(len(msg))
	if !ok {
		return peerGone, false
	}
	if seat.gone {
		o.cancel(buf)
		return noSeat, false
	}
	if o.stalled && len(buf)+len(msg) > o.high {
		o.cancel(buf)
		return peerGone, false
	}
	o.confirmable = true
	buf = binary.BigEndian.AppendUint32(buf, uint32(len(msg)))
	buf = append(buf, msg...)
	full = len(buf) > o.high && !o.stalled
	return o.commit(buf), full
}

// mustBeConfirmed reports whether a message is an EVENT that the peer must confirm. The caller holds mu.
func (o *outbox) mustBeConfirmed(msg []byte) bool {
	var m codec.Message
	return o.confirmable && codec.Parse(o.conn.Transport().Serializer, msg, &m) == nil && asksToConfirm(m.Dict)
}

// congested reports whether the peer should not be given n more bytes of work: it is stalled with a full outbox, or they would
// exceed what may wait for it.
func (o *outbox) congested(n int) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	waiting := o.waiting()
	return o.stalled && waiting > o.high || waiting > 0 && waiting+n+headRoom > o.hard
}

// dropEvents removes the oldest EVENTs, a quarter of the outbox, from buf. The caller holds mu.
func (o *outbox) dropEvents(buf []byte) []byte {
	serializer := o.conn.Transport().Serializer
	keep, at := o.kept, o.kept // messages that may not be dropped are inspected only once
	for at < len(buf) && at-keep < o.high/4 {
		next := at + frameHeader + int(binary.BigEndian.Uint32(buf[at:]))
		if msg := buf[at+frameHeader : next]; codec.TypeOf(serializer, msg) == wamp.Event && !o.mustBeConfirmed(msg) {
			o.dropped.Add(1)
		} else {
			keep += copy(buf[keep:], buf[at:next])
		}
		at = next
	}
	o.kept = keep
	return append(buf[:keep], buf[at:]...)
}

// flush writes the waiting bytes, unless another goroutine is writing. It never waits for the peer.
func (o *outbox) flush() {
	o.mu.Lock()
	o.flushing = false
	if o.writing || o.buf == nil || o.dead {
		o.mu.Unlock()
		return
	}
	o.writing = true
	for {
		batch := o.take()
		o.mu.Unlock()
		n, err := o.conn.Write(batch.Bytes, false)
		if err == nil && n < len(batch.Bytes) {
			go o.drain(batch, n)
			return
		}
		if !o.endWrite(batch, err) {
			return
		}
	}
}

// drain writes the rest of batch, from n, and then everything appended meanwhile.
func (o *outbox) drain(batch *buffers.Buffer, n int) {
	for {
		o.account.Stuck()
		_, err := o.conn.Write(batch.Bytes[n:], true)
		if !o.endWrite(batch, err) {
			return
		}
		batch, n = o.take(), 0
		o.mu.Unlock()
	}
}

// take returns the buffer for a write and wakes the read loops that wait for room. The caller holds mu.
func (o *outbox) take() *buffers.Buffer {
	batch := o.buf
	o.buf, o.kept = nil, 0
	if o.room != nil {
		close(o.room)
		o.room = nil
	}
	return batch
}

// endWrite ends a write. If there is more to write it returns true with mu held. Otherwise all is written.
func (o *outbox) endWrite(batch *buffers.Buffer, err error) (more bool) {
	n := len(batch.Bytes)
	o.release(batch)
	o.mu.Lock()
	if err != nil {
		o.fail()
	}
	o.taken = min(o.taken+n, o.high)
	if o.buf != nil && !o.dead {
		return true
	}
	drops := o.dropped.Load() - o.reported
	o.reported += drops
	o.writing, o.stalled = false, false
	o.account.Flows()
	if o.idle != nil {
		close(o.idle)
		o.idle = nil
	}
	o.mu.Unlock()
	if drops > 0 && o.owner != nil {
		o.owner.noteDrops(drops)
	}
	return false
}

// fail marks the peer as disconnected and closes its connection, which ends its read loop. The caller holds mu.
func (o *outbox) fail() {
	if o.dead {
		return
	}
	o.dead = true
	if o.room != nil {
		close(o.room)
		o.room = nil
	}
	go o.conn.Close() // Close may wait for a running Write, and mu is held
}

// waitForRoom waits until a write takes the buffer, for at most limit and the peer's own patience. If the wait times
// out, the peer is stalled. With limit <= 0 this happens at once. It reports whether this wait stalled the peer.
func (o *outbox) waitForRoom(limit time.Duration) (stalls bool) {
	o.mu.Lock()
	if o.dead || o.stalled || o.waiting() <= o.high {
		o.mu.Unlock()
		return false
	}
	if o.room == nil {
		o.room = make(chan struct{})
	}
	room, patience := o.room, o.nextPatience()
	o.mu.Unlock()
	if !timesOut(room, min(patience, limit)) {
		return false
	}
	o.mu.Lock()
	stalls = o.room == room && !o.stalled // no write has taken the buffer since
	if stalls {
		o.stalled, o.taken = true, 0
	}
	if stalls && limit >= patience { // the wait was as long as the peer's patience
		o.patience = max(patience/2, minPatience)
		o.timedOut = time.Now()
	}
	o.mu.Unlock()
	if stalls && o.owner != nil {
		o.owner.noteStall()
	}
	return stalls
}

// awaitRoom returns nil if the outbox has room for an event, or else a channel that the next write closes.
func (o *outbox) awaitRoom() <-chan struct{} {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.dead || o.waiting() <= o.high {
		return nil
	}
	if o.room == nil {
		o.room = make(chan struct{})
	}
	return o.room
}

// proven reports whether the peer has received high bytes since it joined or last stalled.
func (o *outbox) proven() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.taken >= o.high
}

// timesOut waits for room and reports whether limit passed first.
func timesOut(room <-chan struct{}, limit time.Duration) bool {
	if limit <= 0 {
		return true
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-room:
		return false
	case <-timer.C:
		return true
	}
}

// nextPatience returns the limit of the next wait. The caller holds mu.
func (o *outbox) nextPatience() time.Duration {
	if o.owner != nil && o.owner.internal() {
		return ownPatience
	}
	if o.patience == 0 {
		return maxPatience
	}
	times := time.Since(o.timedOut) / forgiveness
	for ; times > 0 && o.patience < maxPatience; times-- {
		o.patience = min(2*o.patience, maxPatience)
	}
	return o.patience
}

// flushWithin flushes and waits until everything is written or the peer is disconnected, for at most limit.
func (o *outbox) flushWithin(limit time.Duration) {
	o.flush()
	o.mu.Lock()
	if !o.writing {
		o.mu.Unlock()
		return
	}
	if o.idle == nil {
		o.idle = make(chan struct{})
	}
	idle := o.idle
	o.mu.Unlock()
	select {
	case <-idle:
	case <-time.After(limit):
	}
}

// detach writes the waiting bytes, within limit, and ends the outbox but not its connection, which another outbox may now
// use. It returns false if the bytes could not be written in time.
func (o *outbox) detach(limit time.Duration) bool {
	o.flushWithin(limit)
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.dead || o.writing {
		return false
	}
	o.dead = true
	if o.room != nil {
		close(o.room)
		o.room = nil
	}
	o.empty()
	return true
}

// close closes the connection and waits for the drain, which ends because of that.
func (o *outbox) close() {
	o.mu.Lock()
	o.dead = true
	if o.room != nil {
		close(o.room)
		o.room = nil
	}
	o.mu.Unlock()
	o.conn.Close()
	o.mu.Lock()
	for o.writing {
		if o.idle == nil {
			o.idle = make(chan struct{})
		}
		idle := o.idle
		o.mu.Unlock()
		<-idle
		o.mu.Lock()
	}
	o.empty()
	o.mu.Unlock()
}
