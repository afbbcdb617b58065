package websocket

import (
	"errors"
	"fmt"
	"io"
	"net"

	"runnel/edge/budget"
	"runnel/transport/websocket/frame"
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
		if c.closed.Load() {
			return nil, false, c.explain(net.ErrClosed)
		}
		c.reading.Lock()
		defer c.reading.Unlock()
		return nil, false, c.fail(frame.ProtocolError, errBatch)
	}
	return c.take(length, before, after)
}

// take removes the first message from c.rest: length bytes, with before bytes in front of it and after bytes following it.
func (c *Conn) take(length, before, after int) (msg []byte, more bool, err error) {
	end := before + length
	msg = c.rest[before:end:end]
	c.rest = c.rest[end+after:]
	return msg, len(c.rest) > 0 || c.more, nil
}

// receive reads a WebSocket message into c.rest. The closing handshake, which may take closeTime, is not waited for.
func (c *Conn) receive() error {
	if c.closed.Load() {
		return c.explain(net.ErrClosed)
	}
	c.reading.Lock()
	defer c.reading.Unlock()
	var payload []byte
	err := c.wait()
	if err == nil {
		payload, err = c.next()
	}
	if err == nil && c.closed.Load() {
		err = net.ErrClosed
	}
	if err != nil {
		return c.readFailed(err)
	}
	c.rest = payload
	c.more = frame.WholeMessage(c.socket.wire.Buffered()[c.held:])
	return nil
}

// wait waits for the head of a data frame, and answers control frames. An idle connection waits here and not in next, because
// its goroutine then needs half the stack.
func (c *Conn) wait() error {
	c.discardHeld()
	if c.closed.Load() {
		return net.ErrClosed
	}
	for {
		if !frame.WholeMessage(c.socket.wire.Buffered()) {
			c.giveBack()
		}
		if err := c.socket.wire.Fill(frame.MinHead); err != nil {
			return err
		}
		if !frame.Op(c.socket.wire.Buffered()[0]).Control() {
			return nil
		}
		if err := c.control(); err != nil {
			return err
		}
	}
}

// next reads a WebSocket message. It stays in the buffer of the connection if it has one frame and is not compressed. Whether text
// is UTF-8 (RFC 6455, 8.1) is left to the codec, which reads all of it anyway: the session ends with ABORT.
func (c *Conn) next() ([]byte, error) {
	h, err := c.head()
	if err != nil {
		return nil, err
	}
	if h.Op != c.op {
		return nil, &frame.Error{Code: frame.Unsupported, Text: fmt.Sprintf("%v message, but %v carries %v messages", h.Op, c.protocol, c.op)}
	}
	payload, err := c.payload(h)
	if err == nil && h.Compressed {
		payload, err = c.inflate(payload)
	}
	if err == nil && len(payload) == 0 && c.protocol.Batched {
		err = errEmptyBatch
	}
	return payload, err
}

var errEmptyBatch = &frame.Error{Code: frame.ProtocolError, Text: "empty batch"}

// discardHeld removes the frame of the last message from the buffer.
func (c *Conn) discardHeld() {
	c.socket.wire.Discard(c.held)
	c.held = 0
}

// dataHead waits for the head of a data frame and leaves it in the buffer. It answers control frames.
func (c *Conn) dataHead() (frame.Head, error) {
	for {
		h, err := c.head()
		if err != nil || !h.Op.Control() {
			return h, err
		}
		if err := c.answer(h); err != nil {
			return h, err
		}
	}
}

// head waits for the head of a frame and leaves it in the buffer.
func (c *Conn) head() (h frame.Head, err error) {
	for need := frame.MinHead; need > 0; {
		if err := c.socket.wire.Fill(need); err != nil {
			return h, err
		}
		if h, need, err = c.decoder.Head(c.socket.wire.Buffered()); err != nil {
			return h, err
		}
	}
	return h, nil
}

// control reads a control frame and answers it.
func (c *Conn) control() error {
	h, err := c.head()
	if err != nil {
		return err
	}
	return c.answer(h)
}

// answer reads the control frame that begins with h, and answers it.
func (c *Conn) answer(h frame.Head) error {
	w := c.socket.wire
	size := h.Size + int(h.Length)
	if err := w.Fill(size); err != nil {
		return err
	}
	payload := w.Buffered()[h.Size:size]
	frame.Mask(payload, h.Key)
	defer w.Discard(size)
	switch h.Op {
	case frame.Ping:
		return c.socket.control(frame.Pong, payload)
	case frame.Close:
		sent, err := frame.ParseClose(payload)
		if err != nil {
			return err
		}
		c.peerClosed = true
		return sent
	}
	return nil
}

// payload reads the payload of a message whose first frame has the head h.
func (c *Conn) payload(h frame.Head) ([]byte, error) {
	if h.Final {
		return c.wholePayload(h)
	}
	c.parts.n = 0
	most := c.limitOf(h.Compressed)
	for {
		if h.Length > int64(most-c.parts.n) {
			return nil, c.tooBig()
		}
		if err := c.part(h, most); err != nil {
			return nil, err
		}
		if h.Final {
			return c.parts.buf[:c.parts.n], nil
		}
		var err error
		if h, err = c.dataHead(); err != nil {
			return nil, err
		}
	}
}

