package wire

import (
	"errors"
	"io"
)

// Acquire gets the right to write. Without wait it returns false if somebody else has it; with wait only if the
// connection is closed.
func (c *Conn) Acquire(wait bool) bool {
	if !wait {
		select {
		case c.turn <- struct{}{}:
			return true
		default:
			return false
		}
	}
	select {
	case c.turn <- struct{}{}:
		return true
	case <-c.done:
		return false
	}
}

// Release gives the right to write back.
func (c *Conn) Release() { <-c.turn }

// Write writes p, which is not kept. With wait it returns when all of p is written; without, after one try, with what
// the wire took, perhaps nothing. The caller has Acquired the right to.
func (c *Conn) Write(p []byte, wait bool) (n int, err error) {
	if c.raw == nil {
		return c.writePlain(p, wait)
	}
	c.out, c.sent, c.wait, c.werr = p, 0, wait, nil
	err = c.raw.Write(c.tryW)
	if err == nil {
		err = c.werr
	}
	n, c.out = c.sent, nil
	if err != nil {
		return n, c.failure("write", err)
	}
	return n, nil
}

// writeReady is called with a descriptor that may be writable, until it returns true.
func (c *Conn) writeReady(fd uintptr) bool {
	for c.sent < len(c.out) {
		n, again, err := writeFD(fd, c.out[c.sent:])
		if n > 0 {
			c.sent += n
			c.taken.Add(1)
		}
		switch {
		case err != nil:
			c.werr = err
			return true
		case again:
			return !c.wait
		case !c.wait:
			return true
		}
	}
	return true
}

// CloseWrite ends the stream of octets to the peer; those of the peer are still read. Not every connection can. The caller
// has Acquired the right to write, and keeps it.
func (c *Conn) CloseWrite() error {
	half, ok := c.rw.(interface{ CloseWrite() error })
	if !ok {
		return errors.ErrUnsupported
	}
	return half.CloseWrite()
}

// writePlain waits in Write, or does nothing.
func (c *Conn) writePlain(p []byte, wait bool) (n int, err error) {
	if !wait {
		return 0, c.Err()
	}
	n, err = c.rw.Write(p)
	if n > 0 {
		c.taken.Add(1)
	}
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	if err != nil {
		return n, c.failure("write", err)
	}
	return n, nil
}
