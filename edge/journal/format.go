package journal

import (
	"encoding/binary"
	"hash/crc32"
)

// A segment is a header followed by records. All numbers are little-endian.
//
//	header   magic; 8 octets: number of the previous segment; 8 octets: length of the previous segment; 4 octets: CRC-32C
//	         of this segment's number and the preceding 16 octets
//	record   4 octets: length; 4 octets: CRC-32C of segment number, offset and length; the record; 4 octets: the same CRC
//	         continued over the record; 1 octet that is not zero
//
// The first checksum identifies the head of a record. It lets the reader find the next record after damage, and skip a
// damaged record whose head is intact. Because it covers the position, the reader never mistakes other data for a
// record: neither a record inside a payload, nor a segment copied under another number, nor a stale disk block. The last
// octet distinguishes damage from an interrupted write, which leaves a short file or zeros at its end.
//
// The header states how long the previous segment was when the log moved on. Bytes beyond that length are left over from
// a failed write or a failed sync and are ignored. A previous segment that is shorter has lost its end.
const (
	magic      = "RUNNELJ2"
	headerSize = len(magic) + 8 + 8 + 4
	headSize   = 4 + 4
	tailSize   = 4 + 1
	recordEnd  = '\n'
	maxRecord  = 1 << 28 // octets; a greater length is damage

	// Overhead is the number of bytes that a record takes in a segment besides its own.
	Overhead = headSize + tailSize
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// place computes the checksums of record heads in one segment.
type place struct {
	seed uint32 // CRC of the segment number
	buf  [12]byte
}

func newPlace(number uint64) *place {
	var p place
	binary.LittleEndian.PutUint64(p.buf[:], number)
	p.seed = crc32.Checksum(p.buf[:8], castagnoli)
	return &p
}

// checksum returns the checksum of the head of a record.
func (p *place) checksum(offset int64, length uint32) uint32 {
	binary.LittleEndian.PutUint64(p.buf[:], uint64(offset))
	binary.LittleEndian.PutUint32(p.buf[8:], length)
	return crc32.Update(p.seed, castagnoli, p.buf[:])
}

// appendRecord appends a record whose offset in its segment is given.
func appendRecord(dst []byte, p *place, offset int64, record []byte) []byte {
	check := p.checksum(offset, uint32(len(record)))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(record)))
	dst = binary.LittleEndian.AppendUint32(dst, check)
	dst = append(dst, record...)
	dst = binary.LittleEndian.AppendUint32(dst, crc32.Update(check, castagnoli, record))
	return append(dst, recordEnd)
}

// predecessor describes the previous segment, as the header of a segment records it.
type predecessor struct {
	number uint64 // 0: none
	octets int64
}

func appendHeader(dst []byte, number uint64, previous predecessor) []byte {
	from := len(dst) + len(magic)
	dst = append(dst, magic...)
	dst = binary.LittleEndian.AppendUint64(dst, previous.number)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(previous.octets))
	return binary.LittleEndian.AppendUint32(dst, crc32.Update(newPlace(number).seed, castagnoli, dst[from:]))
}

// parseHeader parses the header of the segment with the given number.
func parseHeader(header []byte, number uint64) (previous predecessor, ok bool) {
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
