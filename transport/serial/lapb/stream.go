package lapb

import (
	"os"
	"time"
)

// Stream is one connection of the link: octets arrive as they were sent, each once and in order, or the stream ends.
// Read belongs to one goroutine at a time, Write to one at a time, the rest to any.
type Stream struct {
	// Static after construction.
	station *Station

	// Guarded by station.mu.
	in       []byte // received and not read
	err      error  // why the connection has ended
	closed   bool   // by Close
	deadline time.Time
	timer    *time.Timer // wakes Read and Write at the deadline
}

// Read reads what the other end wrote. When the connection has ended, what arrived before can still be read; then the
// error says why, and is io.EOF if the other end left in good order.
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
		s.in = nil // an idle line keeps no buffer
	}
	return n
}

// Write sends p. It returns when all of it is with the link, which keeps trying for as long as the connection lasts; it
// waits while the link has enough to send.
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
	s.station.changed.Broadcast()
	return nil
}

func (s *Stream) late() bool { return !s.deadline.IsZero() && !time.Now().Before(s.deadline) }

func (s *Stream) stopTimer() {
	if s.timer != nil {
		s.timer.Stop()
		s.timer = nil
	}
}

// Close ends the stream: Read and Write fail. What was written is still sent, and then the other end is told; Close
// waits for that only if the port is closed with the stream.
func (s *Stream) Close() error {
	s.station.mu.Lock()
	if !s.closed {
		s.closed = true
		s.in = nil
		s.stopTimer()
		if s.station.current == s {
			s.station.link.Free(s.station.config.receiveRoom() - s.station.link.room)
			s.station.link.Finish(time.Now())
		}
		s.station.changed.Broadcast()
	}
	s.station.mu.Unlock()
	if s.station.once {
		return s.station.Close()
	}
	return nil
}
