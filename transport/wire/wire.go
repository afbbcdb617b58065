// Package wire moves octets for the transports that frame them: buffered reading that holds no buffer while it waits,
// and writing that may refuse to wait.
//
//	Fill      waits for octets; a socket that is idle has no buffer: one is borrowed when the descriptor is readable
//	Buffered  shows them, without a copy
//	Discard   is done with some of them
//	Write     one write(2) that takes what the socket takes at once, or all of it
//	Acquire   the right to write: a frame that was cut short keeps it, so that nothing gets between its halves
//
// A TCP or Unix socket is read and written through its descriptor. Anything else (TLS, a serial port, a pipe) through
// its Read and Write, which wait; then a Write that must not wait writes nothing.
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

// Conn is one connection. Fill, Buffered and Discard belong to one goroutine at a time, Write to the one that has
// Acquired it. Close, Fail and Err may be called by any.
type Conn struct {
	// Static after construction.
	rw   io.ReadWriteCloser
	raw  syscall.RawConn // of a TCP or Unix socket, else nil
	tryR func(fd uintptr) (done bool)
	tryW func(fd uintptr) (done bool)

	account *budget.Account // for buf; nil: not bounded

	// Owned by the reader.
	buf    []byte
	r, w   int  // buf[r:w] is buffered
	want   int  // octets the reader needs in all
	filled bool // the last Read filled buf
	rerr   error
	loan   Loan // of buf
	charge int  // octets that account was charged for buf

	// Owned by whoever has Acquired the right to write.
	out  []byte
	sent int
	wait bool
	werr error

	turn chan struct{} // holds an element while somebody may write

	life  atomic.Uint32 // bit 0: the reader waits; the rest changes whenever octets arrive
	taken atomic.Uint32 // changes whenever the wire takes octets
	alive *keepAlive    // nil without keep-alive

	closing sync.Once
	done    chan struct{} // closed by Fail
	cause   error         // why; valid when done is closed
	cerr    error         // what rw.Close said; valid after closing.Do
}

// New returns a Conn over rw, whose stream head precedes: octets somebody else read before. head is not kept.
func New(rw io.ReadWriteCloser, head []byte) *Conn {
	c := &Conn{rw: rw, turn: make(chan struct{}, 1), done: make(chan struct{})}
	if c.raw = rawConn(rw); c.raw != nil {
		c.tryR, c.tryW = c.readReady, c.writeReady
	}
	if len(head) > 0 {
		c.buf = append([]byte(nil), head...)
		c.w = len(c.buf)
	}
	return c
}

// Charge has long messages paid for by an account. It is called once, before the Conn is shared.
func (c *Conn) Charge(a *budget.Account) { c.account = a }

// rawConn finds the descriptor below rw, if reading and writing it is the same as reading and writing rw. A wrapper that
// adds nothing to either shows the socket below through its method Socket.
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
	raw, err := s.SyscallConn()
	if err != nil || !descriptors {
		return nil
	}
	return raw
}

// Close closes the connection and unblocks whoever waits in it.
func (c *Conn) Close() error {
	c.Fail(net.ErrClosed)
	return c.cerr
}

// Fail closes the connection for the given cause, which Fill, Write and Err report from then on. The first cause stays.
func (c *Conn) Fail(cause error) {
	c.closing.Do(func() {
		c.cause = cause
		close(c.done)
		c.loan.Forget() // the reader may not come back
		c.alive.stop()
		c.cerr = c.rw.Close()
	})
}

// Err is nil while the connection is open, then why it is not.
func (c *Conn) Err() error {
	select {
	case <-c.done:
		return c.cause
	default:
		return nil
	}
}

// Tries reports whether a Write that does not wait can write at all.
func (c *Conn) Tries() bool { return c.raw != nil }

// Done is closed when the connection is.
func (c *Conn) Done() <-chan struct{} { return c.done }

// failure turns the error of a read or a write into what the caller is told, and closes the connection.
func (c *Conn) failure(verb string, err error) error {
	if err != io.EOF && err != io.ErrUnexpectedEOF && !errors.Is(err, net.ErrClosed) {
		err = fmt.Errorf("%s: %w", verb, err)
	}
	c.Fail(err)
	return c.cause
}
