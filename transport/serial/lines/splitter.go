package lines

import "time"

// silence is how long a port has to be silent so that what comes next is the beginning of a line. Within a line octets
// follow each other; USB adapters hand them on some 16 ms apart.
const silence = 50 * time.Millisecond

// splitter finds lines in a stream of octets. They end with CR, LF or both. It belongs to one goroutine.
type splitter struct {
	buf  []byte    // the line so far; its capacity is the longest one
	skip bool      // up to the next end or silence: the line is too long
	cut  bool      // the line began before the port was opened; buf has what has come of it
	last time.Time // the last octets

	long    func()            // called for each line that is too long
	partial func(line []byte) // called for each line that began before the port was opened, or may have
}

// newSplitter returns a splitter that may be in the middle of a line: where a device is when its port is opened is
// known only if it is silent.
func newSplitter(max int, now time.Time, long func(), partial func([]byte)) *splitter {
	return &splitter{buf: make([]byte, 0, max), cut: true, last: now, long: long, partial: partial}
}

// push takes octets that have arrived now and calls line for each line that they end. The line is valid during the call
// only. Empty lines are none; NULs, which a UART invents when its other end is switched on, are dropped.
func (s *splitter) push(octets []byte, now time.Time, line func([]byte)) {
	if len(octets) == 0 {
		return
	}
	if (s.skip || s.cut) && now.Sub(s.last) >= silence {
		s.end(line)
	}
	s.last = now
	for _, b := range octets {
		switch {
		case b == '\r' || b == '\n':
			s.end(line)
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

// end ends a line: what follows is the beginning of the next one.
func (s *splitter) end(line func([]byte)) {
	switch {
	case len(s.buf) == 0:
	case s.cut:
		s.partial(s.buf)
	case !s.skip:
		line(s.buf)
	}
	s.buf, s.skip, s.cut = s.buf[:0], false, false
}
