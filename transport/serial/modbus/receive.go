package modbus

import "bytes"

// receiver finds frames in received octets.
type receiver struct {
	tracker     *tracker
	echoes      bool   // the port echoes requests, as with some adapters
	request     []byte // the pending request while its echo may arrive, otherwise nil
	buf         []byte
	broken      map[[2]byte]bool // slaves and functions of frames with a wrong CRC
	wrongLength bool             // the slave sent a whole frame of unexpected length
}

// begin prepares for the answer to a request.
func (r *receiver) begin(request []byte) {
	r.buf, r.request, r.wrongLength = r.buf[:0], request, false
	clear(r.broken)
}

func (r *receiver) push(octets []byte) {
	r.buf = append(r.buf, octets...)
	r.skip(max(0, len(r.buf)-2*maxFrame)) // the bus may never fall silent
}

func (r *receiver) skip(n int) { r.buf = r.buf[:copy(r.buf, r.buf[n:])] }

// next returns a whole frame with a valid CRC: a pending answer, or a frame from a known slave that is not pending. It
// returns nil if more octets are needed. last means that no more will arrive, so an incomplete frame is noise.
func (r *receiver) next(last bool) []byte {
	for len(r.buf) > 0 {
		waiting, echo := r.echo()
		if echo {
			continue
		}
		if waiting && !last {
			return nil
		}
		size, more := r.measure()
		if more && !last {
			return nil
		}
		if size == 0 || len(r.buf) < size {
			r.skip(1)
			continue
		}
		if Sealed(r.buf[:size]) {
			frame := bytes.Clone(r.buf[:size])
			r.skip(size)
			return frame
		}
		if r.broken == nil {
			r.broken = map[[2]byte]bool{}
		}
		r.broken[[2]byte{r.buf[0], r.buf[1] &^ failed}] = true
		r.skip(1)
	}
	return nil
}

// echo removes the echo of the request, or reports whether it may still arrive. The answer to a single write equals the
// request, so its echo is expected only if echoes were seen before.
func (r *receiver) echo() (waiting, echo bool) {
	if r.request == nil || (r.request[1] == writeCoil || r.request[1] == writeRegister) && !r.echoes {
		return false, false
	}
	if bytes.HasPrefix(r.buf, r.request) {
		r.skip(len(r.request))
		r.request, r.echoes = nil, true
		return false, true
	}
	return bytes.HasPrefix(r.request, r.buf), false
}

// measure returns the size of the frame at the beginning of buf, or 0 if there is none. more means that more octets are
// needed to tell, or to complete the frame.
func (r *receiver) measure() (size int, more bool) {
	if r.tracker.slaves[r.buf[0]] == nil {
		return 0, false
	}
	if len(r.buf) < headSize {
		return 0, true
	}
	size = answerSize(r.buf)
	d := r.tracker.pendingFor(r.buf[0], r.buf[1])
	if d == nil {
		return r.unasked(size)
	}
	switch {
	case size == 0:
		return 0, true
	case r.buf[1]&failed == 0 && d.function() <= readInput && size != d.expect:
		r.wrongLength = r.wrongLength || len(r.buf) >= size && Sealed(r.buf[:size])
		return 0, false
	case r.buf[1]&failed == 0 && d.function() >= writeCoil:
		head := min(len(r.buf), headSize+2) // the address that was written
		if !bytes.Equal(r.buf[:head], d.request[:head]) {
			return 0, false
		}
	}
	return size, len(r.buf) < size
}

// unasked returns the size of a frame from a slave without pending request. It does not wait for the rest of a frame, as
// other frames may follow.
func (r *receiver) unasked(size int) (int, bool) {
	if size == 0 || len(r.buf) < size || !Sealed(r.buf[:size]) {
		return 0, false
	}
	return size, false
}
