package journal

import "encoding/binary"

// The form that was written before: a magic word; then records, each its length, the CRC-32C of length and record, and the
// record. Segments in it are read, and never appended to.
const legacyMagic = "RUNNELJ1"

// legacyWork bounds the search for the next record behind damage: octets to compute checksums over, beside four times the
// segment's size. Nothing but the checksum of the whole record tells a record of this form.
const legacyWork = 64 << 20

// legacy reads the records of a segment in the old form from an offset on.
func (s *scanner) legacy(offset int64) {
	if s.condition == whole {
		s.good = offset
	}
	work := legacyWork + 4*s.size
	for offset < s.size {
		end, ok := s.legacyRecord(offset)
		if ok {
			s.each(s.at(offset+headSize, end-offset-headSize))
			s.intact(end)
			offset = end
			continue
		}
		s.suspect = true
		offset = s.findLegacy(offset+1, &work)
	}
	if s.suspect {
		s.cutShort()
	}
}

// legacyRecord checks a record and returns where it ends; the segment's size if its length can't be right.
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

// findLegacy returns the offset of the next intact record; the segment's size if there is none, or it takes too much work.
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
