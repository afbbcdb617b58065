package frame

import (
	"encoding/binary"
	"math/bits"
)

// Mask masks b in place, or unmasks it (RFC 6455, 5.3). The lowest octet of key applies to b[0]. Mask returns the key for the
// octets that follow b in the same payload.
func Mask(b []byte, key uint32) uint32 {
	wide := uint64(key)<<32 | uint64(key)
	for len(b) >= 32 {
		four := b[:32]
		binary.LittleEndian.PutUint64(four, binary.LittleEndian.Uint64(four)^wide)
		binary.LittleEndian.PutUint64(four[8:], binary.LittleEndian.Uint64(four[8:])^wide)
		binary.LittleEndian.PutUint64(four[16:], binary.LittleEndian.Uint64(four[16:])^wide)
		binary.LittleEndian.PutUint64(four[24:], binary.LittleEndian.Uint64(four[24:])^wide)
		b = b[32:]
	}
	for len(b) >= 8 {
		binary.LittleEndian.PutUint64(b, binary.LittleEndian.Uint64(b)^wide)
		b = b[8:]
	}
	for i := range b {
		b[i] ^= byte(key)
		key = bits.RotateLeft32(key, -8)
	}
	return key
}
