// Package memory connects two parts of one process without system calls. An uplink joins its local realm through it, and
// the router's tests use it.
package memory

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync"

	"runnel/edge/wamp"
	"runnel/transport/wire"
)

const (
	defaultBuffer = 64 << 10
	keepMax       = 4 << 10 // a larger buffer is freed when it is idle
)

// Options configure a pair. The zero value is the default.
type Options struct {
	Serializer wamp.Serializer // of both ends; 0: CBOR
	Buffer     int             // bytes buffered in each direction; 0: 64 KiB. A single longer message is accepted, too
	Name       string          // Transport.Listener: the creator of the pair
	Limit      int             // length of the longest message that the first end accepts, in bytes; 0: any

	// The identity in the Transport of both ends; "" where there is none.
	Authid, Role, Realm string

	// Peer is the Transport of both ends, but for the serializer. It is for a guest, which has its own connection to
	// a listener. Name, Authid, Role and Realm are then ignored. Peer never makes a connection internal. nil: see
	// above.
	Peer *wamp.Transport
}

// Conn is one end of a pair. One goroutine at a time may call ReadMessage, and one at a time Write. Any goroutine may call
// Close and Transport.
type Conn struct {
	in, out   *pipe
	transport *wamp.Transport
}

// Pipe returns two connected ends. The router treats the peer like any other client. Guests, which act for devices, use it.
func Pipe(opts Options) (a, b *Conn) { return pipeOf(opts, false) }

// Internal is Pipe for a part of the router itself, such as an uplink. Its session is trusted, and other sessions cannot
// address it.
func Internal(opts Options) (a, b *Conn) { return pipeOf(opts, true) }

func pipeOf(opts Options, internal bool) (a, b *Conn) {
	if opts.Serializer == 0 {
		opts.Serializer = wamp.CBOR
	}
	if opts.Buffer <= 0 {
		opts.Buffer = defaultBuffer
	}
	t := &wamp.Transport{
		Serializer: opts.Serializer, Protocol: "memory", Network: "memory", Listener: opts.Name, Local: true, Internal: internal,
		Authid: opts.Authid, Role: opts.Role, Realm: opts.Realm,
	}
	if opts.Peer != nil {
		described := *opts.Peer
		described.Serializer, described.Limit, described.Internal = opts.Serializer, 0, internal
		t = &described
	}
	there, back := newPipe(opts.Buffer), newPipe(opts.Buffer)
	a = &Conn{in: back, out: there, transport: t}
	if opts.Limit > 0 {
		limited := *t
		limited.Limit = opts.Limit
		t = &limited
	}
	return a, &Conn{in: there, out: back, transport: t}
}

// Transport describes the other end.
func (c *Conn) Transport() *wamp.Transport { return c.transport }

// ReadMessage returns the other end's next message, which is valid until the next call. more reports whether the message
// after it is buffered. After the other end was closed, ReadMessage returns the remaining messages and then io.EOF.
func (c *Conn) ReadMessage() (msg []byte, more bool, err error) { return c.in.read() }

// Write sends a batch: messages, each preceded by its length in four bytes, big-endian. With wait it returns when the whole
// batch is buffered for the other end. Without wait it buffers the complete messages for which there is room.
func (c *Conn) Write(batch []byte, wait bool) (n int, err error) { return c.out.write(batch, wait) }

// Close closes the connection. The other end can still read the buffered messages; this end can read nothing more.
func (c *Conn) Close() error {
	c.out.close(false) // first: a reader that sees the end can no longer write
	c.in.close(true)
	return nil
}

// pipe is one direction of a pair. The writer appends to next. The reader takes the whole buffer and then reads it without
// a lock.
type pipe struct {
	size int

	mu      sync.Mutex
	change  sync.Cond // on mu: next was filled or taken, or the pipe was closed
	next    []byte
	closed  bool // by either end
	dropped bool // by the reader

	// Owned by the reader.
	taken []byte // the batch being read
	off   int
}

func newPipe(size int) *pipe {
	p := &pipe{size: size}
	p.change.L = &p.mu
	return p
}

func (p *pipe) close(reader bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	p.dropped = p.dropped || reader
	p.change.Broadcast()
}

func (p *pipe) read() (msg []byte, more bool, err error) {
	if p.off == len(p.taken) {
		if err := p.take(); err != nil {
			return nil, false, err
		}
	}
	start := p.off + wire.HeadSize
	p.off = start + int(binary.BigEndian.Uint32(p.taken[p.off:]))
	return p.taken[start:p.off:p.off], p.off < len(p.taken) || p.filled(), nil
}

func (p *pipe) filled() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.next) > 0
}

// take waits for messages and exchanges buffers with the writer.
func (p *pipe) take() error {
	p.taken, p.off = p.taken[:0], 0
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.next) == 0 && !p.closed {
		if cap(p.next) > keepMax {
			p.next = nil
		}
		if cap(p.taken) > keepMax {
			p.taken = nil
		}
		p.change.Wait()
	}
	switch {
	case p.dropped:
		return fmt.Errorf("memory: read: %w", net.ErrClosed)
	case len(p.next) == 0:
		return io.EOF
	}
	p.taken, p.next = p.next, p.taken
	p.change.Broadcast()
	return nil
}

func (p *pipe) write(batch []byte, wait bool) (n int, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for n < len(batch) {
		m, err := p.fits(batch[n:])
		if err != nil {
			return n, err
		}
		if m > 0 {
			p.next = append(p.next, batch[n:n+m]...)
			n += m
			p.change.Broadcast()
			continue
		}
		if !wait {
			break
		}
		p.change.Wait()
	}
	return n, nil
}

// fits returns the length of the complete messages for which there is room. A message longer than the pipe fits if the pipe
// is empty.
func (p *pipe) fits(batch []byte) (int, error) {
	if p.closed {
		return 0, fmt.Errorf("memory: write: %w", net.ErrClosed)
	}
	n, err := wire.Fits(batch, len(p.next), p.size)
	if err != nil {
		return n, fmt.Errorf("memory: write: %w", err)
	}
	return n, nil
}
