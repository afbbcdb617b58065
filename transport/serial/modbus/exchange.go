package modbus

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"
)

// Why there is no answer.
var (
	ErrSilent = errors.New("no answer")
	ErrBroken = errors.New("broken answer")

	errLength = fmt.Errorf("%w: its length is not the one that was asked for", ErrBroken)
	errUnsure = errors.New("answer not certain") // the request is sent once more
)

// hush is the silence after which a broken answer is taken to have ended. USB adapters hand octets on in lumps, some
// 16 ms apart, so the 1.5 characters of the specification can't be told.
const hush = 50 * time.Millisecond

// turnaround is how long slaves have to carry out what all were told, as none answers.
const turnaround = 100 * time.Millisecond

// wires is the bus during one opening of the port. It belongs to one goroutine; a second one reads.
type wires struct {
	config Config
	port   io.Writer
	in     chan []byte  // what arrives; closed when the port has failed
	failed func() error // why, after in is closed
	ledger *ledger
	rx     receiver
	quiet  time.Time // the last octet either way
	probed bool      // a read was sent, so that its echo would have been seen

	answered func(d *debt, frame []byte) // an answer has come after its time
}

// exchange sends a request and returns the answer: a whole frame of the slave and function that were asked, with a CRC
// that is right, which may be an exception. The error is ErrSilent, ErrBroken, errUnsure or the port's. It is called
// when the ledger says that the request is free.
func (w *wires) exchange(q query) (answer []byte, err error) {
	if err := w.settle(); err != nil {
		return nil, err
	}
	if now := time.Now(); w.ledger.free(q, now).After(now) {
		return nil, errUnsure // what has arrived meanwhile came first
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
	w.ledger.sent(q, wire, time.Now())
	end := time.Now().Add(w.ledger.wait(q.slave(), q.function()) + wire)
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
			answer, doubt := w.sort(q, false)
			if answer != nil {
				return answer, nil
			}
			if doubt {
				timer.Reset(min(w.ledger.second(q.slave(), q.function()), time.Until(end)))
			}
			if w.rx.broken[[2]byte{q.slave(), q.function()}] {
				timer.Reset(min(hush, time.Until(end))) // a bus that never falls silent must not keep us
			}
		case <-timer.C:
			if answer, _ := w.sort(q, true); answer != nil {
				return answer, nil
			}
			return nil, w.missed(q)
		}
	}
}

// missed says why there is no answer in time.
func (w *wires) missed(q query) error {
	broken := w.rx.broken[[2]byte{q.slave(), q.function()}]
	w.ledger.missed(q, broken || w.rx.odd)
	switch d := w.ledger.owed(q.slave(), q.function()); {
	case d != nil && d.candidate != nil:
		return errUnsure
	case w.rx.odd:
		return errLength
	case broken:
		return ErrBroken
	}
	return ErrSilent
}

// sort goes through the frames that have arrived and returns the answer to q if it is among them; doubt says that one
// may be the answer. Answers to earlier requests go to answered.
func (w *wires) sort(q query, last bool) (answer []byte, doubt bool) {
	for {
		frame := w.rx.next(last)
		if frame == nil {
			return answer, doubt
		}
		judged, d := w.ledger.take(frame, time.Now())
		switch ours := d != nil && bytes.Equal(d.request, q.request); {
		case judged == doubtful && ours:
			doubt = true
		case judged != taken:
		case ours && answer == nil:
			answer, w.rx.request = frame, nil
		default:
			w.answered(d, frame)
		}
	}
}

// overhear takes octets that arrive while no request is under way.
func (w *wires) overhear(octets []byte) {
	w.quiet = time.Now()
	w.rx.push(octets)
	w.sort(query{}, false)
}

// settle waits until the bus was silent for long enough to begin a frame. It is ErrBroken if the bus never falls silent.
func (w *wires) settle() error {
	end := time.Now().Add(w.config.Gap + w.config.Timeout)
	for {
		wait := time.Until(w.quiet.Add(w.config.Gap))
		if wait <= 0 {
			break
		}
		timer := time.NewTimer(wait)
		select {
		case octets, ok := <-w.in:
			timer.Stop()
			if !ok {
				return w.failed()
			}
			if w.overhear(octets); w.quiet.After(end) {
				return ErrBroken
			}
		case <-timer.C:
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
			w.sort(query{}, true)
			return nil
		}
	}
}
