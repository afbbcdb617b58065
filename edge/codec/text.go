package codec

import (
	"encoding/binary"
	"unicode/utf8"
)

// MaxDepth is how deep lists, maps and CBOR tags may nest inside of one element of a message: Arguments itself is the
// first level.
const MaxDepth = 64

const highBits = 0x8080808080808080

// validText is utf8.Valid with a shorter way for ASCII, of which nearly all text on these wires consists.
func validText(b []byte) bool {
	rest := b
	for len(rest) >= 16 {
		if (binary.LittleEndian.Uint64(rest)|binary.LittleEndian.Uint64(rest[8:]))&highBits != 0 {
			return utf8.Valid(rest)
		}
		rest = rest[16:]
	}
	if len(rest) >= 8 {
		if binary.LittleEndian.Uint64(rest)&highBits != 0 {
			return utf8.Valid(rest)
		}
		rest = rest[8:]
	}
	for _, c := range rest {
		if c >= utf8.RuneSelf {
			return utf8.Valid(rest)
		}
	}
	return true
}
