package wire

import (
	"errors"
	"io"
	"net"
	"os"
	"time"
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
		for c.below != nil && !c.filled && err == nil && !c.below.ready() {
			err = c.below.raw.Read(c.tryR)
		}
		if err == nil {
			c.readPlain()
		}
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

// readBelow is readReady for the socket below TLS. The Conn gives back its own buffer, too, before it waits.
func (c *Conn) readBelow(fd uintptr) bool {
	if !c.below.readReady(fd) {
		c.giveBack()
		c.noteWaiting()
		return false
	}
	if c.below.rerr == nil {
		c.noteReceived()
	}
	return true
}

// readPlain reads once by rw.Read. It blocks, except over Records, where the bytes have arrived: there it borrows a buffer.
func (c *Conn) readPlain() {
	if c.below != nil {
		c.borrow()
	} else {
		c.roomPlain()
	}
	c.noteWaiting()
	n, err := c.rw.Read(c.buf[c.w:])
	c.filled = n == len(c.buf)-c.w // if so, crypto/tls may hold more of the record
	c.add(n)
	if n > 0 {
		c.noteReceived()
		return // the next Read returns the error again
	}
	c.rerr = err
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
