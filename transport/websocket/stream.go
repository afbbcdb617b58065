package websocket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"runnel/transport/websocket/frame"
)

// Stream is a byte stream over a WebSocket: the content of its binary messages, whose borders have no meaning. It is for protocols
// other than WAMP. One goroutine at a time may call Read, and one at a time Write.
type Stream struct {
	net.Conn // for the addresses and the read deadline

	// Owned by Read.
	in      []byte // read from the connection; the first bytes belong to the next frame, or to the current one
	buf     []byte // that in is a part of
	left    int64  // bytes of the current frame's payload that Read has still to return
	decoder frame.Decoder
	end     error // of the stream

	mu       sync.Mutex // of the fields below, and of writing
	masks    *rand.ChaCha8
	out      []byte
	failed   error        // of a write
	deadline atomic.Int64 // of writes, in ns since 1970; 0: none

	pong atomic.Pointer[[]byte] // the answer to the last PING, if Write has to send it
}

// streamBuffer is the size of a stream's read buffer in bytes.
const streamBuffer = 4 << 10

var errText = errors.New("the server sent a text message; a byte stream consists of binary messages")

// DialStream connects to the server at a ws or wss URL with a subprotocol, over a connection that dial opens.
func DialStream(ctx context.Context, url, subprotocol string, dial DialFunc) (*Stream, error) {
	a, err := shake(ctx, url, dial, request{[]string{subprotocol}, false})
	if err != nil {
		return nil, fmt.Errorf("websocket handshake: %w", err)
	}
	if a.protocol != subprotocol {
		a.conn.Close()
		return nil, fmt.Errorf("websocket handshake: the server does not offer the subprotocol %q at this URL", subprotocol)
	}
	s := &Stream{Conn: a.conn, buf: make([]byte, max(streamBuffer, len(a.head))), decoder: frame.Decoder{FromServer: true}, masks: newMasks()}
	s.in = s.buf[:copy(s.buf, a.head)]
	return s, nil
}

// Read returns the next bytes. Its error is io.EOF, or wraps it, if the server has closed the connection. The stream survives a
// read that times out.
func (s *Stream) Read(b []byte) (n int, err error) {
	for s.end == nil {
		switch {
		case len(b) == 0:
			return 0, nil
		case s.left == 0:
			err = s.nextFrame()
		case len(s.in) == 0 && len(b) >= len(s.buf): // without a copy
			n, err = s.Conn.Read(b[:min(int64(len(b)), s.left)])
			s.left -= int64(n)
		case len(s.in) == 0:
			err = s.fill()
		default:
			n = copy(b, s.in[:min(int64(len(s.in)), s.left)])
			s.in, s.left = s.in[n:], s.left-int64(n)
		}
		if n > 0 {
			return n, nil // the next Read returns the error again
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return 0, err
		}
		s.end = err
	}
	return 0, s.end
}

// fill reads once, after the buffered bytes.
func (s *Stream) fill() error {
	n := copy(s.buf, s.in)
	m, err := s.Conn.Read(s.buf[n:])
	s.in = s.buf[:n+m]
	if m > 0 {
		return nil
	}
	return err
}

// nextFrame waits for the head of a data frame. It answers control frames.
func (s *Stream) nextFrame() error {
	if len(s.in) < 2 {
		return s.fill()
	}
	d := s.decoder // decodes the head once it is complete
	h, need, err := d.Head(s.in)
	switch {
	case err != nil:
		return err
	case need > 0, h.Op.Control() && len(s.in) < h.Size+int(h.Length):
		return s.fill()
	}
	s.decoder = d
	payload := s.in[h.Size:]
	s.in = payload
	switch h.Op {
	case frame.Text:
		return errText
	case frame.Binary, frame.Continuation:
		s.left = h.Length
		return nil
	}
	payload = payload[:h.Length]
	s.in = s.in[h.Length:]
	return s.answer(h.Op, payload)
}

// answer answers a control frame.
func (s *Stream) answer(op frame.Op, payload []byte) error {
	switch op {
	case frame.Ping:
		pong := append([]byte(nil), payload...)
		s.pong.Store(&pong)
		s.sendPong()
	case frame.Close:
		sent, err := frame.ParseClose(payload)
		if err != nil {
			return err
		}
		return fmt.Errorf("%w: %w", io.EOF, sent)
	}
	return nil
}

// sendPong answers the last PING (RFC 6455, 5.5.3), unless a Write is in progress, which then calls it.
func (s *Stream) sendPong() {
	for s.pong.Load() != nil && s.mu.TryLock() {
		if pong := s.pong.Swap(nil); pong != nil {
			s.send(frame.Pong, *pong)
		}
		s.mu.Unlock()
	}
}

// Write sends a message. If the write deadline expires, the connection ends.
func (s *Stream) Write(b []byte) (int, error) {
	defer s.sendPong()
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.send(frame.Binary, b); err != nil {
		return 0, err
	}
	return len(b), nil
}

// send writes a frame. The caller holds mu.
func (s *Stream) send(op frame.Op, payload []byte) error {
	if s.failed != nil {
		return s.failed
	}
	if at := s.deadline.Load(); at != 0 && time.Now().UnixNano() > at {
		return os.ErrDeadlineExceeded // nothing is written, so that the connection survives
	}
	key := uint32(s.masks.Uint64())
	s.out = append(frame.AppendHead(s.out[:0], op, false, len(payload), true, key), payload...)
	frame.Mask(s.out[len(s.out)-len(payload):], key)
	if _, err := s.Conn.Write(s.out); err != nil {
		s.failed = err
		s.Conn.Close() // a part of the frame may be written
		return err
	}
	if cap(s.out) > streamBuffer {
		s.out = nil
	}
	return nil
}

// Close closes the connection at once.
func (s *Stream) Close() error { return s.Conn.Close() }

// SetWriteDeadline bounds the writes.
func (s *Stream) SetWriteDeadline(t time.Time) error {
	at := int64(0)
	if !t.IsZero() {
		at = t.UnixNano()
	}
	s.deadline.Store(at)
	return s.Conn.SetWriteDeadline(t)
}

// SetDeadline bounds reads and writes.
func (s *Stream) SetDeadline(t time.Time) error {
	s.SetWriteDeadline(t)
	return s.SetReadDeadline(t)
}
