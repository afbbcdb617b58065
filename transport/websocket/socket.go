package websocket

import (
	"encoding/binary"
	"net"

	"runnel/edge/budget"
	"runnel/transport/wire"
)

// socket is the connection that coder/websocket uses. A read ends where a frame ends, so that the bytes after the frame
// stay in the wire's buffer, where more can inspect them. Written frames pass through the outbox.
type socket struct {
	net.Conn
	outbox

	left uint64 // bytes of the current frame that are still to be read. Owned by the reader
}

func newSocket(conn net.Conn, head []byte) *socket {
	return &socket{Conn: conn, outbox: outbox{wire: wire.New(conn, head)}}
}

// charge sets the account that is charged for long messages. It is called before the socket is shared.
func (s *socket) charge(a *budget.Account) {
	s.account = a
	s.wire.Charge(a)
}

// Write is called by coder/websocket for a frame or a part of a frame: by Conn.Write between cork and uncork, and by the
// senders of control frames.
func (s *socket) Write(p []byte) (int, error) { return s.write(p) }

// Close closes the connection without sending CLOSE.
func (s *socket) Close() error {
	err := s.wire.Close()
	s.forget()
	return err
}

// Read returns bytes of one frame.
func (s *socket) Read(p []byte) (int, error) {
	if err := s.await(); err != nil {
		return 0, err
	}
	b := s.wire.Buffered()
	n := copy(p, b[:min(uint64(len(b)), s.left)])
	s.wire.Discard(n)
	s.left -= uint64(n)
	return n, nil
}

// await waits for bytes of the current frame, or for the head of the next one.
func (s *socket) await() error {
	if s.left > 0 {
		return s.wire.Fill(1)
	}
	for need := 2; s.left == 0; {
		if err := s.wire.Fill(need); err != nil {
			return err
		}
		s.left, need = frameSize(s.wire.Buffered())
	}
	return nil
}

// frameSize returns the length of the frame that b starts with. If the frame's head is incomplete, size is 0 and head is
// the number of bytes that the head needs, as far as b tells (RFC 6455, 5.2). frameSize does not check that the frame is
// valid.
func frameSize(b []byte) (size uint64, head int) {
	head = 2
	if len(b) < head {
		return 0, head
	}
	length := uint64(b[1] & 0x7F)
	switch length {
	case 126:
		head += 2
	case 127:
		head += 8
	}
	if b[1]&0x80 != 0 {
		head += 4 // the mask
	}
	if len(b) < head {
		return 0, head
	}
	switch length {
	case 126:
		length = uint64(binary.BigEndian.Uint16(b[2:]))
	case 127:
		length = binary.BigEndian.Uint64(b[2:])
	}
	return uint64(head) + length&(1<<63-1), head
}

// more reports whether a complete message is buffered behind the current frame.
func (s *socket) more() bool {
	const final, data = 0x80, 0x0F
	b := s.wire.Buffered()
	if s.left != 0 || len(b) == 0 || b[0]&final == 0 {
		return false
	}
	op := b[0] & data
	size, _ := frameSize(b)
	return (op == 1 || op == 2) && size > 0 && size <= uint64(len(b))
}
