// Package wire reads and writes bytes for the transports that frame them. Its reader holds no buffer while it waits. Its
// writer can write without blocking.
//
//	Fill      waits for bytes; an idle socket has no buffer and borrows one when its descriptor is readable
//	Buffered  returns them without a copy
//	Discard   removes some of them
//	Acquire   gets the right to write; a partly written frame keeps it, so that no other frame gets into it
//	Write     writes once, as much as the socket takes, or waits until everything is written
//
// TCP and Unix sockets are read and written through their descriptors. Other connections (TLS, a serial port, a pipe) are
// read and written by their blocking Read and Write. On those, a Write that must not wait writes nothing. TLS over Records
// is read only when its socket has a whole record.
package wire

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"

	"runnel/edge/budget"
)

// Conn is one connection. One goroutine at a time may call Fill, Buffered and Discard. Only the goroutine that called
// Acquire may call Write. Any goroutine may call Close, Fail and Err.
type Conn struct {
	// Static after construction.
	rw    io.ReadWriteCloser
	tryW  func(fd uintptr) (done bool)
	below *Records // of TLS; nil: none

	input
	filled bool // the last Read of rw filled buf. Owned by the reader

	// Owned by the holder of the right to write.
	out     []byte // being written
	written int    // bytes of out
	wait    bool
	werr    error
	piece   int // bytes that writePlain writes at once

	writing chan struct{} // holds an element while the right to write is acquired

	interrupted atomic.Bool // Interrupt was called

	sent  atomic.Uint32 // changes whenever the connection takes bytes
	alive *keepAlive    // nil without keep-alive

	closing sync.Once
	done    chan struct{} // closed by Fail
	cause   error         // of Fail; valid once done is closed
	cerr    error         // of rw.Close; valid after closing.Do
}

// New returns a Conn over rw. head holds bytes that the caller has read from rw already; it is copied.
func New(rw io.ReadWriteCloser, head []byte) *Conn {
	c := &Conn{rw: rw, piece: firstPiece(rw), writing: make(chan struct{}, 1), done: make(chan struct{})}
	if c.raw = rawConn(rw); c.raw != nil {
		c.tryR, c.tryW = c.readReady, c.writeReady
	} else if c.below = recordsOf(rw); c.below != nil {
		c.tryR, c.filled = c.readBelow, true // an earlier reader, a web server, may have left a part of a record in crypto/tls
	}
	c.begin(head)
	return c
}

// Charge sets the account that is charged for long messages. It is called once, before the Conn is shared.
func (c *Conn) Charge(a *budget.Account) { c.account = a }

// rawConn returns the descriptor of rw, or nil if rw can be used only by its Read and Write. A wrapper that changes neither
// returns the wrapped socket by its method Socket.
func rawConn(rw any) syscall.RawConn {
	var s syscall.Conn
	switch v := rw.(type) {
	case interface{ Socket() net.Conn }:
		return rawConn(v.Socket())
	case *net.TCPConn:
		s = v
	case *net.UnixConn:
		s = v
	default:
		return nil
	}
	if !descriptors {
		return nil
	}
	raw, _ := s.SyscallConn() // nil if it fails
	return raw
}

// Close closes the connection and unblocks Fill, Write and Acquire.
func (c *Conn) Close() error {
	c.Fail(net.ErrClosed)
	return c.cerr
}

// Fail closes the connection. Fill, Write and Err return cause from then on; the cause of the first call holds.
func (c *Conn) Fail(cause error) {
	c.closing.Do(func() {
		c.cause = cause
		close(c.done)
		c.input.close()
		c.alive.stop()
		c.cerr = c.rw.Close()
	})
}

// Err returns nil while the connection is open, and then the cause of its end.
func (c *Conn) Err() error {
	select {
	case <-c.done:
		return c.cause
	default:
		return nil
	}
}

// NonBlocking reports whether the connection can be written without waiting. If not, Write without wait writes nothing.
func (c *Conn) NonBlocking() bool { return c.raw != nil }

// Done returns a channel that is closed when the connection is closed.
func (c *Conn) Done() <-chan struct{} { return c.done }

// failure closes the connection after a failed read or write, and returns the cause to report.
func (c *Conn) failure(verb string, err error) error {
	if err != io.EOF && err != io.ErrUnexpectedEOF && !errors.Is(err, net.ErrClosed) {
		err = fmt.Errorf("%s: %w", verb, err)
	}
	c.Fail(err)
	return c.cause
}
