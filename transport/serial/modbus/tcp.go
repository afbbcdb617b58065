package modbus

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
)

// The header of a Modbus TCP frame: the number of the request, which the answer repeats; zero; the length of the rest; and
// the unit, which is the slave's number.
const (
	mbapSize   = 7
	mbapLength = 6 // octets before the part that the length counts
	maxWaiting = 64
)

var errMBAP = errors.New("not a frame of Modbus TCP")

// TCP adapts a connection to a Modbus TCP server for use by a Master. Frames are sent with the header of Modbus TCP in place of
// the CRC; answers are converted back. Answers to unknown requests are dropped. One goroutine may read while another writes.
func TCP(conn io.ReadWriteCloser) io.ReadWriteCloser {
	return &tcp{ReadWriteCloser: conn, waiting: map[uint16]byte{}}
}

type tcp struct {
	io.ReadWriteCloser

	mu      sync.Mutex
	number  uint16          // guarded by mu: number of the last request
	waiting map[uint16]byte // guarded by mu: units of the pending requests, by number

	rest []byte // owned by the reader: part of an answer not yet returned
}

// Write sends a request.
func (t *tcp) Write(frame []byte) (int, error) {
	if len(frame) < minFrame {
		return 0, fmt.Errorf("write %d bytes: %w", len(frame), errMBAP)
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

// Read returns answers with a CRC appended. An invalid frame is an error that ends the connection, because the start of the
// next frame is unknown.
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

// answer reads a frame. It returns nil if the frame answers no pending request.
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
	unit, countRequest := t.waiting[number]
	if !countRequest {
		return nil, nil
	}
	delete(t.waiting, number)
	frame[0] = unit // some servers answer with a unit of their own
	return seal(frame), nil
}
