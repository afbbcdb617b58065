package websocket

import (
	"sync"

	"runnel/edge/budget"
	"runnel/transport/wire"
)

// maxControls bounds the bytes of PONG, PING and CLOSE that gather behind frames that the peer does not take. The sender
// of a further control frame blocks, and coder/websocket closes the connection after 5 s.
const maxControls = 4 << 10

// outbox holds the frames that the connection has not taken yet. Data frames come from Conn.Write. Control frames come
// from any goroutine, between them. The outbox decides who writes a frame:
//
//	state         Conn.Write               a control frame is written by   leaves by
//	idle          is not under way         its sender                      cork
//	gathering     adds frames              Conn.Write, with its frames     uncork
//	gatheringWait the same, will block     the same                        uncork
//	promised      has frames left and      Conn.Write, up to maxControls;  uncork, once the outbox is empty or
//	              will call uncork again   then by its sender              if Conn.Write waits
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
	if _, err := o.flush(true); err != nil {
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
	if more := cap(o.frames) - cap(o.first) - o.charged; more > 0 {
		o.account.Grow(budget.Outboxes, more)
		o.charged += more
	}
	switch o.state {
	case gathering, gatheringWait:
		return true
	case promised:
		o.controls += len(p)
		return o.controls <= maxControls
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
	if _, err := o.flush(true); err != nil {
		return 0, err
	}
	if !o.wire.Acquire(true) {
		return 0, o.wire.Err()
	}
	defer o.wire.Release()
	return o.wire.Write(p, true)
}

// cork makes Conn.Write's frames gather. wait says that uncork will wait, too.
func (o *outbox) cork(wait bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.state = gathering
	if wait {
		o.state = gatheringWait
	}
}

// uncork writes the frames of the outbox: without wait as much as the connection takes at once. If it returns false, the
// caller must call it again.
func (o *outbox) uncork(wait bool) (done bool, err error) {
	o.mu.Lock()
	o.state, o.controls = promised, 0
	if wait {
		o.state = idle
	}
	o.mu.Unlock()
	done, err = o.flush(wait)
	if wait || !done {
		return done, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.start < len(o.frames) { // a control frame was added after the flush, and its sender relies on this caller
		return false, nil
	}
	o.state = idle
	return true, nil
}

// flush writes the frames of the outbox. done reports that all are written.
func (o *outbox) flush(wait bool) (done bool, err error) {
	if !o.wire.Acquire(wait) {
		return false, o.wire.Err()
	}
	defer o.wire.Release()
	for {
		p := o.unwritten()
		if len(p) == 0 {
			return true, nil
		}
		n, err := o.wire.Write(p, wait)
		o.advance(n)
		if err != nil || n < len(p) {
			return false, err
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
	o.loan.Give(o.first)
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
