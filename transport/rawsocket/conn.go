// Package rawsocket carries WAMP messages over any byte stream: TCP, TLS, a Unix socket, a serial line
// (advanced/transport_rawsocket.md).
//
// Server and Client perform the handshake and return a Conn. Over a TCP or Unix socket, a Conn holds no buffer while it
// waits. It returns messages without copying them, writes a batch with one write(2), and can write without blocking. Over
// any other stream every write blocks.
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

// Conn is one connection, after the handshake. One goroutine at a time may call ReadMessage, and one at a time Write.
// Any goroutine may call Close and Transport.
type Conn struct {
	// Static after construction.
	wire      *wire.Conn
	transport wamp.Transport
	limit     int // of inbound frames
	account   *budget.Account

	// Owned by ReadMessage.
	returned  int // length of the frame that ReadMessage returned last
	readLimit int // a lower limit on inbound frames; 0: none

	// Owned by Write. While bytes of a partly written frame are missing, Write keeps the right to write, so that no PONG
	// gets into the frame.
	missing int
}

// Transport describes how the peer is reached. Its Limit is the longest message that the peer accepts.
func (c *Conn) Transport() *wamp.Transport { return &c.transport }

// Account is charged for the peer's memory. It is nil if memory is not bounded.
func (c *Conn) Account() *budget.Account { return c.account }

// Close closes the connection and unblocks ReadMessage and Write.
func (c *Conn) Close() error { return c.wire.Close() }

// SetReadLimit lowers the limit on inbound frames; 0 restores the agreed limit. A longer frame ends the connection. Only
// the goroutine that reads may call it.
func (c *Conn) SetReadLimit(bytes int) { c.readLimit = bytes }

// CloseWrite ends the outbound stream; the peer's messages are still read. It fails while another goroutine writes. Write
// must not be called after it.
func (c *Conn) CloseWrite() error {
	if !c.wire.Acquire(false) {
		return fmt.Errorf("rawsocket: close for writing: a write is in progress")
	}
	return wrap(c.wire.CloseWrite())
}

// start starts the keep-alive.
func (c *Conn) start(o Options) {
	timeout := o.PingTimeout
	if timeout <= 0 {
		timeout = pingTimeout
	}
	c.wire.KeepAlive(o.PingInterval, timeout, c.ping)
}

// ReadMessage returns the peer's next message, which is valid until the next call. more reports whether the message after
// it is buffered. At the end of the stream the error is io.EOF.
func (c *Conn) ReadMessage() (msg []byte, more bool, err error) {
	c.wire.Discard(c.returned)
	c.returned = 0
	for {
		frame, k, err := c.frame()
		if err != nil {
			return nil, false, err
		}
		switch k {
		case message:
			c.returned = len(frame)
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

// frame waits for a whole frame and leaves it in the buffer.
func (c *Conn) frame() ([]byte, kind, error) {
	if err := c.wire.Fill(headSize); err != nil {
		return nil, 0, wrap(err)
	}
	limit := c.limit
	if c.readLimit > 0 {
		limit = min(limit, c.readLimit)
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

// pong answers a PING with the same payload. It blocks until the PONG is written, and nothing is read meanwhile: a peer
// that sends PINGs without reading the PONGs only blocks itself.
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

// pingText is the payload of the router's PINGs. It is not empty because autobahn-js answers an empty PING only when it
// reads the next frame.
const pingText = "ping"

// ping sends a PING unless another goroutine is writing. It reports whether the PING was written.
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

// Probe sends a PING and reports whether the peer sends anything within the given time.
func (c *Conn) Probe(within time.Duration) bool { return c.wire.Probe(func() { c.ping() }, within) }

// Write sends a batch: messages, each preceded by its length in four bytes, big-endian. With wait it returns when the
// whole batch is written. Without wait it writes as much as the socket takes at once, possibly part of a message. The next
// Write must then continue with batch[n:].
func (c *Conn) Write(batch []byte, wait bool) (n int, err error) {
	if c.missing == 0 && !c.wire.Acquire(wait) {
		return 0, wrap(c.wire.Err())
	}
	n, err = c.wire.Write(batch, wait)
	if err != nil {
		c.missing = 0
	} else {
		c.missing = missing(batch, c.missing, n)
	}
	if c.missing == 0 {
		c.wire.Release()
	}
	return n, wrap(err)
}

// wrap prefixes an error with the package's name. io.EOF is returned as it is, because it means a clean close.
func wrap(err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	return fmt.Errorf("rawsocket: %w", err)
}
