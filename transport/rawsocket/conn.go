// Package rawsocket carries WAMP messages over any stream of octets: TCP, TLS, a Unix socket, a serial line
// (advanced/transport_rawsocket.md).
//
// Server and Client make the handshake and return a Conn. A Conn over a TCP or Unix socket holds no buffer while it
// waits, hands messages out without a copy, writes a batch with one write(2), and can write without waiting. Over
// anything else it does the same, except that every write waits.
package rawsocket

import (
	"encoding/binary"
	"fmt"
	"io"
	"time"

	"runnel/edge/budget"
	"runnel/edge/wamp"
	"runnel/transport/wire"
)

// Conn is one connection, after the handshake. ReadMessage belongs to one goroutine at a time, Write to one at a time,
// Close and Transport to any.
type Conn struct {
	// Static after construction.
	wire      *wire.Conn
	transport wamp.Transport
	limit     int // of inbound frames
	account   *budget.Account

	// Owned by ReadMessage.
	read   int // length of the frame that was handed out
	lowest int // of limits on inbound frames, if it is not 0

	// Owned by Write. While octets of a cut frame are due, Write keeps the right to write: no PONG gets into it.
	due int
}

// Transport says how the peer is reached. Its Limit is the peer's.
func (c *Conn) Transport() *wamp.Transport { return &c.transport }

// Account is what the peer's memory is charged to; nil if it is not bounded.
func (c *Conn) Account() *budget.Account { return c.account }

// Close closes the connection; ReadMessage and Write return.
func (c *Conn) Close() error { return c.wire.Close() }

// SetReadLimit has a longer frame end the connection, until it is called with 0. It belongs to the goroutine that reads.
func (c *Conn) SetReadLimit(octets int) { c.lowest = octets }

// CloseWrite tells the peer that nothing more comes, and goes on reading. Nobody may be writing, nor write after it.
func (c *Conn) CloseWrite() error {
	if !c.wire.Acquire(false) {
		return fmt.Errorf("rawsocket: close for writing: somebody writes")
	}
	return wrap(c.wire.CloseWrite())
}

// start turns the keep-alive on.
func (c *Conn) start(o Options) {
	timeout := o.PingTimeout
	if timeout <= 0 {
		timeout = pingTimeout
	}
	c.wire.KeepAlive(o.PingInterval, timeout, c.ping)
}

// ReadMessage returns the peer's next message, which is valid until the next call, and whether the one after it is
// buffered. At the end of the stream the error is io.EOF.
func (c *Conn) ReadMessage() (msg []byte, more bool, err error) {
	c.wire.Discard(c.read)
	c.read = 0
	for {
		frame, k, err := c.frame()
		if err != nil {
			return nil, false, err
		}
		switch k {
		case message:
			c.read = len(frame)
			return frame[headSize:], wholeMessage(c.wire.Buffered()[len(frame):]), nil
		case ping:
			err = c.pong(frame)
		}
		if err != nil {
			return nil, false, err
		}
		c.wire.Discard(len(frame))
	}
}

// frame waits for a whole frame, and leaves it in the buffer.
func (c *Conn) frame() ([]byte, kind, error) {
	if err := c.wire.Fill(headSize); err != nil {
		return nil, 0, wrap(err)
	}
	limit := c.limit
	if c.lowest > 0 {
		limit = min(limit, c.lowest)
	}
	k, length, err := parseHead(c.wire.Buffered(), limit)
	if err != nil {
		c.wire.Fail(err)
		return nil, 0, wrap(err)
	}
	size := headSize + length
	if err := c.wire.Fill(size); err != nil {
		return nil, 0, wrap(err)
	}
	return c.wire.Buffered()[:size:size], k, nil
}

// pong answers a PING with its own octets. It waits for its turn and for the peer to take it, and meanwhile nothing is
// read: a peer that sends PINGs and reads no PONGs holds up itself.
func (c *Conn) pong(frame []byte) error {
	frame[0] = frame[0]&^7 | byte(pong)
	if !c.wire.Acquire(true) {
		return wrap(c.wire.Err())
	}
	defer c.wire.Release()
	if _, err := c.wire.Write(frame, true); err != nil {
		return wrap(err)
	}
	return nil
}

// pingText is what our PINGs carry: autobahn-js answers an empty one only when it reads the next frame.
const pingText = "ping"

// ping sends a PING of our own, if nobody is writing.
func (c *Conn) ping() bool {
	if !c.wire.Acquire(false) {
		return false
	}
	defer c.wire.Release()
	var frame [headSize + len(pingText)]byte
	binary.BigEndian.PutUint32(frame[:], uint32(ping)<<24|uint32(len(pingText)))
	copy(frame[headSize:], pingText)
	_, err := c.wire.Write(frame[:], true)
	return err == nil
}

// Probe asks the peer for a sign of life, and reports whether one comes within the time.
func (c *Conn) Probe(within time.Duration) bool { return c.wire.Probe(func() { c.ping() }, within) }

// Write sends a batch: messages, each behind its length in four octets, big-endian. With wait it returns when all is
// written. Without, it writes what the wire takes at once and returns n < len(batch), perhaps in mid-message; the next
// Write must go on with batch[n:].
func (c *Conn) Write(batch []byte, wait bool) (n int, err error) {
	if c.due == 0 && !c.wire.Acquire(wait) {
		return 0, wrap(c.wire.Err())
	}
	n, err = c.wire.Write(batch, wait)
	if err != nil {
		c.due = 0
	} else {
		c.due = due(batch, c.due, n)
	}
	if c.due == 0 {
		c.wire.Release()
	}
	return n, wrap(err)
}

// wrap names the package in an error. io.EOF stays: it is how a peer leaves.
func wrap(err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	return fmt.Errorf("rawsocket: %w", err)
}
