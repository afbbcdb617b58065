package lines

import "time"

// silence is how long a port has to be silent so that what comes next is the beginning of a line. Within a line octets
// follow each other; USB adapters hand them on some 16 ms apart.
const silence = 50 * time.Millisecond

// splitter finds lines in a stream of octets. They end with CR, LF or both. It belongs to one goroutine.
type splitter struct {
	buf  []byte    // the line so far; its capacity is the longest one
	skip bool      // up to the next end or silence: the line began before the port was opened, or is too long
	cut  bool      // some of the line that is skipped has come
	last time.Time // the last octets

	long    func() // called for each line that is too long
	partial func() // called for each line whose beginning is missing
}

// newSplitter returns a splitter that may be in the middle of a line: where a device is when its port is opened is
// known only if it is silent.
func newSplitter(max int, now time.Time, long, partial func()) *splitter {
	return &splitter{buf: make([]byte, 0, max), skip: true, last: now, long: long, partial: partial}
}

// push takes octets that have arrived now and calls line for each line that they end. The line is valid during the call
// only. Empty lines are none; NULs, which a UART invents when its other end is switched on, are dropped.
func (s *splitter) push(octets []byte, now time.Time, line func([]byte)) {
	if len(octets) == 0 {
		return
	}
	if s.skip && now.Sub(s.last) >= silence {
		s.whole()
	}
	s.last = now
	for _, b := range octets {
		switch {
		case b == '\r' || b == '\n':
			if len(s.buf) > 0 && !s.skip {
				line(s.buf)
			}
			s.buf = s.buf[:0]
			s.whole()
		case b == 0:
		case s.skip:
			s.cut = s.cut || len(s.buf) == 0
		case len(s.buf) == cap(s.buf):
			s.long()
			s.skip = true
		default:
			s.buf = append(s.buf, b)
		}
	}
}

// whole ends the skipping: what follows is the beginning of a line.
func (s *splitter) whole() {
	if s.cut {
		s.partial()
	}
	s.buf, s.skip, s.cut = s.buf[:0], false, false
}
