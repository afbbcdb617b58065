package lapb

import (
	"os"
	"time"
)

// Stream is one connection of the link. Octets arrive as they were sent, in order and each once, or the stream ends.
// Read and Write may each be used by one goroutine at a time, the other methods by any.
type Stream struct {
	// Static after construction.
	station *Station

	// Guarded by station.mu.
	in       []byte // received and not yet read
	err      error  // why the connection has ended
	closed   bool   // by Close
	deadline time.Time
	timer    *time.Timer // wakes Read and Write at the deadline
}

// Read reads the other end's data. After the end of the connection the data received before can still be read; then
// Read returns the reason, which is io.EOF if the other end disconnected in good order.
func (s *Stream) Read(p []byte) (int, error) {
	s.station.mu.Lock()
	defer s.station.mu.Unlock()
	for {
		switch {
		case s.closed:
			return 0, os.ErrClosed
		case s.late():
			return 0, os.ErrDeadlineExceeded
		case len(p) == 0:
			return 0, nil
		case len(s.in) > 0:
			return s.read(p), nil
		case s.err != nil:
			return 0, s.err
		}
		s.station.changed.Wait()
	}
}

func (s *Stream) read(p []byte) int {
	n := copy(p, s.in)
	s.in = s.in[:copy(s.in, s.in[n:])]
	if s.station.current == s {
		s.station.link.Free(n)
		s.station.changed.Broadcast()
	}
	if len(s.in) == 0 {
		s.in = nil // idle streams keep no buffer
	}
	return n
}

// Write sends p. It returns when the link has taken all of it, and waits while the link's buffer is full. The link
// resends lost data while the connection lasts.
func (s *Stream) Write(p []byte) (n int, err error) {
	s.station.mu.Lock()
	defer s.station.mu.Unlock()
	for {
		switch {
		case s.closed:
			return n, os.ErrClosed
		case s.err != nil:
			return n, s.err
		case s.late():
			return n, os.ErrDeadlineExceeded
		}
		if sent := s.station.link.Send(p[n:]); sent > 0 {
			n += sent
			s.station.changed.Broadcast()
		}
		if n == len(p) {
			return n, nil
		}
		s.station.changed.Wait()
	}
}

// Err returns why the connection has ended, or nil.
func (s *Stream) Err() error {
	s.station.mu.Lock()
	defer s.station.mu.Unlock()
	return s.err
}

// SetDeadline sets the time after which Read and Write fail with os.ErrDeadlineExceeded; zero means never.
func (s *Stream) SetDeadline(t time.Time) error {
	s.station.mu.Lock()
	defer s.station.mu.Unlock()
	if s.closed {
		return os.ErrClosed
	}
	s.deadline = t
	s.stopTimer()
	if !t.IsZero() {
		s.timer = time.AfterFunc(time.Until(t), s.station.wake)
	}
	return nil
}

func (s *Stream) late() bool { return !s.deadline.IsZero() && !time.Now().Before(s.deadline) }

func (s *Stream) stopTimer() {
	if s.timer != nil {
		s.timer.Stop()
		s.timer = nil
	}
}

// Close ends the stream; Read and Write fail from then on. Data already written is still sent before the link
// disconnects. Close waits for that only if the port is closed with the stream.
func (s *Stream) Close() error {
	s.station.mu.Lock()
	if !s.closed {
		s.closed = true
		s.in = nil
		s.stopTimer()
		if s.station.current == s {
			s.station.link.Free(s.station.config.receiveRoom() - s.station.link.room)
			s.finish(time.Now())
		}
		s.station.changed.Broadcast()
	}
	s.station.mu.Unlock()
	if s.station.single {
		return s.station.Close()
	}
	return nil
}

// finish ends the connection. A link that ends with its stream is stopped under the same lock: between Finish and Stop the
// transmitter could end the connection without a DISC.
func (s *Stream) finish(now time.Time) {
	if s.station.single {
		s.station.link.Stop(now)
		return
	}
	s.station.link.Finish(now)
}
