package journal

import "encoding/binary"

// The legacy format: a magic word, then records. Each record is its length, the CRC-32C of length and record, and the
// record. Segments in this format are read but never appended to.
const legacyMagic = "RUNNELJ1"

// legacyWork limits the search for the next record after damage. It is the number of bytes to checksum, in addition to
// four times the size of the segment. Only the checksum over the whole record identifies a record in this format.
const legacyWork = 64 << 20

// scanLegacy reads the legacy records of a segment, starting at offset.
func (s *scanner) scanLegacy(offset int64) {
	if s.condition == whole {
		s.good = offset
	}
	work := legacyWork + 4*s.size
	for offset < s.size {
		end, ok := s.legacyRecord(offset)
		if ok {
			s.each(s.at(offset+headSize, end-offset-headSize))
			s.noteIntact(end)
			offset = end
			continue
		}
		s.suspect = true
		offset = s.findLegacy(offset+1, &work)
	}
	if s.suspect {
		s.noteTorn()
	}
}

// legacyRecord verifies the record at offset and returns the offset of its end. If the length is out of range, it
// returns the size of the segment.
func (s *scanner) legacyRecord(offset int64) (end int64, ok bool) {
	head := s.at(offset, headSize)
	if len(head) < headSize {
		return s.size, false
	}
	length := int64(binary.LittleEndian.Uint32(head))
	sum := binary.LittleEndian.Uint32(head[4:])
	if length > min(maxRecord, s.size-offset-headSize) {
		return s.size, false
	}
	crc := s.checksum(s.checksum(0, offset, 4), offset+headSize, length)
	return offset + headSize + length, crc == sum
}

// findLegacy returns the offset of the next intact record. It returns the size of the segment if there is none or if
// work is used up.
func (s *scanner) findLegacy(offset int64, work *int64) int64 {
	for ; offset+headSize <= s.size && *work > 0; offset++ {
		head := s.at(offset, headSize)
		length := int64(binary.LittleEndian.Uint32(head))
		if length > min(maxRecord, s.size-offset-headSize) || length == 0 && binary.LittleEndian.Uint32(head[4:]) == 0 {
			continue
		}
		*work -= length
		if !s.holds(offset, headSize+length) {
			*work -= blockSize
		}
		if _, ok := s.legacyRecord(offset); ok {
			return offset
		}
	}
	return s.size
}
