package durable

import (
	"encoding/binary"

	"runnel/edge/wamp"
)

// unpacker reads records. Its memory is used again for each of them.
type unpacker struct {
	buf    []byte // for reading from disk; nil: memory of its own
	head   head
	shapes [maxShapes]knownShape
	shaped int
}

// knownShape is a shape of the current block.
type knownShape struct {
	start   uint32 // in the record
	options []byte // of the last event with this shape
}

// each calls each for every event of a record, or for its gap, until each returns false. It then returns false, too.
// each also gets the place from which the event can be found, and the place from which later events can be found. It
// ignores the rest of a record that it cannot read.
func (u *unpacker) each(record []byte, at, next place, each func(h *head, at, next place) bool) bool {
	f := fields{record, true}
	h := &u.head
	*h = head{kind: f.byte(), position: f.uint(), at: int64(f.uint())}
	if !f.ok || h.position == 0 {
		return true
	}
	if h.kind == gapRecord {
		h.topic, h.rest, h.size = f.bytes(), f.data, int64(len(record))
		return !f.ok || each(h, at, next)
	}
	if h.kind != blockRecord {
		return true
	}
	u.shaped = 0
	for more := len(f.data) > 0 && f.data[0] != padding; more; h.position++ {
		if !u.event(record, &f) {
			return true
		}
		to := next
		if more = len(f.data) > 0 && f.data[0] != padding; more {
			to = at
		}
		if !each(h, at, to) {
			return false
		}
	}
	return true
}

// event reads an event of a block into head. It returns false if it cannot.
func (u *unpacker) event(record []byte, f *fields) bool {
	h, length := &u.head, len(f.data)
	first := f.byte()
	slot, delta := int(first&(1<<slotBits-1)), uint64(first>>slotBits)
	if delta == longDelta {
		delta = f.uint()
	}
	h.at += int64(delta>>1) ^ -int64(delta&1)
	s := fields{ok: true}
	switch {
	case slot < min(u.shaped, maxShapes):
		s.data = record[u.shapes[slot].start:]
		h.kind, h.topic = s.byte(), s.bytes()
	case slot == newShape:
		s.data = f.data
		slot = u.shaped % maxShapes
		u.shaped++
		u.shapes[slot] = knownShape{start: uint32(len(record) - len(s.data))}
		h.kind, h.topic = s.byte(), s.bytes()
		f.skipShape(h.kind, s)
	default:
		return false
	}
	h.rest = s.data
	h.id = f.publication()
	if h.expires = 0; h.kind&flagExpires != 0 {
		h.expires = h.at + int64(f.uint())
	}
	if h.options = nil; h.kind&flagOptions != 0 {
		if n := f.uint(); n > 0 {
			u.shapes[slot].options = f.take(n - 1)
		}
		h.options = u.shapes[slot].options
	}
	h.payload = f.bytes()
	h.size = int64(length - len(f.data))
	return f.ok && h.kind >= eventRecord
}

// skipShape skips a shape. rest begins after the topic of the shape.
func (f *fields) skipShape(kind byte, rest fields) {
	if kind&flagPublisher != 0 {
		rest.uint()
		rest.bytes()
		rest.bytes()
	}
	if kind&flagTrusted != 0 {
		rest.uint()
	}
	if kind&flagOptions != 0 {
		rest.byte()
	}
	rest.byte()
	f.data, f.ok = rest.data, f.ok && rest.ok
}

// publication takes a publication id.
func (f *fields) publication() wamp.ID {
	var id [8]byte
	copy(id[:], f.take(idSize))
	return wamp.ID(binary.LittleEndian.Uint64(id[:]))
}
