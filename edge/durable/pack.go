package durable

import (
	"bytes"
	"encoding/binary"
	"time"
)

// packer makes records of events and gaps. The zero value is empty.
type packer struct {
	data []byte // the records, one after the other
	ends []int  // of each of them

	// The last record, if it is a block that takes further events.
	open   bool
	start  int              // where it begins
	at     int64            // time of its last event
	shapes [maxShapes]shape // in data
	shaped int              // number of its shapes, including those whose slot was reused
}

// shape locates a shape and the last options of an event with this shape.
type shape struct{ start, end, options, optionsEnd int }

// reset empties the packer. It takes over memory for its records.
func (k *packer) reset(data []byte, ends []int) { k.data, k.ends, k.open = data[:0], ends[:0], false }

// event adds an event to the last block, or begins another one.
func (k *packer) event(position uint64, p *Publication) {
	at := p.At.UnixMilli()
	if !k.open || len(k.data)-k.start+len(p.Payload.Raw) > maxBlock {
		k.begin(blockRecord, position, at)
		k.open, k.at, k.shaped = true, at, 0
	}
	delta := uint64(at-k.at)<<1 ^ uint64((at-k.at)>>63)
	k.at = at
	first := len(k.data)
	if k.data = append(k.data, byte(min(delta, longDelta)<<slotBits)); delta >= longDelta {
		k.data = number(k.data, delta)
	}
	kind := kindOf(p)
	slot, again := k.shape(kind, p)
	if again {
		k.data[first] |= byte(slot)
	} else {
		k.data[first] |= newShape
	}
	var id [8]byte
	binary.LittleEndian.PutUint64(id[:], uint64(p.ID))
	k.data = append(k.data, id[:idSize]...)
	if kind&flagExpires != 0 {
		k.data = number(k.data, uint64(max(p.At.Add(p.TTL).UnixMilli(), 1)-at))
	}
	if kind&flagOptions != 0 {
		k.options(&k.shapes[slot], p.Dict.Raw, again)
	}
	k.data = appendBytes(k.data, p.Payload.Raw)
	k.ends[len(k.ends)-1] = len(k.data)
}

// gap adds a gap.
func (k *packer) gap(position uint64, at time.Time, g loss) {
	k.begin(gapRecord, position, at.UnixMilli())
	k.data = appendBytes(k.data, "")
	k.data = number(k.data, g.events)
	k.data = appendBytes(k.data, g.reason)
	k.data = number(k.data, g.segment)
	k.ends[len(k.ends)-1], k.open = len(k.data), false
}

func (k *packer) begin(kind byte, position uint64, at int64) {
	k.start = len(k.data)
	k.data = number(append(k.data, kind), position)
	k.data = number(k.data, uint64(at))
	k.ends = append(k.ends, len(k.data))
}

// kindOf returns the first byte of an event's shape.
func kindOf(p *Publication) byte {
	kind := byte(eventRecord)
	for i, set := range [...]bool{
		p.Disclosed, p.Trusted, p.Forwarded, p.Anonymous, p.TTL > 0, p.Disclosed || p.Origin || p.Consumer, !p.Plain && len(p.Dict.Raw) > 0,
	} {
		if set {
			kind |= 1 << i
		}
	}
	return kind
}

// shape returns the slot of an event's shape. again means that the block already has it; otherwise shape appends it.
func (k *packer) shape(kind byte, p *Publication) (slot int, again bool) {
	start := len(k.data)
	k.data = appendBytes(append(k.data, kind), p.Topic)
	if kind&flagPublisher != 0 {
		k.data = number(k.data, uint64(p.Publisher.ID))
		k.data = appendBytes(k.data, p.Publisher.Authid)
		k.data = appendBytes(k.data, p.Publisher.Authrole)
	}
	if kind&flagTrusted != 0 {
		k.data = number(k.data, uint64(p.Trust))
	}
	if kind&flagOptions != 0 {
		k.data = append(k.data, byte(p.Dict.Serializer))
	}
	k.data = append(k.data, byte(p.Payload.Serializer)<<2|byte(p.Payload.Items))
	for i := range min(k.shaped, maxShapes) {
		if x := k.shapes[i]; bytes.Equal(k.data[x.start:x.end], k.data[start:]) {
			k.data = k.data[:start]
			return i, true
		}
	}
	slot = k.shaped % maxShapes
	k.shaped++
	k.shapes[slot] = shape{start: start, end: len(k.data)}
	return slot, false
}

// options appends the options of an event. again means that the block already has an event of this shape.
func (k *packer) options(x *shape, raw []byte, again bool) {
	if again && bytes.Equal(k.data[x.options:x.optionsEnd], raw) {
		k.data = number(k.data, 0)
		return
	}
	k.data = number(k.data, uint64(len(raw))+1)
	x.options = len(k.data)
	k.data = append(k.data, raw...)
	x.optionsEnd = len(k.data)
}
