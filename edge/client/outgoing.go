package client

import (
	"context"
	"encoding/binary"
	"fmt"
	"sync"
	"time"

	"runnel/edge/codec"
	"runnel/edge/wamp"
)

// outgoing is the outgoing buffer of a session. Messages are appended to a batch, and one goroutine at a time writes the batch.
//
//	send       appends; if no write is in progress, writes what the connection accepts at once
//	runWriter  the session's writer goroutine: writes what send could not, and what was appended meanwhile
//
// A single message costs one write by the goroutine of its sender. Of several concurrent messages, all but the first
// are written together.
type outgoing struct {
	// Static after newOutgoing.
	conn       Conn
	serializer wamp.Serializer
	limit      int                    // of one message, in bytes; 0: no limit
	bound      int                    // limit of bytes waiting to be written
	expect     func(wamp.ID, request) // registers a request under its new id
	work       chan struct{}          // room for one: there is something to write

	mu sync.Mutex
	// Guarded by mu.
	batch   []byte        // complete messages, each after its length
	spare   []byte        // the buffer of the previous batch, empty
	text    []byte        // scratch for a message's Text
	flight  []byte        // the batch being written; the goroutine that writes may read it without mu
	written int           // bytes of flight
	writing bool          // a goroutine is writing, or the writer was told to
	last    wamp.ID       // newest request id of this session
	err     error         // why nothing more can be sent
	broken  bool          // a write failed: nothing more can be written
	room    chan struct{} // closed when there is room; nil: no goroutine waits
	idle    chan struct{} // closed when everything is written; nil: no goroutine waits
}

// outbound is a message to be sent. Its Text is kept as a string in text.
type outbound struct {
	codec.Message
	text    string
	hasID   bool    // the message continues an earlier request, and keeps its id
	request request // gets the reply; nil if there will be none
}

// urgency says when and by which goroutine a message is written.
type urgency uint8

const (
	immediate urgency = iota // waits for room; the sender's goroutine writes, if no other does
	batched                  // waits for room; the writer writes, because more messages follow
	control                  // never waits; for the read loop, and while locks are held
)

const (
	frameHeader = 4
	keptBuffer  = 64 << 10 // larger buffers are released when everything is written
)

func newOutgoing(conn Conn, bound int, expect func(wamp.ID, request)) *outgoing {
	t := conn.Transport()
	return &outgoing{
		conn: conn, serializer: t.Serializer, limit: t.Limit, bound: bound, expect: expect,
		work: make(chan struct{}, 1),
	}
}

// send appends m and makes sure that it gets written. An error means that m was not sent. Without an error, m may still
// be lost if the connection breaks.
func (o *outgoing) send(ctx context.Context, m *outbound, u urgency) error {
	o.mu.Lock()
	if u != control {
		if err := o.waitForRoom(ctx); err != nil {
			o.mu.Unlock()
			return err
		}
	}
	if err := o.append(m); err != nil {
		o.mu.Unlock()
		return err
	}
	if u != immediate || o.writing {
		o.wakeWriter()
		o.mu.Unlock()
		return nil
	}
	o.writing = true
	o.startFlight()
	batch := o.flight
	o.mu.Unlock()
	n, err := o.conn.Write(batch, false)
	o.mu.Lock()
	o.advance(n, err)
	o.writing = false
	if len(o.flight) > 0 || len(o.batch) > 0 {
		o.wakeWriter()
	} else {
		o.signalIdle()
	}
	o.mu.Unlock()
	return nil
}

// sendAlone writes m completely before it returns. It is for the handshake, when no other goroutine sends.
func (o *outgoing) sendAlone(m *outbound) error {
	o.mu.Lock()
	err := o.append(m)
	o.mu.Unlock()
	if err != nil {
		return err
	}
	o.writeOut()
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.err
}

