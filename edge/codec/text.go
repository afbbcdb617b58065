package codec

import (
	"encoding/binary"
	"unicode/utf8"
)

// MaxDepth is the limit for nested lists, maps and CBOR tags in one element of a message. Arguments itself is the first level.
const MaxDepth = 64

const highBits = 0x8080808080808080

// validText is utf8.Valid with a fast path for ASCII, which most text is.
func validText(b []byte) bool {
	n := len(b)
	if n < 8 {
		return validShort(b)
	}
	i := 0
	for ; i+32 <= n; i += 32 {
		w := b[i : i+32 : i+32]
		if (word(w)|word(w[8:])|word(w[16:])|word(w[24:]))&highBits != 0 {
			return utf8.Valid(b[i:])
		}
	}
	for ; i+8 <= n; i += 8 {
		if word(b[i:])&highBits != 0 {
			return utf8.Valid(b[i:])
		}
	}
	return word(b[n-8:])&highBits == 0 || utf8.Valid(b[i:]) // the last eight octets, some of them for the second time
}

func validShort(b []byte) bool {
	for _, c := range b {
		if c >= utf8.RuneSelf {
			return utf8.Valid(b)
		}
	}
	return true
}

func word(b []byte) uint64 { return binary.LittleEndian.Uint64(b) }
