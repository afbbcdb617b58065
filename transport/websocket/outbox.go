package websocket

import (
	"errors"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"runnel/edge/budget"
	"runnel/transport/websocket/frame"
	"runnel/transport/wire"
)

const (
	// maxControls bounds the bytes of PONG and PING that queue up after frames that the peer does not read. The
	// sender of a further control frame blocks.
	maxControls = 4 << 10

	// controlTime is how long the sender of a control frame blocks before the connection is closed.
	controlTime = 5 * time.Second
)

var errControls = errors.New("the peer sends PINGs and reads no PONG")

// outbox holds the frames that the connection has not taken yet. Data frames come from Conn.Write. Control frames come
// from any goroutine, between them. The outbox decides who writes a control frame:
//
//	state      Conn.Write                        a control frame is written by          begins with  ends with
//	idle       is not in progress                a goroutine of its own, which ends                  add
//	                                             when the outbox is empty
//	promised   writes the frames, or will call   Conn.Write                             add          flushed, once
//	           flushed again to do so                                                                the outbox is empty
//
// This holds for the first maxControls bytes of control frames. CLOSE and any further control frame are written by their
// sender.
type outbox struct {
	// Static after construction.
	wire    *wire.Conn
	account *budget.Account // set by socket.charge; nil: memory is not bounded

	mu       sync.Mutex
	masks    *rand.ChaCha8 // of a client's frames; nil for a server
	promised bool          // the state
	closing  bool          // CLOSE is the last frame (RFC 6455, 5.5.1)
	controls int           // bytes of control frames added since the state is promised, or since the outbox was empty
	frames   []byte        // not written yet, from start on
	start    int           // bytes of frames that are written
	first    []byte        // the buffer that frames started in
	loan     wire.Loan     // of first
	charged  int           // bytes that the account was charged for frames
	ping     expected      // the PING that sendPing awaits
}

// expected is a PING on its way through the outbox.
type expected struct {
	written chan struct{} // closed when the connection has taken the PING; nil: no PING is expected
	end     int           // where the PING ends in frames, from start on
}

// writer states which goroutine writes the bytes that were added to the outbox.
type writer byte

const (
	bySender    writer = iota
	byGoroutine        // a goroutine that the sender has to start
	byOther            // Conn.Write, or a goroutine that was started before
)

// control sends a control frame other than CLOSE. It blocks only if the peer does not take its control frames, for controlTime
// at most.
func (o *outbox) control(op frame.Op, payload []byte) error {
	o.mu.Lock()
	who := o.addControl(op, payload)
	o.mu.Unlock()
	switch who {
	case bySender:
		late := time.AfterFunc(controlTime, func() { o.wire.Fail(errControls) })
		defer late.Stop()
		return o.flush(true)
	case byGoroutine:
		go o.flush(true)
	}
	return nil
}

// sendPing sends a PING without blocking. It returns a channel that is closed when the connection has taken the PING. A
// later call replaces the channel of an earlier one.
func (o *outbox) sendPing(payload string) <-chan struct{} {
	o.mu.Lock()
	who := o.addControl(frame.Ping, []byte(payload))
	o.ping = expected{make(chan struct{}), len(o.frames) - o.start}
	written := o.ping.written
	o.mu.Unlock()
	if who != byOther {
		go o.flush(true)
	}
	return written
}

// sendClose sends CLOSE, after which the outbox takes no frame. It returns when the connection has taken it.
func (o *outbox) sendClose(code frame.Code, reason string) error {
	var payload [frame.MaxControl]byte
	o.mu.Lock()
	o.addControl(frame.Close, frame.AppendClose(payload[:0], code, reason))
	o.closing = true
	o.mu.Unlock()
	return o.flush(true)
}

// addControl adds a control frame and returns who writes it. The caller holds mu.
func (o *outbox) addControl(op frame.Op, payload []byte) writer {
	if o.closing {
		return byOther
	}
	empty := o.frames == nil
	if empty {
		o.controls = 0
	}
	o.begin()
	before := len(o.frames)
	o.frames = o.appendFrame(o.frames, op, false, payload)
	o.chargeGrowth()
	o.controls += len(o.frames) - before
	switch {
	case o.controls > maxControls || op == frame.Close:
		return bySender
	case !o.promised && empty:
		return byGoroutine
	}
	return byOther
}

// add adds the frames that encode appends. Conn.Write is responsible for the outbox from then on.
func (o *outbox) add(encode func(dst []byte) []byte) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closing {
		return net.ErrClosed
	}
	o.begin()
	o.frames = encode(o.frames)
	o.chargeGrowth()
	o.promised, o.controls = true, 0
	return nil
}

