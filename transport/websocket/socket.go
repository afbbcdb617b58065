package websocket

import (
	"encoding/binary"
	"net"
	"sync"

	"runnel/edge/budget"
	"runnel/transport/wire"
)

// roomForControls is how many octets of PONG, PING and CLOSE may gather behind frames that the peer does not take. Then
// whoever writes one waits, and coder/websocket gives up the connection after 5 s.
const roomForControls = 4 << 10

// socket is the connection as coder/websocket sees it. Its reads end where frames end, so that what follows stays in
// the wire's buffer, where it can be looked at. Its writes can be gathered.
type socket struct {
	net.Conn
	wire    *wire.Conn
	account *budget.Account // set by charge; nil: memory is not bounded

	left uint64 // octets of the frame being read that are still to come. Owned by the reader

	mu       sync.Mutex
	out      []byte    // frames that the wire has not taken yet
	start    int       // out[start:]
	first    []byte    // the buffer that out started in
	loan     wire.Loan // of first
	charged  int       // octets that the account was charged for out
	waits    bool      // with corked: the writer waits
	corked   bool      // frames gather until they are flushed
	owed     bool      // Write's caller has been told that there is more to write: it will flush
	controls int       // octets that others have added since it was told
}

func newSocket(conn net.Conn, head []byte) *socket {
	return &socket{Conn: conn, wire: wire.New(conn, head)}
}

// charge has an account pay for long messages. It is called before the socket is shared.
func (s *socket) charge(a *budget.Account) {
	s.account = a
	s.wire.Charge(a)
}

// Close closes the connection without any words.
func (s *socket) Close() error {
	err := s.wire.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.loan.Forget() // somebody may be writing from it
	return err
}

// Read returns octets of one frame.
func (s *socket) Read(p []byte) (int, error) {
	if s.left == 0 {
		if err := s.nextFrame(); err != nil {
			return 0, err
		}
	}
	if err := s.wire.Fill(1); err != nil {
		return 0, err
	}
	b := s.wire.Buffered()
	if uint64(len(b)) > s.left {
		b = b[:s.left]
	}
	n := copy(p, b)
	s.wire.Discard(n)
	s.left -= uint64(n)
	return n, nil
}

// nextFrame waits for a frame's head.
func (s *socket) nextFrame() error {
	for need := 2; ; {
		if err := s.wire.Fill(need); err != nil {
			return err
		}
		size, head := frameSize(s.wire.Buffered())
		if size > 0 {
			s.left = size
			return nil
		}
		need = head
	}
}

// frameSize returns the length of the frame that b starts with, or 0 and the length of its head if that is not all
// there (RFC 6455, 5.2). Whether a frame is legal is not looked at.
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

// more reports whether all of a message is buffered behind the present one.
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

// Write is called by coder/websocket, for one frame at a time: from Conn.Write, corked, and from whoever sends PONG,
// PING and CLOSE.
func (s *socket) Write(p []byte) (int, error) {
	if len(p) > portion && s.passes() {
		return s.pass(p)
	}
	if s.gather(p) {
		return len(p), nil
	}
	if _, err := s.flush(true); err != nil {
		return 0, err
	}
	return len(p), nil
}

// gather adds octets to those waiting, and reports whether somebody else will write them.
func (s *socket) gather(p []byte) (left bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.out == nil {
		s.first = s.loan.Take()
		s.out = s.first[:0]
		if s.wire.Err() != nil { // Close may have come and gone
			s.loan.Forget()
		}
	}
	s.out = append(s.out, p...)
	if more := cap(s.out) - cap(s.first) - s.charged; more > 0 {
		s.account.Grow(budget.Outboxes, more)
		s.charged += more
	}
	if s.corked {
		return true
	}
	s.controls += len(p)
	return s.owed && s.controls <= roomForControls
}

// passes reports whether a long payload may be written past the buffer: its writer waits.
func (s *socket) passes() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.corked && s.waits
}

// pass writes what was gathered, which p follows, and then p without a copy.
func (s *socket) pass(p []byte) (int, error) {
	if _, err := s.flush(true); err != nil {
		return 0, err
	}
	if !s.wire.Acquire(true) {
		return 0, s.wire.Err()
	}
	defer s.wire.Release()
	return s.wire.Write(p, true)
}

// cork starts gathering; wait says that the writer will wait until all is written.
func (s *socket) cork(wait bool) {
	s.mu.Lock()
	s.corked, s.waits = true, wait
	s.mu.Unlock()
}

// uncork ends gathering and writes what was gathered, without wait only what the wire takes at once. If not all of it is
// written, the caller owes another flush.
func (s *socket) uncork(wait bool) (done bool, err error) {
	s.mu.Lock()
	s.corked, s.owed, s.controls = false, !wait, 0
	s.mu.Unlock()
	done, err = s.flush(wait)
	if wait || !done {
		return done, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.owed = s.start < len(s.out) // somebody added a frame in the last moment, and relies on this caller
	return !s.owed, nil
}

// flush writes what waits.
func (s *socket) flush(wait bool) (done bool, err error) {
	if !s.wire.Acquire(wait) {
		return false, s.wire.Err()
	}
	defer s.wire.Release()
	for {
		p := s.waiting()
		if len(p) == 0 {
			return true, nil
		}
		n, err := s.wire.Write(p, wait)
		s.written(n)
		if err != nil || n < len(p) {
			return false, err
		}
	}
}

// waiting returns the octets to write. Those added meanwhile go behind them, or to another buffer.
func (s *socket) waiting() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.out[s.start:]
}

func (s *socket) written(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.start += n
	if s.start == len(s.out) && s.out != nil {
		s.drop()
	}
}

// drop empties the buffer and gives it back. s.mu is held.
func (s *socket) drop() {
	s.loan.Give(s.first)
	s.account.Shrink(budget.Outboxes, s.charged)
	s.out, s.start, s.first, s.charged = nil, 0, nil, 0
}

// stuck reports whether the peer has not taken what was written last.
func (s *socket) stuck() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.start < len(s.out)
}
