package lines

// splitter finds lines in a stream of octets. They end with CR, LF or both. It belongs to one goroutine.
type splitter struct {
	buf  []byte // the line so far; its capacity is the longest one
	skip bool   // up to the next end: the line began before we listened, or is too long
	long func() // called for each line that is too long
}

// newSplitter returns a splitter in the middle of a line: nobody knows where a device is when its port is opened.
func newSplitter(max int, long func()) *splitter {
	return &splitter{buf: make([]byte, 0, max), skip: true, long: long}
}

// push takes octets and calls line for each line that they end. The line is valid during the call only. Empty lines are
// none; NULs, which a UART invents when its other end is switched on, are dropped.
func (s *splitter) push(octets []byte, line func([]byte)) {
	for _, b := range octets {
		switch {
		case b == '\r' || b == '\n':
			if len(s.buf) > 0 && !s.skip {
				line(s.buf)
			}
			s.buf, s.skip = s.buf[:0], false
		case b == 0 || s.skip:
		case len(s.buf) == cap(s.buf):
			s.long()
			s.skip = true
		default:
			s.buf = append(s.buf, b)
		}
	}
}
