package websocket

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/coder/websocket"

	"runnel/edge/budget"
	"runnel/transport/wire"
)

var errBatch = errors.New("broken batch")

// ReadMessage returns the peer's next message, which is valid until the next call. more reports whether the message after
// it is buffered. After a clean close by the peer the error is io.EOF.
func (c *Conn) ReadMessage() (msg []byte, more bool, err error) {
	if len(c.rest) == 0 {
		if err := c.receive(); err != nil {
			return nil, false, err
		}
		if !c.protocol.Batched {
			return c.take(len(c.rest), 0, 0)
		}
	}
	before, length, after, ok := c.protocol.Split(c.rest)
	if !ok {
		return nil, false, c.fail(websocket.StatusProtocolError, errBatch)
	}
	return c.take(length, before, after)
}

// take removes the first message from c.rest: length bytes, with before bytes in front of it and after bytes behind it.
func (c *Conn) take(length, before, after int) (msg []byte, more bool, err error) {
	end := before + length
	msg = c.rest[before:end:end]
	c.rest = c.rest[end+after:]
	return msg, len(c.rest) > 0 || c.socket.more(), nil
}

// receive reads a WebSocket message into c.rest.
func (c *Conn) receive() error {
	if c.closed.Load() {
		return c.readFailed(nil)
	}
	if !c.socket.more() { // Reader will wait
		c.giveBack()
	}
	kind, r, err := c.ws.Reader(context.Background())
	if err != nil {
		return c.readFailed(err)
	}
	if kind != c.kind {
		return c.fail(websocket.StatusUnsupportedData, fmt.Errorf("%v message, but %v carries %v messages",
			kind, c.protocol, c.kind))
	}
	if c.buf == nil {
		c.buf = c.loan.Take()
	}
	n, err := c.fill(r)
	if err != nil {
		return c.readFailed(err)
	}
	if c.closed.Load() {
		return c.readFailed(nil)
	}
	if n == 0 && c.protocol.Batched {
		return c.fail(websocket.StatusProtocolError, fmt.Errorf("empty batch"))
	}
	c.rest = c.buf[:n]
	return nil
}

// fill reads r to its end into c.buf. The buffer grows with the bytes that arrive.
func (c *Conn) fill(r io.Reader) (n int, err error) {
	for {
		m, err := r.Read(c.buf[n:])
		n += m
		if err == io.EOF {
			return n, nil
		}
		if err != nil {
			return n, err
		}
		if n == len(c.buf) {
			size := min(2*n, c.limit+1)
			if err := wire.WaitFor(c.socket.account, &c.loan, n, size, c.socket.wire.Done()); err != nil {
				return n, err
			}
			b := make([]byte, size)
			copy(b, c.buf)
			c.giveBack()
			c.buf, c.charge = b, size
		}
	}
}

// giveBack returns the buffer, so that a waiting connection holds none.
func (c *Conn) giveBack() {
	c.loan.Return(c.buf)
	c.socket.account.Shrink(budget.Reading, c.charge)
	c.buf, c.rest, c.charge = nil, nil, 0
}

// readFailed closes the connection after a failed read and returns the cause. coder/websocket has sent CLOSE already where
// RFC 6455 requires it.
func (c *Conn) readFailed(err error) error {
	c.giveBack()
	err = c.explain(err)
	c.close(websocket.StatusProtocolError, "")
	return err
}
