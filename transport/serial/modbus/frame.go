package modbus

import (
	"encoding/binary"
	"fmt"
)

// Functions of the protocol.
const (
	readCoils     = 1
	readDiscrete  = 2
	readHolding   = 3
	readInput     = 4
	writeCoil     = 5
	writeRegister = 6
	writeCoils    = 15
	writeMany     = 16

	failed = 0x80 // is added to the function of an answer that is an exception
)

// Sizes in octets.
const (
	headSize      = 2 // slave and function
	crcSize       = 2
	minFrame      = headSize + crcSize
	maxFrame      = 256
	exceptionSize = headSize + 1 + crcSize
	echoSize      = headSize + 4 + crcSize // of the answer to a write
)

// CRC is the CRC-16 at the end of a frame, low octet first.
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

// seal adds the CRC.
func seal(frame []byte) []byte { return binary.LittleEndian.AppendUint16(frame, CRC(frame)) }

// Sealed reports whether a frame's CRC is right.
func Sealed(frame []byte) bool {
	n := len(frame) - crcSize
	return n >= headSize && CRC(frame[:n]) == binary.LittleEndian.Uint16(frame[n:])
}

// request makes a request that is of an address and a number: to read so many, or to write one.
func request(slave, function byte, address, number uint16) []byte {
	frame := []byte{slave, function}
	frame = binary.BigEndian.AppendUint16(frame, address)
	return seal(binary.BigEndian.AppendUint16(frame, number))
}

// requestMany makes a request to write several.
func requestMany(slave, function byte, address, number uint16, data []byte) []byte {
	frame := []byte{slave, function}
	frame = binary.BigEndian.AppendUint16(frame, address)
	frame = binary.BigEndian.AppendUint16(frame, number)
	frame = append(frame, byte(len(data)))
	return seal(append(frame, data...))
}

// answerSize returns how long the answer is that begins with head; 0 if there is too little of it to tell.
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

// Exception is what a slave answers that refuses a request.
type Exception byte

// Exceptions that say that something is wrong with the request.
const (
	illegalAddress = 2
	illegalValue   = 3
	deviceFailure  = 4 // of some slaves for what they don't have
)

var exceptions = []string{
	1: "illegal function", 2: "illegal address", 3: "illegal value", 4: "device failure", 5: "acknowledged, still at work",
	6: "busy", 8: "memory parity error", 10: "gateway path unavailable", 11: "gateway target does not respond",
}

func (e Exception) Error() string {
	if int(e) < len(exceptions) && exceptions[e] != "" {
		return fmt.Sprintf("exception %d: %s", byte(e), exceptions[e])
	}
	return fmt.Sprintf("exception %d", byte(e))
}
