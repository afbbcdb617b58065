package rawsocket

import (
	"encoding/binary"
	"fmt"
)

// A frame is a head of four octets (RRRR XTTT and a length of 24 bits) followed by the payload. X stands for a length of
// exactly 2^24 octets. A message's head, read as a big-endian word, is the message's length. Batches are therefore written
// unchanged.
const (
	headSize   = 4
	lengthBits = 1<<24 - 1
	extraBit   = 1 << 27 // X
)

// kind is a frame's type, TTT.
type kind byte

const (
	message kind = 0
	ping    kind = 1
	pong    kind = 2
)

// parseHead parses a frame's head. It returns an error if the head is invalid or the payload is longer than limit.
func parseHead(head []byte, limit int) (k kind, length int, err error) {
	word := binary.BigEndian.Uint32(head)
	k = kind(word >> 24 & 7)
	length = int(word & lengthBits)
	if word>>28 != 0 {
		return 0, 0, fmt.Errorf("frame % x uses reserved bits", head[:headSize])
	}
	if k > pong {
		return 0, 0, fmt.Errorf("frame % x has reserved type %d", head[:headSize], k)
	}
	if word&extraBit != 0 {
		if length != 0 {
			return 0, 0, fmt.Errorf("frame % x is longer than 16 MiB", head[:headSize])
		}
		length = 1 << 24
	}
	if length > limit {
		return 0, 0, fmt.Errorf("frame of %d bytes is longer than the agreed limit of %d", length, limit)
	}
	return k, length, nil
}

// wholeMessage reports whether b starts with a complete message.
func wholeMessage(b []byte) bool {
	if len(b) < headSize {
		return false
	}
	word := binary.BigEndian.Uint32(b)
	return word <= lengthBits && len(b)-headSize >= int(word)
}

// missing returns how many bytes of a partly written frame are still to be written. n bytes of the batch are written. The
// batch begins with the last rest bytes of a frame that an earlier Write began.
func missing(batch []byte, rest, n int) int {
	if n == len(batch) {
		return 0
	}
	end := rest
	for end < n {
		end += headSize + int(binary.BigEndian.Uint32(batch[end:])&lengthBits)
	}
	return end - n
}
