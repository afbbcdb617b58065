package rawsocket

import (
	"encoding/binary"
	"fmt"
)

// A frame is a head of four octets, RRRR XTTT and a length of 24 bits, and the payload. X stands for a length of
// exactly 2^24. Read as a big-endian word, a message's head is its length, which is why a batch goes to the wire as it
// is.
const (
	headSize   = 4
	lengthBits = 1<<24 - 1
	extraBit   = 1 << 27 // X
)

// The kinds of frame, TTT.
type kind byte

const (
	message kind = 0
	ping    kind = 1
	pong    kind = 2
)

// parseHead reads a frame's head. The length of its payload is at most limit.
func parseHead(head []byte, limit int) (k kind, length int, err error) {
	word := binary.BigEndian.Uint32(head)
	k = kind(word >> 24 & 7)
	length = int(word & lengthBits)
	if word>>28 != 0 {
		return 0, 0, fmt.Errorf("frame % x uses reserved bits", head[:headSize])
	}
	if k > pong {
		return 0, 0, fmt.Errorf("frame % x is of reserved type %d", head[:headSize], k)
	}
	if word&extraBit != 0 {
		if length != 0 {
			return 0, 0, fmt.Errorf("frame % x is longer than 16 MiB", head[:headSize])
		}
		length = 1 << 24
	}
	if length > limit {
		return 0, 0, fmt.Errorf("frame of %d octets is longer than the %d agreed on", length, limit)
	}
	return k, length, nil
}

// wholeMessage reports whether b starts with all of a message.
func wholeMessage(b []byte) bool {
	if len(b) < headSize {
		return false
	}
	word := binary.BigEndian.Uint32(b)
	return word <= lengthBits && len(b)-headSize >= int(word)
}

// due returns how many octets of a batch's last begun frame are not written after n octets of the batch, which began
// with the last before octets of a frame.
func due(batch []byte, before, n int) int {
	if n == len(batch) {
		return 0
	}
	end := before
	for end < n {
		end += headSize + int(binary.BigEndian.Uint32(batch[end:])&lengthBits)
	}
	return end - n
}
