package modbus

import (
	"bytes"
	"errors"
	"os"
	"testing"
	"time"
)

// searchBus is a bus whose slaves answer at once. It needs no time: a read without data is over its deadline at once.
type searchBus struct {
	answer func(request []byte) []byte
	echo   bool
	queue  []byte
	fails  error
}

func (b *searchBus) Write(request []byte) (int, error) {
	if b.echo {
		b.queue = append(b.queue, request...)
	}
	b.queue = append(b.queue, b.answer(request)...)
	return len(request), nil
}

func (b *searchBus) Read(octets []byte) (int, error) {
	if len(b.queue) == 0 {
		if b.fails != nil {
			return 0, b.fails
		}
		return 0, os.ErrDeadlineExceeded
	}
	n := copy(octets, b.queue[:min(5, len(b.queue))]) // in pieces
	b.queue = b.queue[n:]
	return n, nil
}

func (b *searchBus) SetDeadline(time.Time) error { return nil }

func found(s *Search) (slaves []byte) {
	for slave, seen := range s.Seen {
		if seen {
			slaves = append(slaves, byte(slave))
		}
	}
	return slaves
}

// Slaves that answer, with a value or an exception, to one of the two tables are found, also with an adapter that echoes.
func TestSearch(t *testing.T) {
	for _, echo := range []bool{false, true} {
		requests := 0
		bus := &searchBus{echo: echo, answer: func(request []byte) []byte {
			requests++
			switch {
			case request[0] == 2:
				return seal([]byte{2, request[1], 2, 0, 7})
			case request[0] == 5 && request[1] == readInput:
				return seal([]byte{5, readInput | failed, illegalAddress})
			case request[0] == 7:
				return append(seal([]byte{7, request[1], 2, 0, 7})[:6], 0xff) // a wrong CRC
			case request[0] == 8 && request[1] == readHolding:
				return []byte("noise") // and a late answer
			case request[0] == 9 && request[1] == readHolding:
				return seal([]byte{8, readHolding, 2, 0, 7})
			}
			return nil
		}}
		s := &Search{Port: bus, Baud: 9600, Timeout: time.Millisecond}
		calls := 0
		err := s.Run([]byte{1, 2, 5, 7, 8, 9}, func(_ byte, done, total int) error {
			if done != calls || total != 12 {
				t.Errorf("%d of %d, want %d", done, total, calls)
			}
			calls++
			return nil
		})
		if got := found(s); err != nil || !bytes.Equal(got, []byte{2, 5, 8}) || calls != 12 || requests != 10 {
			t.Errorf("echo %v: %v, %v, %d calls, %d requests", echo, got, err, calls, requests)
		}
	}
	enough, unplugged := errors.New("enough"), errors.New("unplugged")
	s := &Search{Port: &searchBus{answer: func([]byte) []byte { return nil }}, Timeout: time.Millisecond}
	if err := s.Run([]byte{1, 2}, func(slave byte, _, _ int) error {
		if slave == 2 {
			return enough
		}
		return nil
	}); err != enough {
		t.Error(err)
	}
	s.Port = &searchBus{answer: func([]byte) []byte { return nil }, fails: unplugged}
	if err := s.Run([]byte{1}, func(byte, int, int) error { return nil }); err != unplugged {
		t.Error(err)
	}
	endless := &searchBus{answer: func([]byte) []byte { return make([]byte, 10*maxFrame) }}
	s.Port = endless
	if err := s.Run([]byte{1}, func(byte, int, int) error { return nil }); err != ErrNoise {
		t.Error(err)
	}
}

// The values of a slave are read with few requests, each once. A slave that lacks one of them has none.
func TestSearchRead(t *testing.T) {
	requests := 0
	s := &Search{Timeout: time.Millisecond, Port: &searchBus{answer: func(request []byte) []byte {
		requests++
		if request[3] != 0 {
			return seal([]byte{request[0], request[1] | failed, illegalAddress})
		}
		return seal([]byte{request[0], request[1], 4, 0, 1, 0, 2})
	}}}
	points := []Point{{Slave: 3, Address: 0}, {Slave: 3, Address: 1}}
	for range 2 {
		if values, ok, err := s.Read(points); err != nil || !ok || values[0][0] != int64(1) || values[1][0] != int64(2) {
			t.Errorf("%v, %v, %v", values, ok, err)
		}
	}
	if _, ok, err := s.Read(append(points, Point{Slave: 3, Address: 9})); ok || err != nil {
		t.Errorf("%v, %v", ok, err)
	}
	if requests != 2 {
		t.Errorf("%d requests", requests)
	}
	if got := (&Search{Baud: 9600, Timeout: 200 * time.Millisecond}).Bound(247); got < 247*400*time.Millisecond || got > 3*time.Minute {
		t.Error(got)
	}
}

// A late answer to an earlier request is not taken for that to the next one.
func TestSearchWaitsForSilence(t *testing.T) {
	late := func(request []byte) []byte { return seal([]byte{request[0], request[1], 2, 0, 9}) }
	bus := &searchBus{answer: func(request []byte) []byte { return seal([]byte{request[0], request[1], 2, 0, 7}) }}
	point := Point{Slave: 3, Address: 1}
	bus.queue = late([]byte{3, group([]Point{point}, []int{0}, adjacent)[0].request[1]})
	s := &Search{Timeout: time.Millisecond, Port: bus}
	if values, ok, err := s.Read([]Point{point}); err != nil || !ok || values[0][0] != int64(7) {
		t.Errorf("%v, %v, %v", values, ok, err)
	}
}
