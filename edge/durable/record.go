package durable

import (
	"encoding/binary"
	"errors"
	"time"

	"runnel/edge/codec"
	"runnel/edge/store"
	"runnel/edge/wamp"
)

// A record of the log is a block of events, or a gap. Numbers are varints, texts and bytes are preceded by their length, times are
// ms since 1970. Fields in brackets are present if their flag is set.
//
//	block  3, position of the first event, its time, events with consecutive positions, padding
//	gap    2, position, time, "", number of events (0: unknown), reason, damaged segment (0: none), padding
//
//	event  1 byte, see below, [time], [shape], publication (7 bytes, little-endian), [expiry less time], [options], payload
//	shape  128 + flags, topic, [publisher, authid, authrole], [trust level], [serializer of the options],
//	       4 * serializer + items of the payload
//
// The lower 5 bits of an event's first byte are the slot of its shape: a block has 16. newShape means that a shape follows,
// which takes the next slot, in turn. padding ends the block. The upper 3 bits are the event's time less that of the event
// before it, as a zigzag number. If the number does not fit, the bits are all set, and the number follows. The options are a
// number and their bytes: 0 means the options of the last event with this shape, and any other number is their length plus 1.
const (
	eventRecord = 128
	gapRecord   = 2
	blockRecord = 3

	maxShapes = 16
	newShape  = 16
	padding   = 31
	slotBits  = 5
	longDelta = 1<<(8-slotBits) - 1

	// A block takes no further event beyond this size in bytes. Damage costs a whole block, and a consumer that begins
	// within one reads it from its start.
	maxBlock = 8 << 10
)

// Flags of a shape.
const (
	flagDisclosed = 1 << iota
	flagTrusted   // there is a trust level
	flagForwarded
	flagAnonymous
	flagExpires
	flagPublisher
	flagOptions
)

const idSize = 7 // bytes, of a publication id

var errRecord = errors.New("not a record of this version")

// known reports whether a record has a form of this version. An earlier version had a record for each event.
func known(record []byte) bool {
	return len(record) > 0 && (record[0] == blockRecord || record[0] == gapRecord)
}

// head is an event or a gap in a record. It is valid until the next one is read.
type head struct {
	kind     byte
	position uint64
	at       int64 // ms since 1970
	expires  int64 // ms since 1970; 0: never
	id       wamp.ID
	topic    []byte
	rest     []byte // begins with the fields after the topic
	options  []byte
	payload  []byte
	size     int64 // bytes in the log
}

// Publication is an event to be kept.
type Publication struct {
	*store.Event
	Anonymous bool // the publisher has no identity
	Origin    bool // the options have an origin, so the publisher's names are needed
	Consumer  bool // the publisher has durable subscriptions, and may not get its own event
	Plain     bool // the options do not affect the event, and need not be kept

	At       time.Time // when it was published; Put sets it if it is zero
	Position uint64    // set by Put
	End      time.Time // of an event that was read: when its publisher's limit ends; zero: never
}

// number appends a varint. It is not inlined, because it is called often.
//
//go:noinline
func number(dst []byte, n uint64) []byte { return binary.AppendUvarint(dst, n) }

func appendBytes[T string | []byte](dst []byte, b T) []byte {
	dst = number(dst, uint64(len(b)))
	return append(dst, b...)
}

// loss is the content of a gap record.
type loss struct {
	events  uint64 // 0: unknown
	reason  string
	segment uint64 // that is damaged; 0: none
}

// fields takes fields from a record. ok is false once one was missing.
type fields struct {
	data []byte
	ok   bool
}

func (f *fields) uint() uint64 {
	v, n := binary.Uvarint(f.data)
	if n <= 0 {
		f.ok = false
		return 0
	}
	f.data = f.data[n:]
	return v
}

func (f *fields) byte() (b byte) {
	if f.ok = f.ok && len(f.data) > 0; f.ok {
		b, f.data = f.data[0], f.data[1:]
	}
	return b
}

func (f *fields) bytes() (b []byte) { return f.take(f.uint()) }

func (f *fields) take(n uint64) (b []byte) {
	if f.ok = f.ok && n <= uint64(len(f.data)); f.ok {
		b, f.data = f.data[:n:n], f.data[n:]
	}
	return b
}

// event reads the event into e, without its TTL. It shares the record's memory.
func (h *head) event(e *store.Event, options func(*store.Event) error) (p Publication, err error) {
	*e = store.Event{Topic: h.topic, ID: h.id}
	if h.kind < eventRecord || !wamp.ValidID(e.ID) {
		return p, errRecord
	}
	f, has := fields{h.rest, true}, func(flag byte) bool { return h.kind&flag != 0 }
	e.Disclosed, e.Trusted, e.Forwarded = has(flagDisclosed), has(flagTrusted), has(flagForwarded)
	p = Publication{Event: e, Anonymous: has(flagAnonymous)}
	if has(flagPublisher) {
		e.Publisher = store.Publisher{ID: wamp.ID(f.uint()), Authid: string(f.bytes()), Authrole: string(f.bytes())}
	}
	if e.Trusted {
		e.Trust = int(f.uint())
	}
	if has(flagOptions) {
		e.Dict = codec.Dict{Serializer: wamp.Serializer(f.byte()), Raw: h.options}
	}
	form := f.byte()
	e.Payload = codec.Payload{Serializer: wamp.Serializer(form >> 2), Items: int(form & 3), Raw: h.payload}
	if !f.ok || e.Payload.Items > 2 {
		return p, errRecord
	}
	if has(flagOptions) {
		if err := e.Dict.Check(); err != nil {
			return p, err
		}
	}
	return p, options(e)
}

// stored reads the event into e, with its time and position.
func (h *head) stored(e *store.Event, options func(*store.Event) error) (p Publication, err error) {
	p, err = h.event(e, options)
	if p.At, p.Position = time.UnixMilli(h.at), h.position; h.expires != 0 {
		p.End = time.UnixMilli(h.expires)
	}
	return p, err
}

// published returns the time when an event was first published. This is the time of its arrival, or an earlier time
// that another router gives, if that router's clock was set. dated reports whether a router gives the time.
func published(e *store.Event, at int64) (first time.Time, dated bool) {
	for f := e.Dict.Fields(); e.Forwarded && f.Next(); {
		if string(f.Key()) == wamp.KeyTime {
			dated = true
			if ms, _ := f.Value().Uint(); ms > clockSet && ms < uint64(at) {
				at = int64(ms)
			}
		}
	}
	return time.UnixMilli(at), dated
}

// clockSet is 2020-01-01 in ms since 1970. A clock before that has not been set.
const clockSet = 1577836800000

func (h *head) loss() (g loss, err error) {
	f := fields{h.rest, h.kind == gapRecord}
	g.events, g.reason, g.segment = f.uint(), string(f.bytes()), f.uint()
	if !f.ok {
		return g, errRecord
	}
	return g, nil
}

// events returns how many events are lost with this record. A gap stands for its events, and for at least one.
func (h *head) events() uint64 {
	if h.kind >= eventRecord {
		return 1
	}
	g, _ := h.loss()
	return max(g.events, 1)
}

// expired reports whether the publisher's limit has passed.
func (h *head) expired(now time.Time) bool { return h.expires != 0 && now.UnixMilli() > h.expires }
