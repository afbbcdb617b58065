package journal

import (
	"bufio"
	"encoding/binary"
	"hash/crc32"
	"io"
)

const (
	magic      = "RUNNELJ1"
	recordHead = 8       // length and checksum, little-endian
	maxRecord  = 1 << 28 // octets; a length beyond is damage
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// checksum covers the length too; so zeros are no record.
func checksum(length, record []byte) uint32 {
	return crc32.Update(crc32.Update(0, castagnoli, length), castagnoli, record)
}

func appendRecord(dst, record []byte) []byte {
	at := len(dst)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(record)))
	dst = binary.LittleEndian.AppendUint32(dst, checksum(dst[at:at+4], record))
	return append(dst, record...)
}

// condition is what is the matter with a segment.
type condition uint8

const (
	whole condition = iota
	torn            // it ends in the middle of a record, or in zeros
	bad             // there is damage with more behind it
)

// scan reads a segment of so many octets, and calls each for all records that it can find. good is how many octets at the
// beginning are in order. It takes no more memory than the longest record.
func scan(from io.Reader, size int64, each func(record []byte)) (good int64, c condition) {
	s := scanner{in: bufio.NewReaderSize(from, 64<<10), left: size}
	if size == 0 {
		return 0, whole
	}
	if start, ok := s.take(int64(len(magic))); !ok || string(start) != magic {
		return 0, s.wrongStart(start)
	}
	good = int64(len(magic))
	for s.left > 0 {
		record, result := s.record()
		switch {
		case result == intact:
			each(record)
			if c == whole {
				good = size - s.left
			}
		case c == bad && result == unfinished:
			return good, bad
		case result == unfinished || s.onlyZeros(record):
			return good, torn
		default:
			c = bad
		}
	}
	return good, c
}

// scanner reads a segment.
type scanner struct {
	in   *bufio.Reader
	left int64 // octets to come
	head [recordHead]byte
	buf  []byte
}

// take returns the next n octets, or what is left of them.
func (s *scanner) take(n int64) (data []byte, ok bool) {
	short := n > s.left
	n = min(n, s.left)
	if int64(cap(s.buf)) < n {
		s.buf = make([]byte, n)
	}
	data = s.buf[:n]
	got, err := io.ReadFull(s.in, data)
	if s.left -= n; err != nil {
		s.left = 0 // the disk gives no more
	}
	return data[:got], err == nil && !short
}

// wrongStart tells a segment that was just begun from one that is none.
func (s *scanner) wrongStart(start []byte) condition {
	if s.left == 0 && len(start) < len(magic) && string(start) == magic[:len(start)] || s.onlyZeros(start) {
		return torn
	}
	return bad
}

// result is what became of one record.
type result uint8

const (
	intact     result = iota
	unfinished        // it goes beyond the end, or says so
	broken            // its checksum is wrong
)

func (s *scanner) record() ([]byte, result) {
	head, ok := s.take(recordHead)
	if !ok {
		return head, unfinished
	}
	copy(s.head[:], head)
	length := int64(binary.LittleEndian.Uint32(s.head[:]))
	if length > s.left || length > maxRecord {
		return head, unfinished
	}
	record, ok := s.take(length)
	if !ok {
		return record, unfinished
	}
	if checksum(s.head[:4], record) == binary.LittleEndian.Uint32(s.head[4:]) {
		return record, intact
	}
	if s.left == 0 {
		return record, unfinished // the last one: its end was not written
	}
	return record, broken
}

// onlyZeros reports whether the record that was read last and all that follows it are zeros. It skips zeros.
func (s *scanner) onlyZeros(data []byte) bool {
	if s.head != [recordHead]byte{} || !zeros(data) {
		return false
	}
	for s.left > 0 {
		next, err := s.in.Peek(int(min(s.left, int64(s.in.Size()))))
		if err != nil || !zeros(next) {
			return false
		}
		s.in.Discard(len(next))
		s.left -= int64(len(next))
	}
	return true
}

func zeros(data []byte) bool {
	for _, c := range data {
		if c != 0 {
			return false
		}
	}
	return true
}
