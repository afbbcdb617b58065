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
	torn            // the end looks like an interrupted write
	bad             // records are damaged or missing
)

// result is the outcome of scan.
type result struct {
	condition condition
	good      int64 // number of intact bytes at the beginning
	old       bool  // the segment has the legacy format
}

// scan reads the first size bytes of a segment and calls each for every intact record. Its memory is bounded by the
// longest record, and its time is proportional to size.
func scan(from io.ReaderAt, number uint64, size int64, each func(record []byte)) result {
	if size == 0 {
		return result{}
	}
	s := scanner{window: newWindow(from, size), place: newPlace(number), each: each}
	s.scanSegment(number)
	if s.failed {
		s.condition = bad
	}
	return s.result
}

// scanner reads one segment.
type scanner struct {
	*window
	place *place
	each  func(record []byte)

	result
	suspect bool // data after the last intact record is damaged; it is a torn tail if no intact record follows
	found   bool // there was an intact record
}

func (s *scanner) scanSegment(number uint64) {
	header := string(s.at(0, int64(headerSize)))
	_, intact := parseHeader([]byte(header), number)
	switch {
	case intact:
		s.good = int64(headerSize)
		s.scanRecords(s.good)
	case strings.HasPrefix(header, legacyMagic):
		s.old = true
		s.scanLegacy(int64(len(legacyMagic)))
	case s.size <= int64(headerSize) && beginsHeader(header):
		s.condition = torn
	case strings.HasPrefix(header, magic):
		s.condition = bad
		s.scanRecords(int64(headerSize))
	default:
		s.scanHeadless()
	}
}

// beginsHeader reports whether the contents of a file are the beginning of a header, possibly followed by zeros.
func beginsHeader(header string) bool {
	header = strings.TrimRight(header, "\x00")
	return strings.HasPrefix(header, magic) || strings.HasPrefix(magic, header) || strings.HasPrefix(legacyMagic, header)
}

// scanHeadless reads a segment that has no valid beginning. It accepts records of both formats.
func (s *scanner) scanHeadless() {
	s.condition = bad
	if s.scanRecords(s.findHead(0)); !s.found {
		s.scanLegacy(0)
	}
}

// scanRecords reads the records from offset on.
func (s *scanner) scanRecords(offset int64) {
	for offset < s.size {
		length, ok := s.parseHead(offset)
		end := offset + headSize + length + tailSize
		switch {
		case ok && end > s.size, offset+headSize > s.size:
			s.noteTorn()
			return
		case !ok:
			s.suspect = true
			offset = s.findHead(offset + 1)
		case s.readRecord(offset, length):
			s.noteIntact(end)
			offset = end
		default:
			s.suspect = true
			if s.at(end-1, 1)[0] != 0 {
				s.condition = bad // the record was written to its end, so it is not torn
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

// noteTorn records that the segment ends within a record.
func (s *scanner) noteTorn() {
	if s.condition == whole {
		s.condition = torn
	}
}

// noteIntact records an intact record that ends at end.
func (s *scanner) noteIntact(end int64) {
	if s.suspect {
		s.condition, s.suspect = bad, false
	}
	if s.condition == whole {
		s.good = end
	}
	s.found = true
}

// parseHead parses the head of the record at offset.
func (s *scanner) parseHead(offset int64) (length int64, ok bool) {
	head := s.at(offset, headSize)
	if len(head) < headSize {
		return 0, false
	}
	n := binary.LittleEndian.Uint32(head)
	return int64(n), n <= maxRecord && s.place.checksum(offset, n) == binary.LittleEndian.Uint32(head[4:])
}

// readRecord passes a record to each if it is intact. Its head must be intact.
func (s *scanner) readRecord(offset, length int64) bool {
	check := binary.LittleEndian.Uint32(s.at(offset+4, 4))
	data := s.at(offset+headSize, length+tailSize)
	if crc32.Update(check, castagnoli, data[:length]) != binary.LittleEndian.Uint32(data[length:]) {
		return false
	}
	s.each(data[:length:length])
	return true
}

// findHead returns the offset of the first head at or after offset, or the size of the segment if there is none.
func (s *scanner) findHead(offset int64) int64 {
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
