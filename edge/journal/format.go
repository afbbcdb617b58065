package journal

import (
	"encoding/binary"
	"hash/crc32"
)

// A segment is a header and records. All numbers are little-endian.
//
//	header   magic, 8 octets of the previous segment's number, 8 of its length, CRC-32C of segment number and these 16
//	record   4 octets of length, CRC-32C of segment number, offset and length; the record; CRC-32C that goes on from the
//	         first over the record; an octet that is not zero
//
// The first checksum tells a head from anything else, so the reader finds the next record behind a damaged one, and skips
// a damaged record whose head is intact. As it covers the place, neither a record inside a payload, nor a copy of a
// segment under another number, nor an old block of the disk is taken for a record. The last octet tells damage from a
// write that was cut short: that one leaves a short file, or zeros at its end.
//
// The header says how long the previous segment was when it was left. What is behind that does not count: a failed write
// or a failed sync left it there. A previous segment that is shorter has lost its end.
const (
	magic      = "RUNNELJ2"
	headerSize = len(magic) + 8 + 8 + 4
	headSize   = 4 + 4
	tailSize   = 4 + 1
	recordEnd  = '\n'
	maxRecord  = 1 << 28 // octets; a length beyond is damage
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// place is where a record stands. It has the scratch space for its checksum.
type place struct {
	seed uint32 // CRC of the segment's number
	buf  [12]byte
}

func newPlace(number uint64) *place {
	var p place
	binary.LittleEndian.PutUint64(p.buf[:], number)
	p.seed = crc32.Checksum(p.buf[:8], castagnoli)
	return &p
}

// checksum is that of a record's head.
func (p *place) checksum(offset int64, length uint32) uint32 {
	binary.LittleEndian.PutUint64(p.buf[:], uint64(offset))
	binary.LittleEndian.PutUint32(p.buf[8:], length)
	return crc32.Update(p.seed, castagnoli, p.buf[:])
}

// appendRecord appends a record that will stand at offset.
func appendRecord(dst []byte, p *place, offset int64, record []byte) []byte {
	check := p.checksum(offset, uint32(len(record)))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(record)))
	dst = binary.LittleEndian.AppendUint32(dst, check)
	dst = append(dst, record...)
	dst = binary.LittleEndian.AppendUint32(dst, crc32.Update(check, castagnoli, record))
	return append(dst, recordEnd)
}

// claim is what a segment's header says of the segment before it.
type claim struct {
	number uint64 // 0: there was none
	octets int64
}

func appendHeader(dst []byte, number uint64, previous claim) []byte {
	from := len(dst) + len(magic)
	dst = append(dst, magic...)
	dst = binary.LittleEndian.AppendUint64(dst, previous.number)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(previous.octets))
	return binary.LittleEndian.AppendUint32(dst, crc32.Update(newPlace(number).seed, castagnoli, dst[from:]))
}

// parseHeader reads the header of the segment with that number.
func parseHeader(header []byte, number uint64) (previous claim, ok bool) {
	if len(header) < headerSize || string(header[:len(magic)]) != magic {
		return previous, false
	}
	fields := header[len(magic):headerSize]
	if crc32.Update(newPlace(number).seed, castagnoli, fields[:16]) != binary.LittleEndian.Uint32(fields[16:]) {
		return previous, false
	}
	previous.number = binary.LittleEndian.Uint64(fields)
	previous.octets = int64(binary.LittleEndian.Uint64(fields[8:]))
	return previous, previous.octets >= 0
}
