package modbus

import (
	"bytes"
	"errors"
	"io"
	"os"
	"time"
)

// SearchPort is an open port of a bus.
type SearchPort interface {
	io.ReadWriter
	SetDeadline(time.Time) error
}

// Search finds the slaves on a bus by sending requests, one at a time. No other master may use the bus meanwhile. A Search belongs
// to one goroutine.
type Search struct {
	Port    SearchPort
	Baud    int           // for the time that frames take
	Timeout time.Duration // for an answer

	Seen [256]bool // slaves that have sent a valid frame, in time or late

	answers map[string]result // by request: several profiles read the same registers
}

// result is the outcome of a request.
type result struct {
	answer []byte
	err    error
}

// ErrNoise means that the bus is never silent.
var ErrNoise = errors.New("the bus is not silent; another master may be using it")

// The silence that must precede a request, and the longest wait for it.
const (
	searchGap  = 5 * time.Millisecond
	searchBusy = time.Second
)

// searched are the tables of which the first value is read to find a slave: many answer only to one of them.
var searched = []Table{Holding, Input}

// Bound returns how long it takes at most to ask a number of slaves.
func (s *Search) Bound(slaves int) time.Duration {
	return time.Duration(slaves*len(searched)) * (s.Timeout + s.gap() + s.config().transmission(2*echoSize))
}

func (s *Search) config() Config { return Config{Baud: s.Baud}.withDefaults() }

func (s *Search) gap() time.Duration { return max(searchGap, s.config().frameGap()) }

// Run asks slaves. It calls progress before each request with the slave, the number of requests done, and their total. Afterwards
// Seen has the slaves that answered. An exception is an answer, too. Run ends early if progress returns an error.
func (s *Search) Run(slaves []byte, progress func(slave byte, done, total int) error) error {
	for pass, table := range searched {
		for i, slave := range slaves {
			if err := progress(slave, pass*len(slaves)+i, len(searched)*len(slaves)); err != nil {
				return err
			}
			if s.Seen[slave] {
				continue
			}
			if _, err := s.exchange(request(slave, table.read(), 0, 1)); err != nil && err != ErrSilent {
				return err
			}
		}
	}
	return nil
}

// Read returns the values of points of one slave. ok is false if the slave does not have them all.
func (s *Search) Read(points []Point) (values [][]any, ok bool, err error) {
	all := make([]int, len(points))
	for i := range all {
		all[i] = i
	}
	values = make([][]any, len(points))
	for _, q := range group(points, all, adjacent) {
		answer, err := s.cached(q.request)
		if err == ErrSilent || err == nil && (answer[1]&failed != 0 || len(answer) != q.expect) {
			return nil, false, nil
		}
		if err != nil {
			return nil, false, err
		}
		data := answer[headSize+1 : len(answer)-crcSize]
		for _, i := range q.points {
			if values[i], err = points[i].decode(q.cut(&points[i], data)); err != nil {
				return nil, false, nil // such as a value that is not a number
			}
		}
	}
	return values, true, nil
}

func (s *Search) cached(request []byte) ([]byte, error) {
	if s.answers == nil {
		s.answers = map[string]result{}
	}
	r, known := s.answers[string(request)]
	if !known {
		r.answer, r.err = s.exchange(request)
		s.answers[string(request)] = r
	}
	return r.answer, r.err
}

// exchange sends a request and returns its answer or exception. The error is ErrSilent, ErrNoise or that of the port.
func (s *Search) exchange(request []byte) ([]byte, error) {
	if err := s.awaitSilence(); err != nil {
		return nil, err
	}
	size := echoSize // of a short answer
	if count := int(request[4])<<8 | int(request[5]); count > 1 {
		size = maxFrame
	}
	end := time.Now().Add(s.Timeout + s.config().transmission(len(request)+size))
	if err := s.Port.SetDeadline(end); err != nil {
		return nil, err
	}
	if _, err := s.Port.Write(request); err != nil {
		return nil, err
	}
	var got []byte
	buf := make([]byte, maxFrame)
	for {
		n, err := s.Port.Read(buf)
		got = append(got, buf[:n]...)
		if answer := s.find(bytes.TrimPrefix(got, request), request); answer != nil { // some adapters echo
			return answer, nil
		}
		switch {
		case len(got) > 8*maxFrame:
			return nil, ErrNoise
		case errors.Is(err, os.ErrDeadlineExceeded):
			return nil, ErrSilent
		case err != nil:
			return nil, err
		}
	}
}

// find returns the answer to a request in received bytes, or nil. It records all slaves that have sent a frame.
func (s *Search) find(octets, request []byte) []byte {
	for ; len(octets) >= exceptionSize; octets = octets[1:] {
		function, n := octets[1]&^failed, answerSize(octets)
		if function < readCoils || function > readInput || n > len(octets) || !Sealed(octets[:n]) {
			continue
		}
		s.Seen[octets[0]] = true
		if octets[0] == request[0] && octets[1]&^failed == request[1] {
			return octets[:n]
		}
	}
	return nil
}

// awaitSilence reads the rest of earlier answers until the bus is silent.
func (s *Search) awaitSilence() error {
	buf := make([]byte, maxFrame)
	for end := time.Now().Add(searchBusy); time.Now().Before(end); {
		if err := s.Port.SetDeadline(time.Now().Add(s.gap())); err != nil {
			return err
		}
		n, err := s.Port.Read(buf)
		s.find(buf[:n], []byte{0, 0})
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return ErrNoise
}
