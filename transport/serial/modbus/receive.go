package modbus

import "bytes"

// receiver finds frames in what arrives.
type receiver struct {
	ledger  *ledger
	echoes  bool   // requests come back, as some adapters have it
	request []byte // the one under way, while its echo may come; else nil
	buf     []byte
	broken  map[[2]byte]bool // slaves and functions of frames with a wrong CRC
	odd     bool             // a whole frame of the slave that is asked had another length
}

// begin prepares for the answer to a request.
func (r *receiver) begin(request []byte) {
	r.buf, r.request, r.odd = r.buf[:0], request, false
	clear(r.broken)
}

func (r *receiver) push(octets []byte) {
	r.buf = append(r.buf, octets...)
	if extra := len(r.buf) - 2*maxFrame; extra > 0 {
		r.skip(extra) // a bus that never falls silent
	}
}

func (r *receiver) skip(n int) { r.buf = r.buf[:copy(r.buf, r.buf[n:])] }

// next returns a whole frame with a right CRC: an answer that is owed, or one that a slave of ours sends unasked. It
// returns nil if more octets have to arrive. last says that no more will: what is not whole by now is noise.
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

// echo takes the request off that has come back, and else reports whether it may still do so. The answer to writing
// one value is the request itself: there an echo is expected only where others have been seen.
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

// measure returns the size of the frame that the octets may be the beginning of; 0 if they are none. more says that
// this needs more octets, or that the frame does.
func (r *receiver) measure() (size int, more bool) {
	if r.ledger.accounts[r.buf[0]] == nil {
		return 0, false
	}
	if len(r.buf) < headSize {
		return 0, true
	}
	size = answerSize(r.buf)
	d := r.ledger.owed(r.buf[0], r.buf[1])
	if d == nil {
		return r.unasked(size)
	}
	switch {
	case size == 0:
		return 0, true
	case r.buf[1]&failed == 0 && d.function() <= readInput && size != d.expect:
		r.odd = r.odd || len(r.buf) >= size && Sealed(r.buf[:size])
		return 0, false
	case r.buf[1]&failed == 0 && d.function() >= writeCoil:
		head := min(len(r.buf), headSize+2) // where it was written
		if !bytes.Equal(r.buf[:head], d.request[:head]) {
			return 0, false
		}
	}
	return size, len(r.buf) < size
}

// unasked looks for a frame of a slave that owes none. It is not waited for: other frames may stand behind it.
func (r *receiver) unasked(size int) (int, bool) {
	if size == 0 || len(r.buf) < size || !Sealed(r.buf[:size]) {
		return 0, false
	}
	return size, false
}
