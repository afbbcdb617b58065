package journal

import (
	"errors"
	"fmt"
	"io/fs"
)

// From reads the intact records in the first octets bytes of a segment, beginning at an offset, until each returns
// false. each also gets the offset after the record. offset must be 0 or such an offset. From returns where to
// continue. buf is used for reading; without one, From allocates it. Like Each, From may be called from any goroutine
// at any time. A segment that was deleted has no records.
func (j *Journal) From(number uint64, offset, octets int64, buf []byte, each func(record []byte, end int64) bool) (next int64, err error) {
	offset = max(offset, int64(headerSize))
	if offset >= octets {
		return octets, nil
	}
	f, err := j.disk.Open(j.path(number))
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return octets, nil
		}
		return offset, fmt.Errorf("read journal: %w", err)
	}
	defer f.Close()
	if cap(buf) == 0 {
		buf = make([]byte, 0, min(windowSize, octets-offset))
	}
	more, end := true, offset
	s := scanner{
		window: &window{from: f, size: octets, buf: buf[:0]}, place: newPlace(number),
		each: func(record []byte) { more = each(record, end) },
	}
	for more && offset < octets {
		length, ok := s.parseHead(offset)
		if !ok {
			offset = s.findHead(offset + 1)
			continue
		}
		if end = offset + headSize + length + tailSize; end > octets {
			return octets, nil
		}
		s.readRecord(offset, length)
		offset = end
	}
	if s.failed {
		return offset, fmt.Errorf("read journal: parts of %s are unreadable", j.path(number))
	}
	return offset, nil
}
