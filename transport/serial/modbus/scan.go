package modbus

import (
	"encoding/binary"
	"fmt"
	"slices"
)

// functions lists the function codes that Scan knows.
var functions = []byte{readCoils, readDiscrete, readHolding, readInput, writeCoil, writeRegister, writeCoils, writeMany}

// Scan returns the length of a whole frame, request or answer, at the beginning of octets; 0 if there is none. A 16-bit
// CRC matches by chance now and then, so a single frame proves little.
func Scan(octets []byte) int {
	if len(octets) < exceptionSize || octets[0] > maxStandard || !slices.Contains(functions, octets[1]&^failed) {
		return 0
	}
	sizes := []int{answerSize(octets), echoSize}
	if len(octets) > headSize+4 && (octets[1] == writeCoils || octets[1] == writeMany) {
		sizes = append(sizes, headSize+5+int(octets[headSize+4])+crcSize)
	}
	for _, n := range sizes {
		if n <= len(octets) && Sealed(octets[:n]) {
			return n
		}
	}
	return 0
}

// Request is a request for registers or bits.
type Request struct {
	Slave   byte
	Table   Table
	Address uint16
	Count   int
}

// ParseRequest reads a whole frame. ok is false if it is not a request for registers or bits.
func ParseRequest(frame []byte) (r Request, ok bool) {
	if len(frame) != echoSize || frame[1] < readCoils || frame[1] > readInput || int(frame[headSize])+1 == echoSize-headSize-crcSize {
		return r, false
	}
	for table := range TableNames {
		if Table(table).read() == frame[1] {
			r.Table = Table(table)
		}
	}
	r.Slave, r.Address, r.Count = frame[0], binary.BigEndian.Uint16(frame[headSize:]), int(binary.BigEndian.Uint16(frame[headSize+2:]))
	return r, r.Count > 0
}

// Describe returns a frame as text for people. It cannot tell a request from an answer: the frame does not say.
func Describe(frame []byte) string {
	body := frame[headSize : len(frame)-crcSize]
	if frame[1]&failed != 0 && len(body) == 1 {
		return fmt.Sprintf("slave %d function %d: %v", frame[0], frame[1]&^failed, Exception(body[0]))
	}
	if r, ok := ParseRequest(frame); ok {
		return fmt.Sprintf("slave %d function %d: read %d from %d", r.Slave, frame[1], r.Count, r.Address)
	}
	return fmt.Sprintf("slave %d function %d: %x", frame[0], frame[1], body)
}
