package modbus

import (
	"encoding/binary"
	"fmt"
)

// Function codes.
const (
	readCoils     = 1
	readDiscrete  = 2
	readHolding   = 3
	readInput     = 4
	writeCoil     = 5
	writeRegister = 6
	writeCoils    = 15
	writeMany     = 16

	failed = 0x80 // added to the function code in an exception
)

// Sizes in octets.
const (
	headSize      = 2 // slave and function
	crcSize       = 2
	minFrame      = headSize + crcSize
	maxFrame      = 256
	exceptionSize = headSize + 1 + crcSize
	echoSize      = headSize + 4 + crcSize // the answer to a write
)

// CRC returns the CRC-16 of a frame, which is appended low octet first.
func CRC(octets []byte) uint16 {
	crc := uint16(0xFFFF)
	for _, b := range octets {
		crc ^= uint16(b)
		for range 8 {
			low := crc & 1
			crc >>= 1
			if low != 0 {
				crc ^= 0xA001
			}
		}
	}
	return crc
}

// seal appends the CRC.
func seal(frame []byte) []byte { return binary.LittleEndian.AppendUint16(frame, CRC(frame)) }

// Sealed reports whether frame ends with the right CRC.
func Sealed(frame []byte) bool {
	n := len(frame) - crcSize
	return n >= headSize && CRC(frame[:n]) == binary.LittleEndian.Uint16(frame[n:])
}

// request builds a request with an address and a number: a count to read, or a value to write.
func request(slave, function byte, address, number uint16) []byte {
	frame := []byte{slave, function}
	frame = binary.BigEndian.AppendUint16(frame, address)
	return seal(binary.BigEndian.AppendUint16(frame, number))
}

// requestMany builds a request that writes several values.
func requestMany(slave, function byte, address, number uint16, data []byte) []byte {
	frame := []byte{slave, function}
	frame = binary.BigEndian.AppendUint16(frame, address)
	frame = binary.BigEndian.AppendUint16(frame, number)
	frame = append(frame, byte(len(data)))
	return seal(append(frame, data...))
}

// answerSize returns the size of the answer that begins with head, or 0 if head is too short to tell.
func answerSize(head []byte) int {
	switch {
	case len(head) < headSize:
		return 0
	case head[1]&failed != 0:
		return exceptionSize
	case head[1] >= writeCoil:
		return echoSize
	case len(head) < headSize+1:
		return 0
	}
	return headSize + 1 + int(head[2]) + crcSize
}

// Exception is the code with which a slave rejects a request.
type Exception byte

// Exceptions that mean that the request itself is wrong.
const (
	illegalAddress = 2
	illegalValue   = 3
	deviceFailure  = 4 // from some slaves for addresses they do not have
)

var exceptions = []string{
	1: "illegal function", 2: "illegal address", 3: "illegal value", 4: "device failure", 5: "acknowledged, in progress",
	6: "busy", 8: "memory parity error", 10: "gateway path unavailable", 11: "gateway target does not respond",
}

func (e Exception) Error() string {
	if int(e) < len(exceptions) && exceptions[e] != "" {
		return fmt.Sprintf("exception %d: %s", byte(e), exceptions[e])
	}
	return fmt.Sprintf("exception %d", byte(e))
}
