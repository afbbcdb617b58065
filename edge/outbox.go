package edge

import (
	"encoding/binary"
	"sync"
	"sync/atomic"
	"time"

	"runnel/edge/budget"
	"runnel/edge/codec"
	"runnel/edge/wamp"
)

// outbox is what waits to be written to one peer: whole messages, each behind its length. Any read loop appends; the
// read loop that appended first flushes when its own batch is done. A flush tries the wire without waiting; what the
// wire does not take is written by a drain goroutine, which lives until the outbox is empty.
//
// It is bounded. Over high, the read loops that fill it wait for room, each wait bounded by the peer's patience
// (await). A peer that lets a wait run out is stalled: nobody waits for it again until it has taken all it was owed, and
// meanwhile its oldest EVENTs are dropped and counted. Replies are never dropped: a peer that owes room for more than
// replies of them is cut.
type outbox struct {
	// Static after construction.
	conn    Conn
	account *budget.Account // of the peer; nil: memory is not bounded
	owner   *session        // is told of stalls and losses; nil where the router asks itself, see inner.go
	high    int             // octets waiting above which read loops wait
	hard    int             // octets waiting above which the peer is cut

	mu          sync.Mutex
	buf         *buffer // messages that no write has taken yet; nil while there are none
	writing     bool    // a flush or a drain is in conn.Write
	flushing    bool    // a read loop has the outbox on its list and will flush it
	stalled     bool
	confirmable bool          // EVENTs have been appended that must be answered
	kept        int           // octets at the start of buf of which dropEvents has found nothing to drop
	dead        bool          // the connection failed or is closed: appends vanish
	idle        chan struct{} // closed when the present writing ends; made by whoever waits for that
	room        chan struct{} // closed when buf is taken by a write; made by whoever waits for that
	patience    time.Duration // how long the next wait for this peer may take
	timedOut    time.Time     // when a wait last ran out
	taken       int           // octets that the peer has taken since it last stalled; not counted beyond high

	reported uint64 // how many drops the owner has heard of
	overrun  bool   // the peer was cut because it took no replies

	dropped atomic.Uint64 // EVENTs that were dropped
}

const (
	maxPatience = time.Second           // a peer's first stall delays those who write to it so long
	minPatience = 50 * time.Millisecond // and one that stalls again and again so long
	headRoom    = 64                    // octets: a message beside its texts and its payload
	flushAt     = 64 << 10              // octets: with so much in it an outbox is flushed before the turn is over
	forgiveness = 30 * time.Second      // a peer that did not stall for so long has its patience doubled
)

// init readies the outbox for conn; owner may be nil.
func (o *outbox) init(conn Conn, owner *session, high int) {
	o.conn, o.owner, o.high, o.hard = conn, owner, high, 4*high
}

// verdict is what became of an append.
type verdict uint8

const (
	appended   verdict = iota
	needsFlush         // appended, and the caller must see that the outbox is flushed
	flushNow           // appended, and the caller should flush the outbox now
	peerGone           // the peer is gone
	tooLong            // the peer takes no message of this length
	noMemory           // there is no memory for it
	noSeat             // the seat is not there any more
)

// begin locks the outbox and returns its buffer, with room for a message of about n octets, for the caller to append to;
// commit ends it.
func (o *outbox) begin(n int) []byte {
	o.mu.Lock()
	if o.buf == nil {
		o.buf = smallBuffers.take()
	}
	if o.needsRoom(n + frameHeader) {
		o.grow(n+frameHeader, true)
	}
	return o.buf.bytes
}

// beginEvent is begin for a message that may be dropped if there is no memory for it. Then it unlocks and reports false.
func (o *outbox) beginEvent(n int) (buf []byte, ok bool) {
	o.mu.Lock()
	if o.buf == nil {
		o.buf = smallBuffers.take()
	}
	if o.needsRoom(n+frameHeader) && !o.grow(n+frameHeader, false) {
		o.cancel(o.buf.bytes)
		return nil, false
	}
	return o.buf.bytes, true
}

// commit takes back the buffer that begin gave, and unlocks.
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

// cancel takes back the buffer that begin gave, with nothing added, and unlocks.
func (o *outbox) cancel(buf []byte) {
	if o.putBack(buf); len(buf) == 0 {
		o.empty()
	}
	o.mu.Unlock()
}

// empty gives the buffer back. Holds mu.
func (o *outbox) empty() {
	if o.buf != nil {
		o.release(o.buf)
		o.buf, o.kept = nil, 0
	}
}

