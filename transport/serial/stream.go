package serial

import (
	"errors"
	"os"
	"sync"
	"time"
)

// stream is one peer's connection on an open port. Closing it interrupts pending reads and writes but leaves the port open
// for the next stream.
type stream struct {
	port  *Port
	count *counters

	mu     sync.Mutex
	closed bool
	busy   sync.WaitGroup // calls in progress; added to under mu while not closed

	// Owned by the reader, or by Line while there is no reader.
	ahead []byte // read from the port but not yet returned
	hello int    // bytes of the peer's handshake not yet returned
	tail  tail   // the last bytes returned after the handshake

	lost error // guarded by mu: the port's error
}

// begin marks a call as in progress, which keeps the port's deadlines with this stream.
func (s *stream) begin() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return os.ErrClosed
	}
	s.busy.Add(1)
	return nil
}

func (s *stream) finishCall(err error) error {
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

// Read reads data from the device.
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
	return n, s.finishCall(err)
}

// Write writes all of b.
func (s *stream) Write(b []byte) (n int, err error) {
	if err := s.begin(); err != nil {
		return 0, err
	}
	n, err = s.port.Write(b)
	s.count.out.Add(uint64(n))
	return n, s.finishCall(err)
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

// Close ends the stream. It may be called from any goroutine, repeatedly.
func (s *stream) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	if err := s.port.SetDeadline(time.Unix(1, 0)); errors.Is(err, os.ErrNoDeadline) {
		// Without deadlines a read cannot be interrupted. So Close closes the port, and Line opens it again.
		s.lost = errors.Join(s.lost, s.port.Close())
		if s.lost == nil {
			s.lost = os.ErrClosed
		}
	}
	return nil
}

// resync waits for a peer's handshake, which Read returns first.
func (s *stream) resync(skipped func(n int)) error {
	head, err := Resync(s, skipped)
	if err != nil {
		return err
	}
	s.ahead = append(head, s.ahead...)
	s.hello, s.tail = handshakeLen, tail{}
	return nil
}

// unread returns the input that the next stream on the port must check first.
func (s *stream) unread() []byte { return append(s.tail.octets(), s.ahead...) }

// finish closes the stream, waits for calls in progress, and prepares the port for the next stream. It returns the
// port's error if the port has failed.
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

// tail keeps the last bytes of a stream. A device that restarts sends its handshake into the old stream, which fails on
// it, and then waits for the answer. The next stream therefore checks these bytes first.
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
