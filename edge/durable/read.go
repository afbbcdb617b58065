package durable

import (
	"slices"

	"runnel/edge/store"
)

// place is where a record begins. Events of one block have the same place.
type place struct {
	segment uint64
	offset  int64
}

// tail returns the place of the next record. The caller holds mu.
func (s *Store) tail() place {
	if n := len(s.segments); n > 0 {
		return place{s.segments[n-1].number, s.segments[n-1].octets}
	}
	return place{}
}

// Each calls each for every event that has been put and that the log still has. The event is valid only during the call.
func (s *Store) Each(each func(Publication)) error {
	if err := s.do(func() {}); err != nil {
		return err
	}
	var event store.Event
	return s.scan(place{}, new(unpacker), func(h *head, _, _ place) bool {
		if p, err := h.stored(&event, s.ReadOptions); err == nil {
			each(p)
		}
		return true
	})
}

// locate returns a place from which the first record above a position can be found. The caller holds mu, or runs before Run.
func (s *Store) locate(position uint64) place {
	for _, g := range s.segments {
		if g.last > position {
			return place{segment: g.number}
		}
	}
	return s.tail()
}

// scan reads the written events and gaps from a place on, until each returns false. each also gets the place from
// which the event can be found, and the place from which later events can be found. The event is valid only during
// the call. No lock is held.
func (s *Store) scan(from place, u *unpacker, each func(h *head, at, next place) bool) error {
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
		_, err := s.journal.From(g.number, at.offset, g.octets, u.buf, func(record []byte, end int64) bool {
			next := place{g.number, end}
			more = u.each(record, at, next, each)
			at = next
			return more
		})
		if err != nil || !more {
			return err
		}
	}
	return nil
}
