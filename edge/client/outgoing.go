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

// outgoing is a session's way out: messages gather in a batch, and one goroutine at a time writes what has gathered.
//
//	send   append; if nobody writes, write at once what the wire takes at once
//	drain  the session's writer goroutine: writes what send could not, and whatever gathers meanwhile
//
// So a lone message costs one write on its sender's goroutine, and of many senders at the same time all but the first
// find their messages written together.
type outgoing struct {
	// Static after newOutgoing.
	conn       Conn
	serializer wamp.Serializer
	limit      int                    // the longest message; 0: no limit
	bound      int                    // bytes that may wait
	expect     func(wamp.ID, request) // notes a request whose id was just given out
	work       chan struct{}          // room for one: the writer is to write

	mu sync.Mutex
	// Guarded by mu.
	batch   []byte        // whole messages, each behind its length
	spare   []byte        // the buffer of the batch before
	text    []byte        // scratch for a message's Text
	flight  []byte        // the batch being written; who writes may read it without mu
	written int           // of flight
	writing bool          // some goroutine writes, or the writer is told to
	last    wamp.ID       // of the requests of this session
	err     error         // why nothing can be sent any more
	broken  bool          // nothing can be written any more
	room    chan struct{} // closed when there is room again; nil if nobody waits
	idle    chan struct{} // closed when nothing is left to write; nil if nobody waits
}

// outbound is a message to be sent. Its Text stands in text, for it is mostly a string.
type outbound struct {
	codec.Message
	text    string
	hasID   bool    // it belongs to a request that was made already, and has its id
	request request // what waits for the reply; nil if nothing does
}

// urgency says how a message leaves.
type urgency uint8

const (
	immediate urgency = iota // waits for room; written by the sender's goroutine if nobody else writes
	batched                  // waits for room; left to the writer, for more will follow
	control                  // does not wait for room, nor for anything else: for the reader and under locks
)

const (
	frameHeader = 4
	keptBuffer  = 64 << 10 // a larger buffer is given back when nothing is left to write
)

func newOutgoing(conn Conn, bound int, expect func(wamp.ID, request)) *outgoing {
	t := conn.Transport()
	return &outgoing{
		conn: conn, serializer: t.Serializer, limit: t.Limit, bound: bound, expect: expect,
		work: make(chan struct{}, 1),
	}
}

// send appends m and sees to it that it is written. An error says that m was not sent. Without one m may still be lost,
// if the connection breaks.
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
	o.take()
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

// sendAlone writes m whole before it returns. It is for the time before the session is open, when nobody else sends.
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

// waitForRoom waits, with mu held on entry and return, until less than bound waits to be written.
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

// append encodes m behind its length, or leaves everything as it was. Request ids must leave in sequence, so they are
// given out here, under the lock that orders the messages.
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
		err = fmt.Errorf("%s has %d octets, the router takes %d", m.Type, length, o.limit)
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

// numbered reports whether a message opens a request, and so takes the next id of the sequence.
func numbered(t wamp.Type) bool {
	switch t {
	case wamp.Publish, wamp.Subscribe, wamp.Unsubscribe, wamp.Call, wamp.Register, wamp.Unregister:
		return true
	}
	return false
}

// wake tells the writer to write, unless somebody does already. mu is held; it never blocks, for writing stays set until
// the writer has taken the word from the channel and done what it says.
func (o *outgoing) wakeWriter() {
	if !o.writing {
		o.writing = true
		o.work <- struct{}{}
	}
}

// take puts the gathered batch in flight. mu is held.
func (o *outgoing) take() {
	o.flight, o.batch, o.spare = o.batch, o.spare[:0], nil
}

// wrote notes what became of a write of n more bytes in flight. mu is held.
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

// drain is the writer goroutine: it writes when told to, until the session ends.
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

// writeOut writes until nothing is left.
func (o *outgoing) writeOut() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for !o.broken && (len(o.flight) > 0 || len(o.batch) > 0) {
		if len(o.flight) == 0 {
			o.take()
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

// close makes every further send fail with err. What was sent before is still written.
func (o *outgoing) close(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closeLocked(err)
}

// closeWith sends a last message, m; every further send fails with err.
func (o *outgoing) closeWith(m *outbound, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.append(m) == nil {
		o.wakeWriter()
	}
	o.closeLocked(err)
}

// stop is close with mu held.
func (o *outgoing) closeLocked(err error) {
	if o.err == nil {
		o.err = err
	}
	o.signalRoom()
}

// open lets those who wait for room try again.
func (o *outgoing) signalRoom() {
	if o.room != nil {
		close(o.room)
		o.room = nil
	}
}

// settle tells those who wait for everything to be written.
func (o *outgoing) signalIdle() {
	if o.idle != nil {
		close(o.idle)
		o.idle = nil
	}
}

// flush waits until everything is written, but not longer than d.
func (o *outgoing) flush(d time.Duration) {
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
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-idle:
	case <-timer.C:
	}
}

// lastID returns the newest request id.
func (o *outgoing) lastID() wamp.ID {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.last
}
