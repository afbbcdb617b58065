package wire

import (
	"errors"
	"io"
	"net"
	"time"
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
	rw := any(c.rw)
	if v, ok := rw.(interface{ Socket() net.Conn }); ok {
		rw = v.Socket()
	}
	half, ok := rw.(interface{ CloseWrite() error })
	if !ok {
		return errors.ErrUnsupported
	}
	return half.CloseWrite()
}

// Sizes of the pieces in which writePlain writes, in bytes. rw.Write reports no progress before it returns. With pieces,
// the keep-alive sees that a slow peer still takes bytes. Writes over TLS begin with long pieces, each of which is one TLS
// record. Writes to other streams, such as serial lines, begin with short ones: 1 KiB takes 8.5 s at 1200 baud.
const (
	pieceMin   = 256
	pieceStart = 1 << 10
	pieceMax   = 16 << 10
)

// firstPiece returns the size of the first piece that is written to rw.
func firstPiece(rw any) int {
	if _, ok := rw.(net.Conn); ok {
		return pieceMax
	}
	return pieceStart
}

// Times after which the next piece is half as long, and within which it is twice as long.
const (
	slowPiece = 2 * time.Second
	fastPiece = 100 * time.Millisecond
)

// writePlain writes by rw.Write, which blocks, piece by piece. Without wait it writes nothing.
func (c *Conn) writePlain(p []byte, wait bool) (n int, err error) {
	if !wait {
		return 0, c.Err()
	}
	for n < len(p) {
		m, err := c.writePiece(p[n:min(n+c.piece, len(p))])
		n += m
		if err != nil {
			return n, c.failure("write", err)
		}
	}
	return n, nil
}

// writePiece writes one piece and adapts the size of the next one to the time that it took.
func (c *Conn) writePiece(p []byte) (n int, err error) {
	start := time.Now()
	n, err = c.rw.Write(p)
	c.sent.Add(1) // a failed write closes the connection
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	switch took := time.Since(start); {
	case took > slowPiece:
		c.piece = max(c.piece/2, pieceMin)
	case took < fastPiece && len(p) == c.piece:
		c.piece = min(2*c.piece, pieceMax)
	}
	return n, err
}
