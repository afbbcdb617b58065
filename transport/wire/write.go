package wire

import (
	"errors"
	"io"
)

// Acquire gets the right to write. Without wait it returns false if another goroutine has it. With wait it returns false
// only if the connection is closed.
func (c *Conn) Acquire(wait bool) bool {
	if !wait {
		select {
		case c.writing <- struct{}{}:
			return true
		default:
			return false
		}
	}
	select {
	case c.writing <- struct{}{}:
		return true
	case <-c.done:
		return false
	}
}

// Release releases the right to write.
func (c *Conn) Release() { <-c.writing }

// Write writes p and does not keep it. With wait it returns when all of p is written. Without wait it writes once, as much
// as the socket takes at once, possibly nothing. The caller holds the right to write.
func (c *Conn) Write(p []byte, wait bool) (n int, err error) {
	if c.raw == nil {
		return c.writePlain(p, wait)
	}
	c.out, c.written, c.wait, c.werr = p, 0, wait, nil
	err = c.raw.Write(c.tryW)
	if err == nil {
		err = c.werr
	}
	n, c.out = c.written, nil
	if err != nil {
		return n, c.failure("write", err)
	}
	return n, nil
}

// writeReady is called with a descriptor that may be writable, until it returns true.
func (c *Conn) writeReady(fd uintptr) bool {
	for c.written < len(c.out) {
		n, again, err := writeFD(fd, c.out[c.written:])
		if n > 0 {
			c.written += n
			c.sent.Add(1)
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

// CloseWrite ends the outbound stream; the peer's bytes are still read. It returns errors.ErrUnsupported if the connection
// cannot be closed by halves. The caller holds the right to write and keeps it.
func (c *Conn) CloseWrite() error {
	half, ok := c.rw.(interface{ CloseWrite() error })
	if !ok {
		return errors.ErrUnsupported
	}
	return half.CloseWrite()
}

// writePlain writes by rw.Write, which blocks. Without wait it writes nothing.
func (c *Conn) writePlain(p []byte, wait bool) (n int, err error) {
	if !wait {
		return 0, c.Err()
	}
	n, err = c.rw.Write(p)
	if n > 0 {
		c.sent.Add(1)
	}
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	if err != nil {
		return n, c.failure("write", err)
	}
	return n, nil
}
