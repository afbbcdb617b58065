package wire

import (
	"errors"
	"io"
	"net"
	"os"
	"time"

	"runnel/edge/budget"
)

// Sizes of the buffers that are not lent by the pool, in bytes: those for the part of a frame whose sender paused, and
// those of a connection without a descriptor, which needs a buffer even while it waits.
const (
	restMin  = 512
	restMax  = 4 << 10 // a longer part of a frame keeps its own buffer and is not copied into a lent one
	plainMin = 1 << 10
	plainMax = 16 << 10 // one TLS record
)

// Buffered returns the buffered bytes. They are valid until the next Fill.
func (c *Conn) Buffered() []byte { return c.buf[c.r:c.w] }

// Discard removes the first n buffered bytes.
func (c *Conn) Discard(n int) { c.r += n }

// Fill blocks until at least n bytes are buffered. Memory grows with the bytes that arrive, not with n. At the end of the
// stream it returns io.EOF, or io.ErrUnexpectedEOF if some bytes are buffered but fewer than n.
func (c *Conn) Fill(n int) error {
	for c.w-c.r < n {
		c.want = n
		if err := c.reserve(); err != nil {
			return err
		}
		if err := c.read(); err != nil {
			return err
		}
	}
	return nil
}

// ErrInterrupted is returned by Fill after Interrupt. The connection stays open, and keeps its buffered bytes.
var ErrInterrupted = errors.New("the wait was interrupted")

// Interrupt ends a Fill that waits, or the next one that would wait, with ErrInterrupted. The Conn is over a net.Conn. Any
// goroutine may call it, after the last use of the connection's read deadline by others.
func (c *Conn) Interrupt() {
	c.interrupted.Store(true)
	c.rw.(net.Conn).SetReadDeadline(time.Unix(1, 0))
}

func (c *Conn) read() error {
	c.rerr = nil
	var err error
	if c.raw != nil {
		err = c.raw.Read(c.tryR)
	} else {
		c.readPlain()
	}
	if err == nil {
		err = c.rerr
	}
	if err == nil {
		return nil
	}
	return c.readFailed(err)
}

// readFailed returns the error of Fill after a failed read. It is a separate function so that an idle goroutine needs
// less stack.
func (c *Conn) readFailed(err error) error {
	if c.interrupted.Load() && errors.Is(err, os.ErrDeadlineExceeded) {
		c.rw.(net.Conn).SetReadDeadline(time.Time{})
		return ErrInterrupted
	}
	if err == io.EOF && c.w > c.r {
		err = io.ErrUnexpectedEOF
	}
	c.release()
	return c.failure("read", err)
}

// maxBriefReads is how many reads in a row are not announced to the scheduler, see briefRead. A reader whose peer sends without
// a pause never waits. Then only the monitor thread, which an announced call wakes, lets others run on the same processor.
const maxBriefReads = 8

// readReady is called with a descriptor that may be readable, until it returns true. It always reads before it waits, even
// if the last read did not fill the buffer: the poller does not report data that arrived before RawConn.Read was called.
func (c *Conn) readReady(fd uintptr) bool {
	c.borrow()
	n, again, err := readFD(fd, c.buf[c.w:], c.reads < maxBriefReads)
	c.reads++
	if again {
		c.reads = 0
		c.giveBack()
		c.noteWaiting()
		return false
	}
	c.w += n
	c.busy = c.w == len(c.buf) || n > smallSize/2
	c.rerr = err
	if err == nil {
		c.noteReceived()
	}
	return true
}

// readPlain reads once by rw.Read, which blocks.
func (c *Conn) readPlain() {
	c.roomPlain()
	c.noteWaiting()
	n, err := c.rw.Read(c.buf[c.w:])
	c.filled = n == len(c.buf)-c.w
	c.w += n
	if n > 0 {
		c.noteReceived()
		return // the next Read returns the error again
	}
	c.rerr = err
}

// readerWaits is the bit of Conn.received that is set while the reader waits for the peer.
const readerWaits = 1

// noteWaiting records for the keep-alive that the reader waits for the peer.
func (c *Conn) noteWaiting() { c.received.Store(c.received.Load() | readerWaits) }

// noteReceived records for the keep-alive that bytes arrived.
func (c *Conn) noteReceived() { c.received.Store(c.received.Load()&^readerWaits + 2) }

// borrow makes room for a read that is likely to return bytes. It borrows a buffer unless much of a frame is buffered
// already or the frame is longer than a lent buffer. A busy connection gets a large one, also in place of a small one.
func (c *Conn) borrow() {
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
		if c.Err() != nil {
			c.loan.Forget()
		}
	}
	c.room()
}

// room makes room for at least one byte after the buffered ones.
func (c *Conn) room() {
	if c.r == c.w {
		c.r, c.w = 0, 0
	}
	if c.r > 0 && len(c.buf)-c.r < c.want {
		c.w = copy(c.buf, c.buf[c.r:c.w])
		c.r = 0
	}
	if c.w == len(c.buf) {
		c.replace(max(restMin, min(c.want, 2*len(c.buf))))
	}
}

// roomPlain is room for a connection without a descriptor, which has its own buffer.
func (c *Conn) roomPlain() {
	if c.r == c.w {
		switch size := len(c.buf); {
		case size < plainMin, size > plainMax:
			c.renew(plainMin)
		case c.filled && size < plainMax:
			c.renew(min(2*size, plainMax))
		}
	}
	c.room()
}

// renew replaces the empty buffer by one of the connection's own, for which the account is not charged.
func (c *Conn) renew(size int) {
	c.release()
	c.buf = make([]byte, size)
}

// giveBack returns the lent buffer before a wait. The buffered part of a frame moves to a buffer of its size.
func (c *Conn) giveBack() {
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
func (c *Conn) replace(size int) {
	charge := budget.Buffer(size)
	c.account.Grow(budget.Reading, charge)
	c.move(size, charge)
}

// move moves the buffered bytes to a new buffer that the account was charged for already.
func (c *Conn) move(size, charge int) {
	b := make([]byte, size)
	n := copy(b, c.buf[c.r:c.w])
	c.release()
	c.buf, c.w, c.charge = b, n, charge
}

// reserve doubles the buffer for a long message that has filled it, and blocks while memory is short. It runs outside of
// RawConn.Read, so that Close does not block meanwhile.
func (c *Conn) reserve() error {
	if c.account == nil || c.r > 0 || c.w < len(c.buf) || len(c.buf) < largeSize {
		return nil
	}
	size := min(c.want, 2*len(c.buf))
	if err := WaitFor(c.account, &c.loan, len(c.buf), size, c.done); err != nil {
		c.release()
		return c.failure("read", err)
	}
	c.move(size, size)
	return nil
}

// Detach gives up the current buffer, because another goroutine may still use bytes of it. The buffered bytes move to
// another one while the connection is open, and are dropped once it is closed.
func (c *Conn) Detach() {
	have := c.w - c.r
	c.loan.Forget()
	if have == 0 || c.Err() != nil {
		c.release()
		return
	}
	c.replace(have)
}

func (c *Conn) release() {
	c.loan.Return(c.buf)
	c.account.Shrink(budget.Reading, c.charge)
	c.buf, c.r, c.w, c.charge = nil, 0, 0, 0
}
