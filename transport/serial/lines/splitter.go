package lines

import "time"

// silence is how long a port must be silent before the next byte is taken as the beginning of a line. Bytes of one line
// follow each other closely; USB adapters deliver them in chunks up to about 16 ms apart.
const silence = 50 * time.Millisecond

// splitter splits a stream of bytes into lines that end with CR, LF or both. It belongs to one goroutine.
type splitter struct {
	buf  []byte    // the line so far; its capacity is the longest line
	skip bool      // the line is too long: drop bytes until its end or silence
	cut  bool      // the line began before the port was opened; buf holds the part that arrived
	last time.Time // when the last bytes arrived

	long    func()            // called for each line that is too long
	partial func(line []byte) // called for each line that began, or may have begun, before the port was opened
}

// newSplitter returns a splitter that takes the first line for a partial one, unless the port is silent before it: a
// device may be in the middle of a line when its port is opened.
func newSplitter(max int, now time.Time, long func(), partial func([]byte)) *splitter {
	return &splitter{buf: make([]byte, 0, max), cut: true, last: now, long: long, partial: partial}
}

// push takes bytes that arrived at now and calls line for each line they complete. The line is valid during the call
// only. Empty lines are skipped. NULs are dropped: a UART reads them when the device is switched on.
func (s *splitter) push(octets []byte, now time.Time, line func([]byte)) {
	if len(octets) == 0 {
		return
	}
	if (s.skip || s.cut) && now.Sub(s.last) >= silence {
		s.flush(line)
	}
	s.last = now
	for _, b := range octets {
		switch {
		case b == '\r' || b == '\n':
			s.flush(line)
		case b == 0 || s.skip:
		case len(s.buf) == cap(s.buf) && s.cut:
			s.skip = true
		case len(s.buf) == cap(s.buf):
			s.long()
			s.skip = true
		default:
			s.buf = append(s.buf, b)
		}
	}
}

// flush completes the current line.
func (s *splitter) flush(line func([]byte)) {
	switch {
	case len(s.buf) == 0:
	case s.cut:
		s.partial(s.buf)
	case !s.skip:
		line(s.buf)
	}
	s.buf, s.skip, s.cut = s.buf[:0], false, false
}
