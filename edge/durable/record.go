package durable

import (
	"encoding/binary"
	"errors"
	"time"

	"runnel/edge/codec"
	"runnel/edge/store"
	"runnel/edge/wamp"
)

// A record of the log. Numbers are varints, texts and bytes are preceded by their length, times are ms since 1970. A publication
// id has 7 bytes, little-endian. Fields in brackets are present if their flag is set.
//
//	event  128 + flags, position, time, [expiry], topic, publication, [publisher, authid, authrole], [trust level],
//	       [serializer, options], 4 * serializer + items, payload
//	gap    2, position, time, "", number of events (0: unknown), reason, damaged segment (0: none)
const (
	eventRecord = 128
	gapRecord   = 2
)

// Flags of an event.
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

// head is the beginning of a record, which says whom it concerns.
type head struct {
	kind     byte
	position uint64
	at       int64 // ms since 1970
	expires  int64 // ms since 1970; 0: never
	topic    []byte
	rest     []byte
}

// Publication is an event to be kept.
type Publication struct {
	*store.Event
	Anonymous bool // the publisher has no identity
	Origin    bool // the options have an origin, so the publisher's names are needed
	Consumer  bool // the publisher has durable subscriptions, and may not get its own event
	Plain     bool // the options say nothing about the event, and need not be kept

	At       time.Time // when it was published; Put sets it if it is zero
	Position uint64    // set by Put
	End      time.Time // of an event that was read: when its publisher's limit is over; zero: never
}

func appendHead(dst []byte, kind byte, position uint64, at, expires int64, topic []byte) []byte {
	dst = append(dst, kind)
	dst = number(dst, position)
	dst = number(dst, uint64(at))
	if kind&flagExpires != 0 {
		dst = number(dst, uint64(expires))
	}
	return appendBytes(dst, topic)
}

// number appends a varint. It is not inlined, because it is called often.
//
//go:noinline
func number(dst []byte, n uint64) []byte { return binary.AppendUvarint(dst, n) }

func appendBytes[T string | []byte](dst []byte, b T) []byte {
	dst = number(dst, uint64(len(b)))
	return append(dst, b...)
}

func appendEvent(dst []byte, position uint64, at time.Time, p *Publication) []byte {
	kind, expires := byte(eventRecord), int64(0)
	for i, set := range [...]bool{
		p.Disclosed, p.Trusted, p.Forwarded, p.Anonymous, p.TTL > 0, p.Disclosed || p.Origin || p.Consumer, !p.Plain && len(p.Dict.Raw) > 0,
	} {
		if set {
			kind |= 1 << i
		}
	}
	if kind&flagExpires != 0 {
		expires = max(at.Add(p.TTL).UnixMilli(), 1)
	}
	dst = appendHead(dst, kind, position, at.UnixMilli(), expires, p.Topic)
	var id [8]byte
	binary.LittleEndian.PutUint64(id[:], uint64(p.ID))
	dst = append(dst, id[:idSize]...)
	if kind&flagPublisher != 0 {
		dst = number(dst, uint64(p.Publisher.ID))
		dst = appendBytes(dst, p.Publisher.Authid)
		dst = appendBytes(dst, p.Publisher.Authrole)
	}
	if kind&flagTrusted != 0 {
		dst = number(dst, uint64(p.Trust))
	}
	if kind&flagOptions != 0 {
		dst = appendBytes(append(dst, byte(p.Dict.Serializer)), p.Dict.Raw)
	}
	return appendBytes(append(dst, byte(p.Payload.Serializer)<<2|byte(p.Payload.Items)), p.Payload.Raw)
}

func appendGap(dst []byte, position uint64, at time.Time, g loss) []byte {
	dst = appendHead(dst, gapRecord, position, at.UnixMilli(), 0, nil)
	dst = number(dst, g.events)
	dst = appendBytes(dst, g.reason)
	return number(dst, g.segment)
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

func (f *fields) bytes() (b []byte) {
	n := f.uint()
	if f.ok = f.ok && n <= uint64(len(f.data)); f.ok {
		b, f.data = f.data[:n:n], f.data[n:]
	}
	return b
}

func readHead(record []byte) (h head, err error) {
	f := fields{record, true}
	h.kind, h.position, h.at = f.byte(), f.uint(), int64(f.uint())
	if h.kind >= eventRecord && h.kind&flagExpires != 0 {
		h.expires = int64(f.uint())
	}
	h.topic, h.rest = f.bytes(), f.data
	if !f.ok || h.position == 0 || h.kind < eventRecord && h.kind != gapRecord {
		return h, errRecord
	}
	return h, nil
}

// publication returns the publication id of an event; 0 if the record is none.
func (h *head) publication() wamp.ID {
	if h.kind < eventRecord || len(h.rest) < idSize {
		return 0
	}
	var id [8]byte
	copy(id[:], h.rest[:idSize])
	return wamp.ID(binary.LittleEndian.Uint64(id[:]))
}

// event reads the event of a record into e, without its TTL. It shares the record's memory.
func (h *head) event(e *store.Event, options func(*store.Event) error) (p Publication, err error) {
	*e = store.Event{Topic: h.topic, ID: h.publication()}
	if !wamp.ValidID(e.ID) {
		return p, errRecord
	}
	f, has := fields{h.rest[idSize:], true}, func(flag byte) bool { return h.kind&flag != 0 }
	e.Disclosed, e.Trusted, e.Forwarded = has(flagDisclosed), has(flagTrusted), has(flagForwarded)
	p = Publication{Event: e, Anonymous: has(flagAnonymous)}
	if has(flagPublisher) {
		e.Publisher = store.Publisher{ID: wamp.ID(f.uint()), Authid: string(f.bytes()), Authrole: string(f.bytes())}
	}
	if e.Trusted {
		e.Trust = int(f.uint())
	}
	if has(flagOptions) {
		e.Dict = codec.Dict{Serializer: wamp.Serializer(f.byte()), Raw: f.bytes()}
	}
	form := f.byte()
	e.Payload = codec.Payload{Serializer: wamp.Serializer(form >> 2), Items: int(form & 3), Raw: f.bytes()}
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

// stored reads the event of a record into e, with its time and position.
func (h *head) stored(e *store.Event, options func(*store.Event) error) (p Publication, err error) {
	p, err = h.event(e, options)
	if p.At, p.Position = time.UnixMilli(h.at), h.position; h.expires != 0 {
		p.End = time.UnixMilli(h.expires)
	}
	return p, err
}

// published returns when an event was first published: when it came, or before that if a link says so and its clock is set. dated
// reports whether a link says so.
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

// events returns how many events are lost without the record. A gap stands for its events, at least for one.
func (h *head) events() uint64 {
	if h.kind >= eventRecord {
		return 1
	}
	g, _ := h.loss()
	return max(g.events, 1)
}

// expired reports whether the publisher's limit has passed.
func (h *head) expired(now time.Time) bool { return h.expires != 0 && now.UnixMilli() > h.expires }
