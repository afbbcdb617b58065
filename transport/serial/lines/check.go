package lines

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"maps"
	"math/bits"
	"slices"
)

// checksum is a way to protect a telegram.
type checksum struct {
	bytes   int // of its value
	compute func([]byte) uint16
}

// checks are the checks by name. The parameters of the CRCs are those of the catalogue of parametrised CRC algorithms
// (reveng).
var checks = map[string]checksum{
	"xor8":  {1, xor8},
	"sum8":  {1, func(b []byte) uint16 { return sum16(b) & 0xff }},
	"lrc8":  {1, func(b []byte) uint16 { return -sum16(b) & 0xff }}, // two's complement of the sum
	"sum16": {2, sum16},

	"crc16-arc":         crc16{poly: 0x8005, reflected: true}.sum(),
	"crc16-modbus":      crc16{poly: 0x8005, init: 0xffff, reflected: true}.sum(),
	"crc16-usb":         crc16{poly: 0x8005, init: 0xffff, reflected: true, xor: 0xffff}.sum(),
	"crc16-umts":        crc16{poly: 0x8005}.sum(),
	"crc16-ccitt-false": crc16{poly: 0x1021, init: 0xffff}.sum(),
	"crc16-genibus":     crc16{poly: 0x1021, init: 0xffff, xor: 0xffff}.sum(),
	"crc16-xmodem":      crc16{poly: 0x1021}.sum(),
	"crc16-kermit":      crc16{poly: 0x1021, reflected: true}.sum(),
	"crc16-mcrf4xx":     crc16{poly: 0x1021, init: 0xffff, reflected: true}.sum(),
	"crc16-x25":         crc16{poly: 0x1021, init: 0xffff, reflected: true, xor: 0xffff}.sum(),
	"crc16-dnp":         crc16{poly: 0x3d65, reflected: true, xor: 0xffff}.sum(),
}

// CheckNames lists the names of the checks, sorted.
func CheckNames() []string { return slices.Sorted(maps.Keys(checks)) }

func xor8(b []byte) (x uint16) {
	for _, c := range b {
		x ^= uint16(c)
	}
	return x
}

func sum16(b []byte) (n uint16) {
	for _, c := range b {
		n += uint16(c)
	}
	return n
}

// crc16 has the parameters of a CRC of 16 bits.
type crc16 struct {
	poly, init, xor uint16
	reflected       bool // lowest bit first
}

func (c crc16) sum() checksum { return checksum{2, c.compute} }

func (c crc16) compute(b []byte) uint16 {
	crc, reverse := c.init, bits.Reverse16(c.poly)
	for _, v := range b {
		if c.reflected {
			crc ^= uint16(v)
			for range 8 {
				crc = crc>>1 ^ reverse&-(crc&1)
			}
			continue
		}
		crc ^= uint16(v) << 8
		for range 8 {
			crc = crc<<1 ^ c.poly&-(crc>>15)
		}
	}
	return crc ^ c.xor
}

// verify compares the value at the end of b with the bytes that it covers.
func (c Check) verify(b []byte) error {
	at := len(b) - c.size()
	covered, value := b[c.Skip:at-c.SkipEnd], b[at:]
	if c.Hex {
		digits := value
		value = make([]byte, checks[c.Name].bytes)
		if _, err := hex.Decode(value, digits); err != nil {
			return fmt.Errorf("%w: %.8q is not hexadecimal", errCheck, digits)
		}
	}
	got, want := uint16(value[0]), checks[c.Name].compute(covered)
	switch {
	case len(value) == 2 && c.Little && !c.Hex:
		got = binary.LittleEndian.Uint16(value)
	case len(value) == 2:
		got = binary.BigEndian.Uint16(value)
	}
	if got != want {
		return fmt.Errorf("%w: %s is %0*x, want %0*x", errCheck, c.Name, 2*len(value), got, 2*len(value), want)
	}
	return nil
}