// begin gives an empty outbox a buffer. The caller holds mu.
func (o *outbox) begin() {
	if o.frames != nil {
		return
	}
	o.first = o.loan.Take()
	o.frames = o.first[:0]
	if o.wire.Err() != nil { // forget may have been called already
		o.loan.Forget()
	}
}

// chargeGrowth charges the account for a buffer that replaces the first one. The caller holds mu.
func (o *outbox) chargeGrowth() {
	more := cap(o.frames) - cap(o.first) - o.charged
	o.account.Grow(budget.Outboxes, more)
	o.charged += more
}

// appendFrame appends a frame that is a whole message, or a control frame. The caller holds mu.
func (o *outbox) appendFrame(dst []byte, op frame.Op, compressed bool, payload []byte) []byte {
	dst, key := o.appendHead(dst, op, compressed, len(payload))
	at := len(dst)
	dst = append(dst, payload...)
	if key != 0 {
		frame.Mask(dst[at:], key)
	}
	return dst
}

// appendHead appends the head of a frame. The caller masks the payload with key: a client's key is unpredictable (RFC 6455,
// 5.3), and a server's is 0. The caller holds mu.
func (o *outbox) appendHead(dst []byte, op frame.Op, compressed bool, length int) (head []byte, key uint32) {
	if o.masks != nil {
		key = uint32(o.masks.Uint64())
	}
	return frame.AppendHead(dst, op, compressed, length, o.masks != nil, key), key
}

// writeDirect writes the frames of the outbox and then a server's long message, without copying it. Control frames that are
// added meanwhile follow it.
func (o *outbox) writeDirect(head, payload []byte) error {
	if !o.wire.Acquire(true) {
		return o.wire.Err()
	}
	defer o.wire.Release()
	if err := o.writeAll(true); err != nil {
		return err
	}
	if !o.promiseOpen() {
		return net.ErrClosed
	}
	if _, err := o.wire.Write(head, true); err != nil {
		return err
	}
	_, err := o.wire.Write(payload, true)
	return err
}

// flushed writes the frames of the outbox. Without wait it writes as much as the connection takes at once; if it returns
// false, the caller must call it again. With wait it returns when the outbox is empty.
func (o *outbox) flushed(wait bool) (done bool, err error) {
	for {
		err = o.flush(wait)
		switch {
		case err != nil && o.onlyControls():
			return true, nil // the frames of Conn.Write are written; its next call returns the error
		case err != nil:
			return false, err
		case o.kept():
			return true, nil
		case !wait:
			return false, nil
		}
	}
}

// promise starts or renews the state promised: the peer has had time to read control frames.
func (o *outbox) promise() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.promised, o.controls = true, 0
}

// promiseOpen starts the state promised, and returns false if CLOSE is the last frame.
func (o *outbox) promiseOpen() bool {
	o.promise()
	o.mu.Lock()
	defer o.mu.Unlock()
	return !o.closing
}

// onlyControls reports whether all frames of Conn.Write are written: control frames follow them.
func (o *outbox) onlyControls() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.frames)-o.start <= o.controls
}

// kept ends the state promised and returns true if the outbox is empty. The outbox is not empty if the connection has not
// taken all frames, or if a control frame was added after the flush. The sender of that frame relies on Conn.Write.
func (o *outbox) kept() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.start < len(o.frames) {
		return false
	}
	o.promised = false
	return true
}

// flush writes the frames of the outbox. Without wait it writes as much as the connection takes at once.
func (o *outbox) flush(wait bool) error {
	if !o.wire.Acquire(wait) {
		return o.wire.Err()
	}
	defer o.wire.Release()
	return o.writeAll(wait)
}

// writeAll is flush for a caller that holds the right to write.
func (o *outbox) writeAll(wait bool) error {
	for {
		p := o.unwritten()
		if len(p) == 0 {
			return nil
		}
		n, err := o.wire.Write(p, wait)
		o.advance(n)
		if err != nil || n < len(p) {
			return err
		}
	}
}

// unwritten returns the bytes to write. Bytes that are added meanwhile follow them, or go to another buffer.
func (o *outbox) unwritten() []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.frames[o.start:]
}

// advance removes n written bytes. An empty outbox returns its buffer.
func (o *outbox) advance(n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.start += n
	if o.ping.written != nil {
		if o.ping.end -= n; o.ping.end <= 0 {
			close(o.ping.written)
			o.ping = expected{}
		}
	}
	if o.start < len(o.frames) || o.frames == nil {
		return
	}
	o.loan.Return(o.first)
	o.account.Shrink(budget.Outboxes, o.charged)
	o.frames, o.start, o.first, o.charged = nil, 0, nil, 0
}

// behind reports whether the connection has not accepted all written bytes.
func (o *outbox) behind() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.start < len(o.frames)
}

// forget writes the buffer off after the connection was closed, because a goroutine may still be writing from it.
func (o *outbox) forget() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.loan.Forget()
}
