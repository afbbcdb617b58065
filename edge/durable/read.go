package durable

import (
	"slices"

	"runnel/edge/store"
)

// place is where a record begins.
type place struct {
	segment uint64
	offset  int64
}

// end returns the place of the next record. Holds mu.
func (s *Store) end() place {
	if n := len(s.segments); n > 0 {
		return place{s.segments[n-1].number, s.segments[n-1].octets}
	}
	return place{}
}

// Each calls each for every event that was put before, as long as the log has it. The event is valid during the call only.
func (s *Store) Each(each func(Publication)) error {
	if err := s.do(func() {}); err != nil {
		return err
	}
	var event store.Event
	return s.scan(place{}, nil, func(record []byte, _, _ place) bool {
		if h, err := readHead(record); err == nil {
			if p, err := h.stored(&event, s.ReadOptions); err == nil {
				each(p)
			}
		}
		return true
	})
}

// locate returns a place from which the first record above a position can be found. Holds mu, or runs before Run.
func (s *Store) locate(position uint64) place {
	for _, g := range s.segments {
		if g.last > position {
			return place{segment: g.number}
		}
	}
	return s.end()
}

// scan reads the written records from a place on, until each returns false. each also gets the record's place, and that of the
// next one. The bytes of a record are valid during the call only. buf may be a buffer for reading. No lock is held.
func (s *Store) scan(from place, buf []byte, each func(record []byte, at, next place) bool) error {
	s.mu.Lock()
	i := slices.IndexFunc(s.segments, func(g segment) bool { return g.number >= from.segment })
	if i < 0 {
		i = len(s.segments)
	}
	list := slices.Clone(s.segments[i:])
	s.mu.Unlock()
	more := true
	for _, g := range list {
		at := place{segment: g.number}
		if g.number == from.segment {
			at = from
		}
		_, err := s.journal.From(g.number, at.offset, g.octets, buf, func(record []byte, end int64) bool {
			next := place{g.number, end}
			more = each(record, at, next)
			at = next
			return more
		})
		if err != nil || !more {
			return err
		}
	}
	return nil
}
