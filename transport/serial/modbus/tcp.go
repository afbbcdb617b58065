package modbus

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
)

// The head of a frame of Modbus TCP: a number of the request, which its answer repeats, zero, the length of what follows,
// and the unit, which is the slave's number.
const (
	mbapSize   = 7
	mbapLength = 6 // octets before those that the length counts
	maxWaiting = 64
)

var errMBAP = errors.New("not a frame of Modbus TCP")

// TCP makes of a connection to a Modbus TCP server a bus for a Master: its frames go out with the head of Modbus TCP in
// place of a CRC, and answers come in likewise. An answer whose number nobody waits for is dropped. One goroutine may
// read while another writes.
func TCP(conn io.ReadWriteCloser) io.ReadWriteCloser {
	return &tcp{ReadWriteCloser: conn, waiting: map[uint16]byte{}}
}

type tcp struct {
	io.ReadWriteCloser

	mu      sync.Mutex
	number  uint16          // guarded by mu: of the last request
	waiting map[uint16]byte // guarded by mu: the units that were asked, by number

	rest []byte // owned by the reader: what was not handed out
}

// Write sends a request.
func (t *tcp) Write(frame []byte) (int, error) {
	if len(frame) < minFrame {
		return 0, fmt.Errorf("write %d octets: %w", len(frame), errMBAP)
	}
	body := frame[:len(frame)-crcSize]
	t.mu.Lock()
	t.number++
	number := t.number
	delete(t.waiting, number-maxWaiting)
	t.waiting[number] = frame[0]
	t.mu.Unlock()
	head := binary.BigEndian.AppendUint16(nil, number)
	head = binary.BigEndian.AppendUint16(head, 0)
	head = binary.BigEndian.AppendUint16(head, uint16(len(body)))
	if _, err := t.ReadWriteCloser.Write(append(head, body...)); err != nil {
		return 0, err
	}
	return len(frame), nil
}

// Read hands out answers, with a CRC. A server that sends anything else is given up: where its next frame begins is not
// known.
func (t *tcp) Read(b []byte) (int, error) {
	for len(t.rest) == 0 {
		frame, err := t.answer()
		if err != nil {
			return 0, err
		}
		t.rest = frame
	}
	n := copy(b, t.rest)
	t.rest = t.rest[n:]
	return n, nil
}

// answer reads a frame; it returns nothing if nobody waits for it.
func (t *tcp) answer() ([]byte, error) {
	var head [mbapSize]byte
	if _, err := io.ReadFull(t.ReadWriteCloser, head[:]); err != nil {
		return nil, err
	}
	length := int(binary.BigEndian.Uint16(head[4:]))
	if binary.BigEndian.Uint16(head[2:]) != 0 || length < headSize || length > maxFrame-crcSize {
		return nil, errMBAP
	}
	frame := make([]byte, length, length+crcSize)
	if _, err := io.ReadFull(t.ReadWriteCloser, frame[1:]); err != nil {
		return nil, err
	}
	number := binary.BigEndian.Uint16(head[:])
	t.mu.Lock()
	defer t.mu.Unlock()
	unit, asked := t.waiting[number]
	if !asked {
		return nil, nil
	}
	delete(t.waiting, number)
	frame[0] = unit // some servers answer with a unit of their own
	return seal(frame), nil
}
