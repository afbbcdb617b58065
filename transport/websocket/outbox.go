package websocket

import (
	"sync"

	"runnel/edge/budget"
	"runnel/transport/wire"
)

// maxControls bounds the bytes of PONG, PING and CLOSE that gather behind frames that the peer does not take. The sender
// of a further control frame blocks, and coder/websocket closes the connection after 5 s.
const maxControls = 4 << 10

// closeFrame is the first byte of CLOSE (RFC 6455, 5.2). Its sender closes the connection next, so it cannot leave the frame to
// Conn.Write.
const closeFrame = 0x88

// outbox holds the frames that the connection has not taken yet. Data frames come from Conn.Write. Control frames come
// from any goroutine, between them. The outbox decides who writes a frame:
//
//	state          Conn.Write                     a control frame is written by        leaves by
//	idle           is not in progress             its sender                           cork
//	gathering      adds frames                    Conn.Write, with its own frames      uncork
//	gatheringWait  adds frames, then blocks       Conn.Write, with its own frames      uncork
//	promised       writes the frames, or will     Conn.Write, up to maxControls bytes; uncork, once the outbox
//	               call uncork again to do so     then, and CLOSE always, its sender   is empty
type outbox struct {
	// Static after construction.
	wire    *wire.Conn
	account *budget.Account // set by socket.charge; nil: memory is not bounded

	mu       sync.Mutex
	state    writerState
	controls int       // bytes of control frames added since the state is promised
	frames   []byte    // not written yet, from start on
	start    int       // bytes of frames that are written
	first    []byte    // the buffer that frames started in
	loan     wire.Loan // of first
	charged  int       // bytes that the account was charged for frames
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
	if o.add(p) {
		return len(p), nil
	}
	if err := o.flush(true); err != nil {
		return 0, err
	}
	return len(p), nil
}

// add appends bytes to the outbox, and reports whether Conn.Write will write them.
func (o *outbox) add(p []byte) (left bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.frames == nil {
		o.first = o.loan.Take()
		o.frames = o.first[:0]
		if o.wire.Err() != nil { // forget may have been called already
			o.loan.Forget()
		}
	}
	o.frames = append(o.frames, p...)
	more := cap(o.frames) - cap(o.first) - o.charged
	o.account.Grow(budget.Outboxes, more)
	o.charged += more
	switch o.state {
	case gathering, gatheringWait:
		return true
	case promised: // p is a control frame
		o.controls += len(p)
		return o.controls <= maxControls && p[0] != closeFrame
	}
	return false
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