// limitOf returns the limit on the octets of a message. A compressed message may be longer than its content: flate adds 5
// octets to a block that it cannot compress.
func (c *Conn) limitOf(compressed bool) int {
	if compressed {
		return c.readLimit + c.readLimit>>8 + 64
	}
	return c.readLimit
}

func (c *Conn) tooBig() error {
	return &frame.Error{Code: frame.TooBig, Text: fmt.Sprintf("message too big: the limit is %d bytes", c.readLimit)}
}

// wholePayload waits for the payload of a message of one frame and unmasks it in the buffer.
func (c *Conn) wholePayload(h frame.Head) ([]byte, error) {
	if h.Length > int64(c.limitOf(h.Compressed)) {
		return nil, c.tooBig()
	}
	size := h.Size + int(h.Length)
	if err := c.socket.wire.Fill(size); err != nil {
		return nil, err
	}
	payload := c.socket.wire.Buffered()[h.Size:size:size]
	if h.Key != 0 {
		frame.Mask(payload, h.Key)
	}
	c.held = size
	return payload, nil
}

// part appends the payload of a fragment to c.parts, as its octets arrive.
func (c *Conn) part(h frame.Head, most int) error {
	w := c.socket.wire
	w.Discard(h.Size)
	for left, key := h.Length, h.Key; left > 0; {
		if err := w.Fill(1); err != nil {
			return err
		}
		if err := c.parts.room(c.socket, most); err != nil {
			return err
		}
		b := w.Buffered()
		n := copy(c.parts.buf[c.parts.n:], b[:min(int64(len(b)), left)])
		key = frame.Mask(c.parts.buf[c.parts.n:c.parts.n+n], key)
		c.parts.n += n
		left -= int64(n)
		w.Discard(n)
	}
	if c.parts.buf == nil { // only empty fragments
		return c.parts.room(c.socket, most)
	}
	return nil
}

// assembly is a message that does not stay in the connection's buffer: one in fragments, or a decompressed one.
type assembly struct {
	buf    []byte
	n      int       // bytes of buf that are used
	loan   wire.Loan // of buf
	charge int       // bytes that the account was charged for buf
}

// room makes room for at least one byte. The buffer grows with the bytes that arrive, to one byte more than most.
func (a *assembly) room(s *socket, most int) error {
	switch {
	case a.buf == nil:
		a.buf = a.loan.Take()
		return nil
	case a.n < len(a.buf):
		return nil
	}
	size := min(2*a.n, most+1)
	if err := wire.WaitFor(s.account, &a.loan, a.n, size, s.wire.Done()); err != nil {
		return err
	}
	b := make([]byte, size)
	n := copy(b, a.buf)
	a.giveBack(s)
	a.buf, a.n, a.charge = b, n, size
	return nil
}

// giveBack returns the buffer.
func (a *assembly) giveBack(s *socket) {
	if a.buf == nil {
		return
	}
	a.loan.Return(a.buf)
	s.account.Shrink(budget.Reading, a.charge)
	a.buf, a.n, a.charge = nil, 0, 0
}

// detach gives up the buffer, because another goroutine may still use bytes of it.
func (a *assembly) detach(s *socket) {
	a.loan.Forget()
	a.giveBack(s)
}

// giveBack returns the buffers of assembled messages, so that a waiting connection holds none.
func (c *Conn) giveBack() {
	c.parts.giveBack(c.socket)
	c.plain.giveBack(c.socket)
	c.rest = nil
}

// readFailed closes the connection after a failed read and returns the cause.
func (c *Conn) readFailed(err error) error {
	if violation, ok := err.(*frame.Error); ok && !c.closed.Load() {
		return c.fail(violation.Code, violation)
	}
	c.giveBack()
	code, reason := frame.ProtocolError, ""
	sent, ok := err.(*frame.Closed)
	if ok {
		code, reason = sent.Code, sent.Reason // CLOSE is answered with the same code (RFC 6455, 5.5.1)
	}
	err = c.explain(err)
	c.close(code, reason)
	return err
}

// explain turns an error into one of this package. It returns io.EOF if the peer sent CLOSE with a normal status or closed the
// connection.
func (c *Conn) explain(err error) error {
	if c.closed.Load() {
		return fmt.Errorf("websocket: %w", net.ErrClosed)
	}
	if sent, ok := err.(*frame.Closed); ok {
		if sent.Code == frame.Normal || sent.Code == frame.GoingAway || sent.Code == frame.NoStatus {
			return io.EOF
		}
		return fmt.Errorf("websocket: %w", sent)
	}
	if cause := c.socket.wire.Err(); cause != nil && !errors.Is(cause, net.ErrClosed) {
		err = cause
	}
	if err == io.EOF {
		return io.EOF
	}
	return fmt.Errorf("websocket: %w", err)
}
