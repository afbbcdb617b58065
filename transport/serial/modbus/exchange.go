package modbus

import (
	"bytes"
	"errors"
	"io"
	"time"
)

// Why there is no answer.
var (
	ErrSilent = errors.New("no answer")
	ErrBroken = errors.New("a broken answer")
)

// hush is the silence after which a broken answer is taken to have ended. USB adapters hand octets on in lumps, some
// 16 ms apart, so the 1.5 characters of the specification can't be told.
const hush = 50 * time.Millisecond

// wires is the bus during one opening of the port. It belongs to one goroutine; a second one reads.
type wires struct {
	config Config
	port   io.Writer
	in     chan []byte   // what arrives; closed when the port has failed
	failed func() error  // why, after in is closed
	quiet  time.Time     // the last octet either way
	echo   bool          // what is sent comes back, as some adapters have it
	late   [256]bool     // slaves that have not answered in time, and may yet
	pause  time.Duration // of silence before the next frame; never less than Config.Gap
}

// exchange sends a request and returns the answer: a whole frame of the slave and function that were asked, with a CRC
// that is right, which may be an exception. The error is ErrSilent, ErrBroken, or the port's.
func (w *wires) exchange(request []byte, expect int) (answer []byte, err error) {
	if err := w.settle(); err != nil {
		return nil, err
	}
	if _, err := w.port.Write(request); err != nil {
		return nil, err
	}
	c := collector{request: request, echoes: w.echo}
	end := time.Now().Add(w.config.Timeout + w.config.transmission(len(request)+expect))
	timer := time.NewTimer(time.Until(end))
	defer timer.Stop()
	defer func() { w.quiet = time.Now() }()
	for {
		select {
		case octets, ok := <-w.in:
			if !ok {
				return nil, w.failed()
			}
			if answer := c.push(octets); answer != nil {
				w.echo = w.echo || c.echoed
				w.doubt(request[0])
				return answer, nil
			}
			if c.broken {
				timer.Reset(min(hush, time.Until(end))) // a bus that never falls silent must not keep us
			}
		case <-timer.C:
			if c.broken {
				return nil, ErrBroken
			}
			w.late[request[0]] = true
			return nil, ErrSilent
		}
	}
}

// doubt is for an answer of a slave that had let one request time out: this may have been the answer to that one, and
// the one to come would be taken for the answer to the next request, which may be for other registers.
func (w *wires) doubt(slave byte) {
	if w.late[slave] {
		w.late[slave], w.pause = false, w.config.Timeout
	}
}

// settle waits until the bus was silent for long enough to begin a frame. What arrives meanwhile was for nobody. It is
// ErrBroken if the bus never falls silent.
func (w *wires) settle() error {
	w.pause = max(w.pause, w.config.Gap)
	end := time.Now().Add(w.pause + w.config.Timeout)
	for {
		wait := time.Until(w.quiet.Add(w.pause))
		if wait <= 0 {
			break
		}
		timer := time.NewTimer(wait)
		select {
		case _, ok := <-w.in:
			timer.Stop()
			if !ok {
				return w.failed()
			}
			if w.quiet = time.Now(); w.quiet.After(end) {
				return ErrBroken
			}
		case <-timer.C:
		}
	}
	w.pause = 0
	for {
		select {
		case _, ok := <-w.in:
			if !ok {
				return w.failed()
			}
		default:
			return nil
		}
	}
}

// collector finds the answer to a request in what arrives.
type collector struct {
	request []byte
	echoes  bool // the request is expected to come back
	echoed  bool // it did
	broken  bool // what looked like the answer had a wrong CRC
	buf     []byte
}

// push takes octets and returns the answer when it is complete.
func (c *collector) push(octets []byte) []byte {
	c.buf = append(c.buf, octets...)
	if len(c.buf) > 2*maxFrame {
		c.buf = c.buf[len(c.buf)-maxFrame:] // a bus that never falls silent
	}
	if c.partOfEcho() {
		return nil
	}
	for len(c.buf) >= headSize {
		if c.buf[0] != c.request[0] || c.buf[1]&^failed != c.request[1] {
			c.buf = c.buf[1:]
			continue
		}
		size := answerSize(c.buf)
		if size == 0 || len(c.buf) < size {
			return nil
		}
		switch {
		case !Sealed(c.buf[:size]) && bytes.HasPrefix(c.request, c.buf):
			return nil // it may become an echo
		case !Sealed(c.buf[:size]):
			c.broken = true
			c.buf = c.buf[1:]
		case c.answers(c.buf[:size]):
			return c.buf[:size]
		default:
			c.buf = c.buf[size:]
		}
	}
	return nil
}

// answers reports whether a frame can be the answer to this request. Those to a write say where it went: a late one to
// another write must not be taken for this one's.
func (c *collector) answers(frame []byte) bool {
	return frame[1] < writeCoil || frame[1]&failed != 0 || bytes.Equal(frame[headSize:headSize+2], c.request[headSize:headSize+2])
}

// partOfEcho takes the request off that has come back, and reports whether it may still do so. The answer to writing
// one value is the request itself: there an echo is expected only where others have been seen.
func (c *collector) partOfEcho() (waiting bool) {
	same := c.request[1] == writeCoil || c.request[1] == writeRegister
	if c.echoed || same && !c.echoes {
		return false
	}
	if bytes.HasPrefix(c.buf, c.request) {
		c.buf, c.echoed = c.buf[len(c.request):], true
		return false
	}
	return c.echoes && bytes.HasPrefix(c.request, c.buf)
}
