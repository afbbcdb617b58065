package modbus

import (
	"encoding/binary"
	"io"
	"sync"
	"testing"
	"time"

	"runnel/transport/serial/reading"
)

// fakeBus is the far end of the wires, with simulated slaves.
type fakeBus struct {
	in     chan []byte
	closed chan struct{}
	close  sync.Once

	mu       sync.Mutex
	slaves   map[byte]func(request []byte) []byte
	requests map[byte]int
	last     time.Time // the end of the last frame
	gap      time.Duration
	echo     bool
	split    bool // answers come octet by octet
}

func newFakeBus() *fakeBus {
	return &fakeBus{in: make(chan []byte, 100), closed: make(chan struct{}), slaves: map[byte]func([]byte) []byte{}, requests: map[byte]int{}, gap: time.Hour}
}

func (b *fakeBus) Read(p []byte) (int, error) {
	select {
	case octets := <-b.in:
		return copy(p, octets), nil
	case <-b.closed:
		return 0, io.EOF
	}
}

func (b *fakeBus) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.last.IsZero() {
		b.gap = min(b.gap, time.Since(b.last))
	}
	b.last = time.Now()
	if b.echo {
		b.in <- append([]byte(nil), p...)
	}
	b.requests[p[0]]++
	if answer := b.slaves[p[0]]; answer != nil && Sealed(p) {
		if octets := answer(append([]byte(nil), p...)); octets != nil {
			time.AfterFunc(5*time.Millisecond, func() { b.say(octets) })
		}
	}
	return len(p), nil
}

func (b *fakeBus) say(octets []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.last = time.Now()
	if !b.split {
		b.in <- octets
		return
	}
	for _, o := range octets {
		b.in <- []byte{o}
	}
}

func (b *fakeBus) Close() error {
	b.close.Do(func() { close(b.closed) })
	return nil
}

func (b *fakeBus) count(slave byte) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.requests[slave]
}

func (b *fakeBus) set(slave byte, answer func([]byte) []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.slaves[slave] = answer
}

// registers is a slave with holding registers.
type registers struct {
	mu    sync.Mutex
	words map[uint16]uint16
}

func newRegisters(words ...uint16) *registers {
	r := &registers{words: map[uint16]uint16{}}
	for i, w := range words {
		r.words[uint16(i)] = w
	}
	return r
}

func (r *registers) set(address, word uint16) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.words[address] = word
}

func (r *registers) remove(address uint16) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.words, address)
}

func (r *registers) answer(request []byte) []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	address, number := binary.BigEndian.Uint16(request[2:]), binary.BigEndian.Uint16(request[4:])
	switch request[1] {
	case readHolding:
		answer := []byte{request[0], request[1], byte(2 * number)}
		for i := range number {
			word, ok := r.words[address+i]
			if !ok {
				return seal([]byte{request[0], request[1] | failed, 2})
			}
			answer = binary.BigEndian.AppendUint16(answer, word)
		}
		return seal(answer)
	case writeRegister:
		r.words[address] = number
		return request
	}
	return seal([]byte{request[0], request[1] | failed, 1})
}

// master runs one on a bus until the test ends.
func master(t *testing.T, b *fakeBus, c Config) (*Master, chan reading.Event) {
	t.Helper()
	m, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	events := make(chan reading.Event, 1000)
	done := make(chan error, 1)
	go func() { done <- m.Run(b, func(e reading.Event) { events <- e }) }()
	t.Cleanup(func() {
		b.Close()
		if err := <-done; err != io.EOF {
			t.Errorf("Run: %v", err)
		}
	})
	return m, events
}

func values(events chan reading.Event) (list []any) {
	for {
		select {
		case e := <-events:
			list = append(list, e.Kwargs["value"])
		default:
			return list
		}
	}
}
