package wire

import (
	"io"

	"runnel/edge/budget"
)

// Sizes of the buffers that are not borrowed: the rest of a frame whose sender paused, and those of a connection
// without a descriptor, which needs one even while it waits.
const (
	restMin  = 512
	restMax  = 4 << 10 // a longer rest is not copied into a borrowed buffer, but read on where it is
	plainMin = 1 << 10
	plainMax = 16 << 10 // one TLS record
)

// Buffered returns the octets that are there. They stay valid until the next Fill.
func (c *Conn) Buffered() []byte { return c.buf[c.r:c.w] }

// Discard is done with the first n buffered octets.
func (c *Conn) Discard(n int) { c.r += n }

// Fill waits until at least n octets are buffered. Memory grows with the octets that arrive, not with n. At the end of
// the stream it returns io.EOF, or io.ErrUnexpectedEOF if octets are buffered, but fewer than n.
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
	if err == io.EOF && c.w > c.r {
		err = io.ErrUnexpectedEOF
	}
	c.release()
	return c.failure("read", err)
}

// readReady is called with a descriptor that may be readable, until it returns true. It reads before it waits, even after
// a read that did not fill its buffer: the poller has forgotten what became readable before RawConn.Read was called.
func (c *Conn) readReady(fd uintptr) bool {
	c.borrow()
	n, again, err := readFD(fd, c.buf[c.w:])
	if again {
		c.rest()
		c.waiting()
		return false
	}
	c.w += n
	c.rerr = err
	if n > 0 {
		c.heard()
	}
	return true
}

// readPlain waits in Read.
func (c *Conn) readPlain() {
	c.roomPlain()
	c.waiting()
	n, err := c.rw.Read(c.buf[c.w:])
	c.filled = n == len(c.buf)-c.w
	c.w += n
	if n > 0 {
		c.heard()
		return // an error that came with octets comes again
	}
	c.rerr = err
}

// waiting notes for the keep-alive that the reader waits for its peer.
func (c *Conn) waiting() { c.life.Store(c.life.Load() | 1) }

// heard notes for the keep-alive that octets came.
func (c *Conn) heard() { c.life.Store(c.life.Load()&^1 + 2) }

// borrow makes room for octets that are probably there. While little is buffered, in a borrowed buffer.
func (c *Conn) borrow() {
	have := c.buf[c.r:c.w]
	if !c.loan.out() && len(have) <= restMax && c.want <= bufferSize {
		b := c.loan.Take()
		c.r, c.w = 0, copy(b, have)
		c.buf = b
		if c.Err() != nil {
			c.loan.Forget()
		}
	}
	c.room()
}

// room makes room behind the buffered octets, for one more at least.
func (c *Conn) room() {
	if c.r == c.w {
		c.r, c.w = 0, 0
	}
	if len(c.buf)-c.r < c.want && c.r > 0 {
		c.w = copy(c.buf, c.buf[c.r:c.w])
		c.r = 0
	}
	if c.w == len(c.buf) {
		c.replace(max(restMin, min(c.want, 2*len(c.buf))))
	}
}

// roomPlain is room for a connection without a descriptor, whose buffer is its own.
func (c *Conn) roomPlain() {
	if c.r == c.w {
		size := len(c.buf)
		switch {
		case size < plainMin, size > plainMax:
			c.buf = make([]byte, plainMin)
		case c.filled && size < plainMax:
			c.buf = make([]byte, 2*size)
		}
	}
	c.room()
}

// rest gives the borrowed buffer back before a wait. What is left of a frame moves to a buffer of its size.
func (c *Conn) rest() {
	have := c.w - c.r
	if have == 0 {
		c.release()
		return
	}
	if c.loan.out() {
		c.replace(max(restMin, min(c.want, 2*have)))
	}
}

// replace moves the buffered octets to a buffer of their own.
func (c *Conn) replace(size int) {
	charge := budget.Buffer(size)
	c.account.Grow(budget.Reading, charge)
	c.move(size, charge)
}

// move moves the buffered octets to a buffer that is charged already.
func (c *Conn) move(size, charge int) {
	b := make([]byte, size)
	n := copy(b, c.buf[c.r:c.w])
	c.release()
	c.buf, c.w, c.charge = b, n, charge
}

// reserve gets a longer buffer for a message that has filled a long one, for which it waits while memory is short. It does
// so outside of a read, so that Close need not wait for it.
func (c *Conn) reserve() error {
	if c.account == nil || c.r > 0 || c.w < len(c.buf) || len(c.buf) < bufferSize {
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

func (c *Conn) release() {
	c.loan.Give(c.buf)
	c.account.Shrink(budget.Reading, c.charge)
	c.buf, c.r, c.w, c.charge = nil, 0, 0, 0
}
