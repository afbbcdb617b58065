package modbus

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"
)

// Reasons for a missing answer.
var (
	ErrSilent = errors.New("no answer")
	ErrBroken = errors.New("broken answer")

	errLength = fmt.Errorf("%w: unexpected length", ErrBroken)
	errUnsure = errors.New("answer is ambiguous") // the request is sent once more
)

// silence is how long the bus must be silent after a broken answer. USB adapters deliver octets in chunks up to 16 ms
// apart, so the 1.5 characters of the specification cannot be measured.
const silence = 50 * time.Millisecond

// turnaround is the time for slaves to execute a request to all of them, which none answers.
const turnaround = 100 * time.Millisecond

// bus is the bus while a port is open. It belongs to one goroutine; a second one reads from the port.
type bus struct {
	config  Config
	port    io.Writer
	in      chan []byte  // received octets; closed when the port has failed
	failed  func() error // the port's error, valid once in is closed
	tracker *tracker
	rx      receiver
	quiet   time.Time // when the last octet was sent or received
	probed  bool      // a read request was sent, so an echo would have been noticed

	answered func(d *pending, frame []byte) // called for an answer that arrives late
}

// exchange sends a request and returns its answer: a whole frame with the right slave, function and CRC, possibly an
// exception. The error is ErrSilent, ErrBroken, errUnsure or that of the port. Call it only when the tracker reports the
// request free.
func (w *bus) exchange(q query) (answer []byte, err error) {
	if err := w.awaitSilence(); err != nil {
		return nil, err
	}
	if now := time.Now(); w.tracker.free(q, now).After(now) {
		return nil, errUnsure // a frame that arrived meanwhile has changed that
	}
	if _, err := w.port.Write(q.request); err != nil {
		return nil, err
	}
	if q.slave() == 0 && !w.config.TCP {
		w.quiet = time.Now().Add(turnaround)
		return q.request, nil
	}
	w.rx.begin(q.request)
	wire := w.config.transmission(len(q.request) + q.expect)
	w.tracker.sent(q, wire, time.Now())
	end := time.Now().Add(w.tracker.wait(q.slave(), q.function()) + wire)
	timer := time.NewTimer(time.Until(end))
	defer timer.Stop()
	defer func() {
		w.quiet, w.rx.request = time.Now(), nil
		w.probed = w.probed || q.function() <= readInput
	}()
	for {
		select {
		case octets, ok := <-w.in:
			if !ok {
				return nil, w.failed()
			}
			w.rx.push(octets)
			answer, doubt := w.dispatch(q, false)
			if answer != nil {
				return answer, nil
			}
			if doubt {
				timer.Reset(min(w.tracker.second(q.slave(), q.function()), time.Until(end)))
			}
			if w.rx.broken[[2]byte{q.slave(), q.function()}] {
				timer.Reset(min(silence, time.Until(end))) // bounds the wait on a bus that never falls silent
			}
		case <-timer.C:
			if answer, _ := w.dispatch(q, true); answer != nil {
				return answer, nil
			}
			return nil, w.missed(q)
		}
	}
}

// missed returns the reason for the missing answer.
func (w *bus) missed(q query) error {
	broken := w.rx.broken[[2]byte{q.slave(), q.function()}]
	w.tracker.missed(q, broken || w.rx.wrongLength)
	switch d := w.tracker.pendingFor(q.slave(), q.function()); {
	case d != nil && d.candidate != nil:
		return errUnsure
	case w.rx.wrongLength:
		return errLength
	case broken:
		return ErrBroken
	}
	return ErrSilent
}

// dispatch handles the frames that have arrived. It returns the answer to q if it is among them. doubt is true if a
// frame may be the answer. Answers to earlier requests are passed to answered.
func (w *bus) dispatch(q query, last bool) (answer []byte, doubt bool) {
	for {
		frame := w.rx.next(last)
		if frame == nil {
			return answer, doubt
		}
		judged, d := w.tracker.classify(frame, time.Now())
		switch ours := d != nil && bytes.Equal(d.request, q.request); {
		case judged == doubtful && ours:
			doubt = true
		case judged != accepted:
		case ours && answer == nil:
			answer, w.rx.request = frame, nil
		default:
			w.answered(d, frame)
		}
	}
}

// receiveIdle takes octets that arrive while no request is pending.
func (w *bus) receiveIdle(octets []byte) {
	w.quiet = time.Now()
	w.rx.push(octets)
	w.dispatch(query{}, false)
}

// awaitSilence waits until the bus was silent for a frame gap. It returns ErrBroken if the bus does not fall silent.
func (w *bus) awaitSilence() error {
	end := time.Now().Add(w.config.Gap + w.config.Timeout)
	for {
		wait := time.Until(w.quiet.Add(w.config.Gap))
		if wait <= 0 {
			break
		}
		select {
		case octets, ok := <-w.in:
			if !ok {
				return w.failed()
			}
			if w.receiveIdle(octets); w.quiet.After(end) {
				return ErrBroken
			}
		case <-time.After(wait):
		}
	}
	for {
		select {
		case octets, ok := <-w.in:
			if !ok {
				return w.failed()
			}
			w.rx.push(octets)
		default:
			w.dispatch(query{}, true)
			return nil
		}
	}
}
