package lapb

// window holds the octets that were sent, until the other end has acknowledged them, and those that wait to be sent.
// They are cut into frames when they are first sent. A frame keeps its octets when it is sent again: the other end may
// have it already, and only its acknowledgement been lost.
type window struct {
	base   uint8  // V(A), the number of the first frame
	octets []byte // of all frames, and behind them what is not cut yet

	sizes [MaxWindow]int // of the frames
	cut   int            // frames
	used  int            // their octets
	under int            // of the frames, how many are under way: V(S) is base + under; the others are to be sent again
}

// reset empties w, and has it hold at most room octets.
func (w *window) reset(room int) {
	octets := w.octets[:0]
	if cap(octets) < room {
		octets = make([]byte, 0, room)
	}
	*w = window{octets: octets}
}

// put takes what there is room for.
func (w *window) put(p []byte) int {
	n := min(len(p), cap(w.octets)-len(w.octets))
	w.octets = append(w.octets, p[:n]...)
	return n
}

func (w *window) empty() bool { return len(w.octets) == 0 }

// acknowledge drops the frames before the one numbered nr. ok is false if nr is none that the other end can expect.
func (w *window) acknowledge(nr uint8) (frames int, ok bool) {
	n := ahead(w.base, nr)
	if n > w.cut {
		return 0, false
	}
	gone := 0
	for _, size := range w.sizes[:n] {
		gone += size
	}
	w.octets = w.octets[:copy(w.octets, w.octets[gone:])]
	copy(w.sizes[:], w.sizes[n:w.cut])
	w.base = nr
	w.cut -= n
	w.used -= gone
	w.under = max(0, w.under-n)
	return n, true
}

// rewind has all frames sent again, and returns how many were under way.
func (w *window) rewind() int {
	n := w.under
	w.under = 0
	return n
}

// ready reports whether take has a frame.
func (w *window) ready(frames int) bool {
	return w.under < w.cut || w.cut < frames && w.used < len(w.octets)
}

// take returns the next frame to send, of at most info octets, if no more than frames are under way with it. again
// says that it was sent before. The octets are valid until the next call of any method.
func (w *window) take(frames, info int) (ns uint8, p []byte, again, ok bool) {
	if !w.ready(frames) {
		return 0, nil, false, false
	}
	from := 0
	for _, size := range w.sizes[:w.under] {
		from += size
	}
	again = w.under < w.cut
	if !again {
		size := min(info, len(w.octets)-w.used)
		w.sizes[w.cut] = size
		w.cut++
		w.used += size
	}
	p = w.octets[from : from+w.sizes[w.under]]
	ns = (w.base + uint8(w.under)) % modulus
	w.under++
	return ns, p, again, true
}
