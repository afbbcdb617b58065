package websocket

import (
	"sync"

	"runnel/edge/budget"
	"runnel/transport/wire"
)

// maxControls bounds the bytes of PONG, PING and CLOSE that gather behind frames that the peer does not take. The sender
// of a further control frame blocks, and coder/websocket closes the connection after 5 s.
const maxControls = 4 << 10

// First bytes of control frames (RFC 6455, 5.2). The sender of CLOSE closes the connection next, so it cannot leave that frame to
// another goroutine.
const (
	pingFrame = 0x89
	pongFrame = 0x8A
)

// maxPing is the longest PING of coder/websocket, in bytes: the head, the mask and the digits of a counter. It is written at once.
const maxPing = 2 + 4 + 20

// outbox holds the frames that the connection has not taken yet. Data frames come from Conn.Write. Control frames come
// from any goroutine, between them. The outbox decides who writes a frame:
//
//	state          Conn.Write                     a control frame is written by        leaves by
//	idle           is not in progress             a goroutine of its own, which ends   cork
//	                                              when the outbox is empty
//	gathering      adds frames                    Conn.Write, with its own frames      uncork
//	gatheringWait  adds frames, then blocks       Conn.Write, with its own frames      uncork
//	promised       writes the frames, or will     Conn.Write                           uncork, once the outbox
//	               call uncork again to do so                                          is empty
//
// In the states idle and promised this holds for the first maxControls bytes of control frames. CLOSE and any further control
// frame are written by their sender.
type outbox struct {
	// Static after construction.
	wire    *wire.Conn
	account *budget.Account // set by socket.charge; nil: memory is not bounded

	mu       sync.Mutex
	state    writerState
	controls int       // bytes of control frames added since the state is promised, or since the outbox was empty
	frames   []byte    // not written yet, from start on
	start    int       // bytes of frames that are written
	first    []byte    // the buffer that frames started in
	loan     wire.Loan // of first
	charged  int       // bytes that the account was charged for frames
	ping     expected  // the PING that expectPing awaits
}

// expected is a PING on its way through the outbox.
type expected struct {
	written chan struct{} // closed when the connection has taken the PING; nil: no PING is expected
	end     int           // where the PING ends in frames, from start on; 0: it was not added yet
}

// writerState tells what Conn.Write is doing. See outbox.
type writerState byte

const (
	idle writerState = iota
	gathering
	gatheringWait
	promised
)

// write takes a frame or a part of a frame.
func (o *outbox) write(p []byte) (int, error) {
	if len(p) > chunkSize && o.mayBlock() {
		return o.writeDirect(p)
	}
	switch o.add(p) {
	case bySender:
		if err := o.flush(true); err != nil {
			return 0, err
		}
	case byGoroutine:
		go o.flush(true)
	}
	return len(p), nil
}

// writer tells who writes the bytes that were added to the outbox.
type writer byte

const (
	bySender    writer = iota
	byGoroutine        // which the sender has to start
	byOther            // Conn.Write, or a goroutine that was started before
)

// add appends bytes to the outbox and returns who writes them.
func (o *outbox) add(p []byte) writer {
	o.mu.Lock()
	defer o.mu.Unlock()
	empty := o.frames == nil
	if empty {
		o.controls = 0
		o.first = o.loan.Take()
		o.frames = o.first[:0]
		if o.wire.Err() != nil { // forget may have been called already
			o.loan.Forget()
		}
	}
	o.frames = append(o.frames, p...)
	if o.ping.written != nil && o.ping.end == 0 && isPing(p) {
		o.ping.end = len(o.frames) - o.start
	}
	more := cap(o.frames) - cap(o.first) - o.charged
	o.account.Grow(budget.Outboxes, more)
	o.charged += more
	if o.state == gathering || o.state == gatheringWait {
		return byOther
	}
	o.controls += len(p)
	switch {
	case o.controls > maxControls || p[0] != pingFrame && p[0] != pongFrame:
		return bySender
	case o.state == idle && empty:
		return byGoroutine
	}
	return byOther
}

// isPing reports whether p, which coder/websocket wrote at once, is a PING. The last bytes of a long masked message may look
// like one, but hardly ever do.
func isPing(p []byte) bool {
	if len(p) < 2 || len(p) > maxPing || p[0] != pingFrame {
		return false
	}
	size, _ := frameSize(p)
	return size == uint64(len(p))
}

// expectPing returns a channel that is closed when the connection has taken the next PING. It replaces what an earlier call
// awaits.
func (o *outbox) expectPing() <-chan struct{} {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ping = expected{written: make(chan struct{})}
	return o.ping.written
}

// mayBlock reports whether Conn.Write waits, so that a long payload need not be copied.
func (o *outbox) mayBlock() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.state == gatheringWait
}

// writeDirect writes the frames of the outbox and then p, which follows them, without a copy.
func (o *outbox) writeDirect(p []byte) (int, error) {
	if err := o.flush(true); err != nil {
		return 0, err
	}
	if !o.wire.Acquire(true) {
		return 0, o.wire.Err()
	}
	defer o.wire.Release()
	return o.wire.Write(p, true)
}

// cork makes the frames of Conn.Write gather. wait is the same as for uncork.
func (o *outbox) cork(wait bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.state = gathering
	if wait {
		o.state = gatheringWait
	}
}

// uncork writes the frames of the outbox. Without wait it writes as much as the connection takes at once; if it returns
// false, the caller must call it again. With wait it returns when the outbox is empty.
func (o *outbox) uncork(wait bool) (done bool, err error) {
	o.promise()
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

// promise starts the state promised.
func (o *outbox) promise() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.state, o.controls = promised, 0
}

// onlyControls reports whether all frames of Conn.Write are written: control frames stand behind them.
func (o *outbox) onlyControls() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.frames)-o.start <= o.controls
}

// kept ends the state promised and returns true if the outbox is empty. It is not if the connection has not taken all frames,
// or if a control frame was added after the flush: the sender of that frame relies on Conn.Write.
func (o *outbox) kept() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.start < len(o.frames) {
		return false
	}
	o.state = idle
	return true
}

// flush writes the frames of the outbox. Without wait it writes as much as the connection takes at once.
func (o *outbox) flush(wait bool) error {
	if !o.wire.Acquire(wait) {
		return o.wire.Err()
	}
	defer o.wire.Release()
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

// unwritten returns the bytes to write. Bytes that are added meanwhile go behind them, or to another buffer.
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
	if o.ping.end > 0 {
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

// stuck reports whether the connection has not taken everything that was written.
func (o *outbox) stuck() bool {
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
