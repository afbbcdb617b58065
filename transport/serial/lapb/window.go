package lapb

// window holds the octets that are not acknowledged yet and those waiting to be sent. They are cut into frames when first
// sent. A frame keeps its octets when it is sent again, as the other end may have received it and only the acknowledgement
// was lost.
type window struct {
	base   uint8  // V(A), the number of the first frame
	octets []byte // octets of all frames, followed by those not yet cut

	sizes [MaxWindow]int // sizes of the frames
	cut   int            // number of frames
	used  int            // octets in frames
	under int            // frames sent: V(S) is base + under; the other frames are to be sent again
}

// reset empties w and sets its capacity to at least room octets.
func (w *window) reset(room int) {
	octets := w.octets[:0]
	if cap(octets) < room {
		octets = make([]byte, 0, room)
	}
	*w = window{octets: octets}
}

// put takes as much of p as there is room for.
func (w *window) put(p []byte) int {
	n := min(len(p), cap(w.octets)-len(w.octets))
	w.octets = append(w.octets, p[:n]...)
	return n
}

func (w *window) empty() bool { return len(w.octets) == 0 }

// acknowledge drops the frames before number nr. ok is false if nr is out of range.
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

// rewind makes all frames due again and returns how many had been sent.
func (w *window) rewind() int {
	n := w.under
	w.under = 0
	return n
}

// ready reports whether take would return a frame.
func (w *window) ready(frames int) bool {
	return w.under < w.cut || w.cut < frames && w.used < len(w.octets)
}

// take returns the next frame to send, of at most info octets, if at most frames are unacknowledged with it. again is true
// for a frame sent before. The octets are valid until the next call of any method.
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
