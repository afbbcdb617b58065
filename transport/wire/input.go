package wire

import (
	"sync/atomic"
	"syscall"

	"runnel/edge/budget"
)

// input holds the received bytes that the connection's user has not consumed. It reads a socket by its descriptor, into
// a buffer that it borrows while bytes arrive. The fields belong to the reader, except where they say otherwise.
type input struct {
	raw  syscall.RawConn              // of a TCP or Unix socket, else nil. Static, like tryR and account
	tryR func(fd uintptr) (done bool) // for raw.Read

	account *budget.Account // for buf; nil: not bounded

	buf    []byte
	r, w   int  // buf[r:w] is buffered
	want   int  // bytes that the reader needs in all
	busy   bool // the last read from the descriptor filled buf, or returned more than half a small buffer
	rerr   error
	reads  int  // since the reader last waited
	loan   Loan // of buf
	charge int  // bytes that account was charged for buf

	received atomic.Uint32 // bit readerWaits; the other bits change whenever bytes arrive. For all
	closed   atomic.Bool   // close was called. For all
}

// begin buffers a copy of what was read from the connection before.
func (c *input) begin(head []byte) {
	if len(head) > 0 {
		c.buf = append([]byte(nil), head...)
		c.w = len(c.buf)
	}
}

// maxBriefReads is how many reads in a row are not announced to the scheduler, see briefRead. A reader whose peer sends without
// a pause never waits. Then only the monitor thread, which an announced call wakes, lets others run on the same processor.
const maxBriefReads = 8

// readReady is called with a descriptor that may be readable, until it returns true. It always reads before it waits, even
// if the last read did not fill the buffer: the poller does not report data that arrived before RawConn.Read was called.
func (c *input) readReady(fd uintptr) bool {
	c.borrow()
	n, again, err := readFD(fd, c.buf[c.w:], c.reads < maxBriefReads)
	c.reads++
	if again {
		c.reads = 0
		c.giveBack()
		c.noteWaiting()
		return false
	}
	c.add(n)
	c.rerr = err
	if err == nil {
		c.noteReceived()
	}
	return true
}

// add counts n bytes that were read into buf.
func (c *input) add(n int) {
	c.w += n
	c.busy = c.w == len(c.buf) || n > smallSize/2
}

// readerWaits is the bit of received that is set while the reader waits for the peer.
const readerWaits = 1

// noteWaiting records for the keep-alive that the reader waits for the peer.
func (c *input) noteWaiting() { c.received.Store(c.received.Load() | readerWaits) }

// noteReceived records for the keep-alive that bytes arrived.
func (c *input) noteReceived() { c.received.Store(c.received.Load()&^readerWaits + 2) }

// borrow makes room for a read that is likely to return bytes. It borrows a buffer unless much of a frame is buffered
// already or the frame is longer than a lent buffer. A busy connection gets a large one, also in place of a small one.
func (c *input) borrow() {
	have := c.buf[c.r:c.w]
	if c.want > smallSize || len(have) > smallSize/2 {
		c.busy = true
	}
	is := c.loan.is.Load()
	if (is == nothing && len(have) <= restMax || is == small && c.busy) && c.want <= largeSize {
		size := small
		if c.busy {
			size = large
		}
		b, next := buffers.get(size)
		n := copy(b, have)
		c.release()
		c.loan.is.Store(next)
		c.buf, c.w = b, n
		if c.closed.Load() {
			c.loan.Forget()
		}
	}
	c.room()
}

// room makes room for at least one byte after the buffered ones.
func (c *input) room() {
	if c.r == c.w {
		c.r, c.w = 0, 0
	}
	if len(c.buf)-c.r < c.want {
		c.w = copy(c.buf, c.buf[c.r:c.w])
		c.r = 0
	}
	if c.w == len(c.buf) {
		c.replace(max(restMin, min(c.want, 2*len(c.buf))))
	}
}

// giveBack returns the lent buffer before a wait. The buffered part of a frame moves to a buffer of its size.
func (c *input) giveBack() {
	have := c.w - c.r
	if have == 0 {
		c.release()
		return
	}
	if c.loan.active() {
		c.replace(max(restMin, min(c.want, 2*have)))
	}
}

// replace moves the buffered bytes to a new buffer of the connection's own, and charges the account for it.
func (c *input) replace(size int) {
	charge := budget.Buffer(size)
	c.account.Grow(budget.Reading, charge)
	c.move(size, charge)
}

// move moves the buffered bytes to a new buffer that the account was charged for already.
func (c *input) move(size, charge int) {
	b := make([]byte, size)
	n := copy(b, c.buf[c.r:c.w])
	c.release()
	c.buf, c.w, c.charge = b, n, charge
}

func (c *input) release() {
	c.loan.Return(c.buf)
	c.account.Shrink(budget.Reading, c.charge)
	c.buf, c.r, c.w, c.charge = nil, 0, 0, 0
}

// close forgets the loan, because the reader may never give it back. Any goroutine may call it, before the connection is
// closed.
func (c *input) close() {
	c.closed.Store(true)
	c.loan.Forget()
}
