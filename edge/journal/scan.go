package journal

import (
	"encoding/binary"
	"hash/crc32"
	"io"
	"strings"
)

// condition is the state of a segment.
type condition uint8

const (
	whole condition = iota
	torn            // its end is what a write that was cut short leaves
	bad             // records are damaged or missing
)

// result is what scan says of a segment.
type result struct {
	condition condition
	good      int64 // so many octets at the beginning are in order
	old       bool  // it has the form that was written before
}

// scan reads a segment of so many octets, and calls each for all intact records. It takes no more memory than the longest
// record, and time in proportion to size.
func scan(from io.ReaderAt, number uint64, size int64, each func(record []byte)) result {
	if size == 0 {
		return result{}
	}
	s := scanner{window: newWindow(from, size), place: newPlace(number), each: each}
	s.segment(number)
	if s.failed {
		s.condition = bad
	}
	return s.result
}

// scanner reads a segment.
type scanner struct {
	*window
	place *place
	each  func(record []byte)

	result
	suspect bool // what is behind the last intact record is damage, or the torn tail if no intact record follows
	records int
}

func (s *scanner) segment(number uint64) {
	header := string(s.at(0, int64(headerSize)))
	_, intact := parseHeader([]byte(header), number)
	switch {
	case intact:
		s.good = int64(headerSize)
		s.scan(s.good)
	case strings.HasPrefix(header, legacyMagic):
		s.old = true
		s.legacy(int64(len(legacyMagic)))
	case s.size <= int64(headerSize) && begun(header):
		s.condition = torn
	case strings.HasPrefix(header, magic):
		s.condition = bad
		s.scan(int64(headerSize))
	default:
		s.headless()
	}
}

// begun reports whether a file is what is left of a header that was being written.
func begun(header string) bool {
	header = strings.TrimRight(header, "\x00")
	return strings.HasPrefix(header, magic) || strings.HasPrefix(magic, header) || strings.HasPrefix(legacyMagic, header)
}

// headless reads a segment that has no beginning, in whichever form there are records.
func (s *scanner) headless() {
	s.condition = bad
	if s.scan(s.find(0)); s.records == 0 {
		s.legacy(0)
	}
}

// scan reads the records from an offset on.
func (s *scanner) scan(offset int64) {
	for offset < s.size {
		length, ok := s.head(offset)
		end := offset + headSize + length + tailSize
		switch {
		case ok && end > s.size, offset+headSize > s.size:
			s.cutShort()
			return
		case !ok:
			s.suspect = true
			offset = s.find(offset + 1)
		case s.record(offset, length):
			s.intact(end)
			offset = end
		default:
			s.suspect = true
			if s.at(end-1, 1)[0] != 0 {
				s.condition = bad // it was written to its end
			}
			offset = end
		}
	}
	if s.suspect && s.condition == whole {
		if s.condition = bad; s.last() == 0 {
			s.condition = torn
		}
	}
}

// cutShort notes that the segment ends in the middle of a record.
func (s *scanner) cutShort() {
	if s.condition == whole {
		s.condition = torn
	}
}

// intact notes that there was a record up to end.
func (s *scanner) intact(end int64) {
	if s.suspect {
		s.condition, s.suspect = bad, false
	}
	if s.condition == whole {
		s.good = end
	}
	s.records++
}

// head reads the head of a record.
func (s *scanner) head(offset int64) (length int64, ok bool) {
	head := s.at(offset, headSize)
	if len(head) < headSize {
		return 0, false
	}
	n := binary.LittleEndian.Uint32(head)
	return int64(n), n <= maxRecord && s.place.checksum(offset, n) == binary.LittleEndian.Uint32(head[4:])
}

// record reads a record, whose head is intact, and hands it on if the rest is.
func (s *scanner) record(offset, length int64) bool {
	check := binary.LittleEndian.Uint32(s.at(offset+4, 4))
	data := s.at(offset+headSize, length+tailSize)
	if crc32.Update(check, castagnoli, data[:length]) != binary.LittleEndian.Uint32(data[length:]) {
		return false
	}
	s.each(data[:length:length])
	return true
}

// find returns the offset of the next head, beginning with offset; the segment's size if there is none.
func (s *scanner) find(offset int64) int64 {
	for offset+headSize+tailSize <= s.size {
		data := s.at(offset, windowSize)
		for ; len(data) >= headSize; data = data[1:] {
			n := binary.LittleEndian.Uint32(data)
			check := binary.LittleEndian.Uint32(data[4:])
			fits := int64(n) <= s.size-offset-headSize-tailSize && (n|check) != 0
			if fits && s.place.checksum(offset, n) == check {
				return offset
			}
			offset++
		}
	}
	return s.size
}