// waitForRoom waits until fewer than bound bytes wait to be written. mu is held on entry and return.
func (o *outgoing) waitForRoom(ctx context.Context) error {
	for o.err == nil && len(o.batch)+len(o.flight)-o.written >= o.bound {
		if o.room == nil {
			o.room = make(chan struct{})
		}
		room := o.room
		o.mu.Unlock()
		select {
		case <-room:
		case <-ctx.Done():
		}
		o.mu.Lock()
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return o.err
}

// append encodes m after its length. On an error it changes nothing. Request ids must be sent in sequence, so append
// assigns them under the lock that orders the messages. The caller holds mu.
func (o *outgoing) append(m *outbound) error {
	if o.err != nil {
		return o.err
	}
	fresh := numbered(m.Type) && !m.hasID
	if fresh {
		m.Request = wamp.NextID(o.last)
	}
	o.text = append(o.text[:0], m.text...)
	m.Text = o.text
	start := len(o.batch)
	batch, err := codec.Append(append(o.batch, 0, 0, 0, 0), o.serializer, &m.Message)
	o.batch = batch[:start]
	if err != nil {
		return &Error{URI: wamp.InvalidArgument.Error(), cause: err}
	}
	length := len(batch) - start - frameHeader
	if o.limit > 0 && length > o.limit {
		err = fmt.Errorf("%s is too large: %d bytes, the router accepts %d", m.Type, length, o.limit)
		return &Error{URI: wamp.PayloadSizeExceeded.Error(), cause: err}
	}
	binary.BigEndian.PutUint32(batch[start:], uint32(length))
	o.batch = batch
	if fresh {
		o.last = m.Request
	}
	if m.request != nil {
		o.expect(m.Request, m.request)
	}
	return nil
}

// numbered reports whether a message of type t starts a request, and so takes the next request id.
func numbered(t wamp.Type) bool {
	switch t {
	case wamp.Publish, wamp.Subscribe, wamp.Unsubscribe, wamp.Call, wamp.Register, wamp.Unregister:
		return true
	}
	return false
}

// wakeWriter tells the writer to write, unless a goroutine is writing. The caller holds mu. It never blocks: writing stays set
// until the writer has taken the signal and written everything.
func (o *outgoing) wakeWriter() {
	if !o.writing {
		o.writing = true
		o.work <- struct{}{}
	}
}

// startFlight makes the batch the one being written. The caller holds mu.
func (o *outgoing) startFlight() {
	o.flight, o.batch, o.spare = o.batch, o.spare[:0], nil
}

// advance records the result of a write of n more bytes of flight. The caller holds mu.
func (o *outgoing) advance(n int, err error) {
	o.written += n
	if err != nil {
		o.broken = true
		o.closeLocked(networkFailure(err))
		o.flight, o.batch, o.written = nil, nil, 0
		return
	}
	if o.written < len(o.flight) {
		return
	}
	if cap(o.flight) <= keptBuffer || len(o.batch) > 0 {
		o.spare = o.flight[:0]
	}
	o.flight, o.written = nil, 0
	o.signalRoom()
}

// runWriter is the writer goroutine. It writes when told to, until done is closed.
func (o *outgoing) runWriter(done <-chan struct{}) {
	for {
		select {
		case <-o.work:
			o.writeOut()
		case <-done:
			return
		}
	}
}

// writeOut writes until the buffer is empty.
func (o *outgoing) writeOut() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for !o.broken && (len(o.flight) > 0 || len(o.batch) > 0) {
		if len(o.flight) == 0 {
			o.startFlight()
		}
		rest := o.flight[o.written:]
		o.mu.Unlock()
		n, err := o.conn.Write(rest, true)
		o.mu.Lock()
		o.advance(n, err)
	}
	o.writing = false
	o.signalIdle()
}

// close makes every further send fail with err. Messages sent before are still written.
func (o *outgoing) close(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closeLocked(err)
}

// closeWith sends m as the last message. Every further send fails with err.
func (o *outgoing) closeWith(m *outbound, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.append(m) == nil {
		o.wakeWriter()
	}
	o.closeLocked(err)
}

// closeLocked is close with mu held.
func (o *outgoing) closeLocked(err error) {
	if o.err == nil {
		o.err = err
	}
	o.signalRoom()
}

// signalRoom wakes the goroutines that wait for room. The caller holds mu.
func (o *outgoing) signalRoom() {
	if o.room != nil {
		close(o.room)
		o.room = nil
	}
}

// signalIdle wakes the goroutines that wait until everything is written. The caller holds mu.
func (o *outgoing) signalIdle() {
	if o.idle != nil {
		close(o.idle)
		o.idle = nil
	}
}

// flush waits until everything is written, but at most d.
func (o *outgoing) flush(d time.Duration) {
	idle, writing := o.whenIdle()
	if !writing {
		return
	}
	select {
	case <-idle:
	case <-time.After(d):
	}
}

// whenIdle returns the channel that signalIdle closes, if something is being written.
func (o *outgoing) whenIdle() (idle <-chan struct{}, writing bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.writing && o.idle == nil {
		o.idle = make(chan struct{})
	}
	return o.idle, o.writing
}

// lastID returns the newest request id of the session.
func (o *outgoing) lastID() wamp.ID {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.last
}
