package modbus

import (
	"encoding/binary"
	"fmt"
	"slices"
)

// functions are those that Scan knows.
var functions = []byte{readCoils, readDiscrete, readHolding, readInput, writeCoil, writeRegister, writeCoils, writeMany}

// Scan finds a whole frame at the beginning of octets, of whichever side, and returns its length; 0 if there is none.
// A CRC of 16 bits is right by chance now and then: one frame alone proves little.
func Scan(octets []byte) int {
	if len(octets) < minFrame || octets[0] > maxStandard || !slices.Contains(functions, octets[1]&^failed) {
		return 0
	}
	sizes := []int{answerSize(octets), echoSize}
	if len(octets) > headSize+4 && (octets[1] == writeCoils || octets[1] == writeMany) {
		sizes = append(sizes, headSize+5+int(octets[headSize+4])+crcSize)
	}
	for _, n := range sizes {
		if n > 0 && n <= len(octets) && Sealed(octets[:n]) {
			return n
		}
	}
	return 0
}

// Describe writes what a whole frame says, for people. Whether it is a request or an answer the frame does not tell.
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
