package serial

import "time"

// TryWrite writes what the port's buffer takes at once, perhaps nothing.
func (s *stream) TryWrite(b []byte) (n int, err error) {
	if err := s.begin(); err != nil {
		return 0, err
	}
	n, err = s.port.TryWrite(b)
	s.count.out.Add(uint64(n))
	return n, s.end(err)
}

// SetReadDeadline is SetDeadline for Read.
func (s *stream) SetReadDeadline(t time.Time) error { return s.deadline(t, (*Port).SetReadDeadline) }

// SetWriteDeadline is SetDeadline for Write and TryWrite.
func (s *stream) SetWriteDeadline(t time.Time) error { return s.deadline(t, (*Port).SetWriteDeadline) }
