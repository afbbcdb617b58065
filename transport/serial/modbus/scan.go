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

// Describe returns a frame as text for people. It cannot tell a request from an answer: the frame does not say.
func Describe(frame []byte) string {
	body := frame[headSize : len(frame)-crcSize]
	if frame[1]&failed != 0 && len(body) == 1 {
		return fmt.Sprintf("slave %d function %d: %v", frame[0], frame[1]&^failed, Exception(body[0]))
	}
	if len(body) == 4 && frame[1] <= readInput && int(body[0])+1 != len(body) {
		return fmt.Sprintf("slave %d function %d: read %d from %d", frame[0], frame[1], binary.BigEndian.Uint16(body[2:]), binary.BigEndian.Uint16(body))
	}
	return fmt.Sprintf("slave %d function %d: %x", frame[0], frame[1], body)
}