// waiting returns how many octets no write has taken yet. Holds mu.
func (o *outbox) waiting() int {
	if o.buf == nil {
		return 0
	}
	return len(o.buf.bytes)
}

// append adds one message that must not be lost. full reports whether the caller should wait (await) before it makes
// more.
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

// appendEvent is append for an EVENT to seat, which is dropped if the seat is gone, and may be dropped, or take the
// place of older EVENTs, if the peer is stalled.
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

// appendAsking is appendEvent for an EVENT that has to be answered. It is never dropped once it is appended, but it is
// refused if the peer is stalled and has no room.
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

// hasAsked reports whether a message is an EVENT that the peer has to answer. Holds mu.
func (o *outbox) mustBeConfirmed(msg []byte) bool {
	var m codec.Message
	return o.confirmable && codec.Parse(o.conn.Transport().Serializer, msg, &m) == nil && asksToConfirm(m.Dict)
}

// congested reports whether the peer is stalled with a full outbox: it should not be asked to do more.
func (o *outbox) congested() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.stalled && o.waiting() > o.high
}

// dropEvents takes the oldest EVENTs, a quarter of the outbox, out of buf. Holds mu.
func (o *outbox) dropEvents(buf []byte) []byte {
	serializer := o.conn.Transport().Serializer
	keep, at := o.kept, o.kept // what may not be dropped is looked at once, however often there is no room
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

// flush writes what is there, unless another goroutine is at it already. It never waits for the peer.
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
		n, err := o.conn.Write(batch.bytes, false)
		if err == nil && n < len(batch.bytes) {
			go o.drain(batch, n)
			return
		}
		if !o.endWrite(batch, err) {
			return
		}
	}
}

// drain writes the rest of batch, behind n, and all that has come in the meantime.
func (o *outbox) drain(batch *buffer, n int) {
	for {
		o.account.Stuck()
		_, err := o.conn.Write(batch.bytes[n:], true)
		if !o.endWrite(batch, err) {
			return
		}
		batch, n = o.take(), 0
		o.mu.Unlock()
	}
}

// take hands out the buffer for a write and tells those who wait for room. Holds mu.
func (o *outbox) take() *buffer {
	batch := o.buf
	o.buf, o.kept = nil, 0
	if o.room != nil {
		close(o.room)
		o.room = nil
	}
	return batch
}

// wrote ends a write. If there is more to write it returns true and holds mu; else the writing is over.
func (o *outbox) endWrite(batch *buffer, err error) (more bool) {
	n := len(batch.bytes)
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

// fail marks the peer as gone and closes its connection, which ends its read loop. Holds mu.
func (o *outbox) fail() {
	if o.dead {
		return
	}
	o.dead = true
	if o.room != nil {
		close(o.room)
		o.room = nil
	}
	go o.conn.Close() // Close may wait for a Write that is under way, and mu is held
}

// waitForRoom waits until a write has taken what waits, for limit at most and as long as the peer's own patience lasts; then
// the peer is stalled. Without a limit left it is stalled at once. It reports whether this wait stalled it.
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
	stalls = o.room == room && !o.stalled // nothing was taken since
	if stalls {
		o.stalled, o.taken = true, 0
	}
	if stalls && limit >= patience { // it had its time
		o.patience = max(patience/2, minPatience)
		o.timedOut = time.Now()
	}
	o.mu.Unlock()
	if stalls && o.owner != nil {
		o.owner.noteStall()
	}
	return stalls
}

// proven reports whether the peer has taken as much as may wait for it since it joined or last stalled.
func (o *outbox) proven() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.taken >= o.high
}

// timesOut waits for room and reports whether limit was over first.
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

// nextPatience returns how long a wait may take now. Holds mu.
func (o *outbox) nextPatience() time.Duration {
	if o.patience == 0 {
		return maxPatience
	}
	times := time.Since(o.timedOut) / forgiveness
	for ; times > 0 && o.patience < maxPatience; times-- {
		o.patience = min(2*o.patience, maxPatience)
	}
	return o.patience
}

// flushWithin flushes and waits until all is written or the peer is gone, at most for limit.
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
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-idle:
	case <-timer.C:
	}
}

// detach writes what waits, within limit, and ends the outbox without its connection, on which another outbox may write from
// now on. It reports false if that can't be.
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

// close closes the connection and waits for the drain, which the closed connection ends.
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
