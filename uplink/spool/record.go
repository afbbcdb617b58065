package spool

import (
	"encoding/binary"
	"time"

	"runnel/edge/codec"
	"runnel/edge/wamp"
)

// recordKind is the first octet of a record.
type recordKind uint8

const (
	eventRecord recordKind = 1 + iota
	gapRecord
	markRecord // states only up to which number events are acknowledged
	heldRecord // a held event and the reason why its topic is held
	goneRecord // held events of a topic up to a number were removed

	limited recordKind = 0x40 // added to the kind of an event that expires
)

// record is a record of a log. All kinds begin with kind, epoch, sequence, acked and at. They continue as follows:
//
//	event   limit in ms and expiry in ms since 1970 if the event expires, time, topic, options, serializer, items, payload
//	held    class, reason, then as event
//	gap     time, reason, first, last, count, octets, since
//	gone    topic
//	mark    nothing
//
// Numbers are varints, except the single octets kind, class, serializer and items. Texts are preceded by their length;
// the payload is the rest of the record.
type record struct {
	Event
	kind   recordKind
	acked  uint64 // all events up to this number are acknowledged or dropped
	reason string // why the topic is held
	at     int64  // by the spool's clock
}

func appendHead(dst []byte, k recordKind, epoch, sequence, acked uint64, at int64) []byte {
	dst = append(dst, byte(k))
	dst = binary.AppendUvarint(dst, epoch)
	dst = binary.AppendUvarint(dst, sequence)
	dst = binary.AppendUvarint(dst, acked)
	return binary.AppendUvarint(dst, uint64(at))
}

func appendEvent(dst []byte, e *entry, acked uint64) []byte {
	dst = appendHead(dst, eventRecord|e.limited(), e.Epoch, e.Sequence, acked, e.at)
	return appendBody(dst, &e.Event)
}

// appendBody appends the part of an event's record that follows the head.
func appendBody(dst []byte, e *Event) []byte {
	if e.limit > 0 {
		dst = binary.AppendVarint(binary.AppendVarint(dst, e.limit), e.until)
	}
	dst = binary.AppendVarint(dst, e.Time.UnixMicro())
	dst = append(binary.AppendUvarint(dst, uint64(len(e.Topic))), e.Topic...)
	dst = append(binary.AppendUvarint(dst, uint64(len(e.Options))), e.Options...)
	dst = append(dst, byte(e.Payload.Serializer), byte(e.Payload.Items))
	return append(dst, e.Payload.Raw...)
}

func appendHeld(dst []byte, in *heldEvent, acked uint64) []byte {
	dst = appendHead(dst, heldRecord|in.limited(), in.Epoch, in.Sequence, acked, in.at)
	dst = append(dst, byte(in.Class))
	dst = append(binary.AppendUvarint(dst, uint64(len(in.reason))), in.reason...)
	return appendBody(dst, &in.Event)
}

func appendGone(dst []byte, topic string, epoch, gone, acked uint64, at int64) []byte {
	dst = appendHead(dst, goneRecord, epoch, gone, acked, at)
	return append(binary.AppendUvarint(dst, uint64(len(topic))), topic...)
}

func appendGap(dst []byte, e *entry, acked uint64) []byte {
	dst = appendHead(dst, gapRecord, e.Epoch, e.Sequence, acked, e.at)
	dst = binary.AppendVarint(dst, e.Time.UnixMicro())
	dst = append(binary.AppendUvarint(dst, uint64(len(e.Gap.Reason))), e.Gap.Reason...)
	for _, n := range []uint64{e.Gap.First, e.Gap.Last, e.Gap.Count, e.Gap.Octets} {
		dst = binary.AppendUvarint(dst, n)
	}
	return binary.AppendVarint(dst, e.Gap.Since.UnixMicro())
}

// decode decodes a record. The bytes of the event alias data. If the topic equals topic, that string is used, to save
// memory.
func decode(data []byte, topic string) (r record, ok bool) {
	d := decoder{data: data, ok: true}
	kind := recordKind(d.octet())
	r.kind = kind &^ limited
	r.Epoch, r.Sequence, r.acked = d.uvarint(), d.uvarint(), d.uvarint()
	r.at = int64(d.uvarint())
	switch r.kind {
	case heldRecord, eventRecord:
		if r.kind == heldRecord {
			r.Class = Class(d.octet())
			r.reason = string(d.text())
		}
		if kind != r.kind {
			r.limit, r.until = d.varint(), d.varint()
			d.ok = d.ok && r.limit > 0 && r.limit <= maxLimit
		}
		r.Time = time.UnixMicro(d.varint())
		if text := d.text(); string(text) == topic {
			r.Topic = topic
		} else {
			r.Topic = string(text)
		}
		r.Options = d.text()
		r.Payload = codec.Payload{Serializer: wamp.Serializer(d.octet()), Items: int(d.octet())}
		r.Payload.Raw = d.data
	case gapRecord:
		r.Time = time.UnixMicro(d.varint())
		g := &Gap{Reason: Reason(d.text())}
		g.First, g.Last, g.Count, g.Octets = d.uvarint(), d.uvarint(), d.uvarint(), d.uvarint()
		g.Since = time.UnixMicro(d.varint())
		r.Gap = g
	case goneRecord:
		r.Topic = string(d.text())
	case markRecord:
	default:
		return r, false
	}
	if kind != r.kind && r.limit == 0 {
		return r, false
	}
	old := r.kind == heldRecord || r.kind == goneRecord // events up to a later number may be acknowledged before a held event is written
	return r, d.ok && r.at >= 0 && (old || r.acked <= r.Sequence) && r.Sequence < 1<<62 && r.acked < 1<<62 && r.Class <= Durable
}

// decoder reads the fields of a record. After a missing or invalid field, ok is false and all further fields are zero.
type decoder struct {
	data []byte
	ok   bool
}

func (d *decoder) octet() byte {
	if len(d.data) == 0 {
		d.ok = false
		return 0
	}
	b := d.data[0]
	d.data = d.data[1:]
	return b
}

func (d *decoder) uvarint() uint64 {
	n, size := binary.Uvarint(d.data)
	d.skip(size)
	return n
}

func (d *decoder) varint() int64 {
	n, size := binary.Varint(d.data)
	d.skip(size)
	return n
}

func (d *decoder) skip(size int) {
	if size <= 0 {
		d.ok, d.data = false, nil
		return
	}
	d.data = d.data[size:]
}

func (d *decoder) text() []byte {
	n := d.uvarint()
	if n > uint64(len(d.data)) {
		d.ok, d.data = false, nil
		return nil
	}
	text := d.data[:n:n]
	d.data = d.data[n:]
	return text
}
