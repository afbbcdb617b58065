// Package memory connects two ends of one process: what one writes, the other reads, without a system call. The uplink
// joins its local realm through it, and the router's tests use it.
package memory

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync"

	"runnel/edge/wamp"
)

const (
	defaultBuffer = 64 << 10
	keepMax       = 4 << 10 // an idle buffer that is larger is given up
	headSize      = 4
)

// Options describe a pair. The zero value is the default.
type Options struct {
	Serializer wamp.Serializer // what both ends speak; 0: CBOR
	Buffer     int             // octets under way in each direction; 0: 64 KiB. One longer message may pass alone
	Name       string          // Transport.Listener: who made the pair
	Limit      int             // the longest message in octets that the first end takes; 0: any

	// An identity for both ends' Transport; "" where there is none.
	Authid, Role, Realm string
}

// Conn is one end. ReadMessage belongs to one goroutine at a time, Write to one at a time, Close and Transport to any.
type Conn struct {
	in, out   *pipe
	transport *wamp.Transport
}

// Pipe returns two ends that are connected with each other. To the router the peer is a client like any other: it is
// what a guest uses, which speaks for a device.
func Pipe(opts Options) (a, b *Conn) { return pipeOf(opts, false) }

// Internal is Pipe for a part of the router itself, such as an uplink: its session is trusted and no target for others.
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

// ReadMessage returns the other end's next message, which is valid until the next call, and whether the one after it is
// buffered. What was written before the other end was closed is still read; then the error is io.EOF.
func (c *Conn) ReadMessage() (msg []byte, more bool, err error) { return c.in.read() }

// Write sends a batch: messages, each behind its length in four octets, big-endian. With wait it returns when all of
// it is buffered for the other end. Without, it takes the whole messages that there is room for.
func (c *Conn) Write(batch []byte, wait bool) (n int, err error) { return c.out.write(batch, wait) }

// Close closes the connection. The other end can read what is under way, this one nothing more.
func (c *Conn) Close() error {
	c.in.close(true)
	c.out.close(false)
	return nil
}

// pipe is one direction. The writer fills next; the reader takes it as a whole and then needs no lock.
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
	start := p.off + headSize
	p.off = start + int(binary.BigEndian.Uint32(p.taken[p.off:]))
	return p.taken[start:p.off:p.off], p.off < len(p.taken) || p.filled(), nil
}

func (p *pipe) filled() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.next) > 0
}

// take waits for messages and swaps buffers with the writer.
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

// fits returns the length of the whole messages that there is room for. A message longer than the pipe fits if it is
// alone.
func (p *pipe) fits(batch []byte) (n int, err error) {
	if p.closed {
		return 0, fmt.Errorf("memory: write: %w", net.ErrClosed)
	}
	for n < len(batch) {
		m := batchMessage(batch[n:])
		if m == 0 {
			return n, fmt.Errorf("memory: write: batch ends in mid-message")
		}
		if used := len(p.next) + n; used > 0 && used+m > p.size {
			break
		}
		n += m
	}
	return n, nil
}

// batchMessage returns the length of the first message of a batch with its head, 0 if it is not whole.
func batchMessage(batch []byte) int {
	if len(batch) < headSize {
		return 0
	}
	n := binary.BigEndian.Uint32(batch)
	if uint64(n) > uint64(len(batch)-headSize) {
		return 0
	}
	return headSize + int(n)
}
