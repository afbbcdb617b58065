package serial

import (
	"errors"
	"os"
	"sync"
	"time"
)

// stream is one peer's time on an open port. Closing it ends the peer's time, not the port: what Read and Write are
// waiting for is broken off, and the next stream begins on the same port.
type stream struct {
	port  *Port
	count *counters

	mu     sync.Mutex
	closed bool
	busy   sync.WaitGroup // calls under way; added to under mu while not closed

	// Owned by the reader, and by Line while there is none.
	ahead []byte // read before, not yet handed out
	hello int    // what is left to hand out of the peer's handshake
	tail  tail   // the last octets handed out behind the handshake

	lost error // guarded by mu: the port itself failed
}

// begin makes the port's deadlines ours for the call.
func (s *stream) begin() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return os.ErrClosed
	}
	s.busy.Add(1)
	return nil
}

func (s *stream) end(err error) error {
	defer s.busy.Done()
	if err == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return os.ErrClosed
	}
	if !errors.Is(err, os.ErrDeadlineExceeded) && s.lost == nil {
		s.lost = err
	}
	return err
}

// Read reads what the device sent.
func (s *stream) Read(b []byte) (n int, err error) {
	if err := s.begin(); err != nil {
		return 0, err
	}
	if len(s.ahead) > 0 {
		n = copy(b, s.ahead)
		s.ahead = s.ahead[n:]
	} else {
		n, err = s.port.Read(b)
		s.count.in.Add(uint64(n))
	}
	old := min(s.hello, n)
	s.hello -= old
	s.tail.push(b[old:n])
	return n, s.end(err)
}

// Write writes all of b.
func (s *stream) Write(b []byte) (n int, err error) {
	if err := s.begin(); err != nil {
		return 0, err
	}
	n, err = s.port.Write(b)
	s.count.out.Add(uint64(n))
	return n, s.end(err)
}

// SetDeadline sets the time after which Read and Write fail with os.ErrDeadlineExceeded; zero means never.
func (s *stream) SetDeadline(t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return os.ErrClosed
	}
	return s.port.SetDeadline(t)
}

// Close ends the stream. Any goroutine, any number of times.
func (s *stream) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	if err := s.port.SetDeadline(time.Unix(1, 0)); errors.Is(err, os.ErrNoDeadline) {
		// Not every system can break off a read. Then the port has to go and come back.
		s.lost = errors.Join(s.lost, s.port.Close())
		if s.lost == nil {
			s.lost = os.ErrClosed
		}
	}
	return nil
}

// resync waits for a peer's handshake, which is then the next to be read.
func (s *stream) resync(skipped func(n int)) error {
	head, err := Resync(s, skipped)
	if err != nil {
		return err
	}
	s.ahead = append(head, s.ahead...)
	s.hello, s.tail = handshakeLen, tail{}
	return nil
}

// rest returns what the next stream on the port has to look at first.
func (s *stream) rest() []byte { return append(s.tail.octets(), s.ahead...) }

// finish closes the stream, waits for the calls under way, makes the port fit for the next stream and returns the
// port's error if it has failed.
func (s *stream) finish() error {
	s.Close()
	s.busy.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lost == nil {
		s.lost = s.port.SetDeadline(time.Time{})
	}
	return s.lost
}

// tail remembers the last octets of a stream. A device that restarts sends its handshake into the old stream, which
// breaks on it; it is the last the device sends until it is answered. So the next stream looks there first.
type tail struct {
	buf [handshakeLen]byte
	n   int
}

func (t *tail) push(b []byte) {
	if len(b) >= len(t.buf) {
		t.n = copy(t.buf[:], b[len(b)-len(t.buf):])
		return
	}
	keep := min(t.n, len(t.buf)-len(b))
	copy(t.buf[:], t.buf[t.n-keep:t.n])
	t.n = keep + copy(t.buf[keep:], b)
}

func (t *tail) octets() []byte { return append([]byte(nil), t.buf[:t.n]...) }
