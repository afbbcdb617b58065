package durable

import (
	"encoding/binary"
	"errors"
	"time"

	"runnel/edge/codec"
	"runnel/edge/store"
	"runnel/edge/wamp"
)

// A record of the log. Numbers are varints, texts and bytes are preceded by their length, times are ms since 1970.
//
//	event  1, position, time, expiry (0: never), topic, publication, publisher, authid, authrole, flags, trust level,
//	       serializer, options, serializer, items, payload
//	gap    2, position, time, 0, "", number of events (0: unknown), reason, damaged segment (0: none)
const (
	eventRecord = 1
	gapRecord   = 2
)

// Flags of an event.
const (
	flagDisclosed = 1 << iota
	flagTrusted
	flagForwarded
	flagAnonymous
)

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
	Plain     bool // the options say nothing about the event, and need not be kept
}

func appendHead(dst []byte, kind byte, position uint64, at, expires int64, topic []byte) []byte {
	dst = append(dst, kind)
	dst = number(dst, position)
	dst = number(dst, uint64(at))
	dst = number(dst, uint64(expires))
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

func appendEvent(dst []byte, position uint64, at time.Time, p Publication) []byte {
	now, expires := at.UnixMilli(), int64(0)
	if !p.Expires.IsZero() {
		expires = max(p.Expires.UnixMilli(), 1)
	}
	var flags uint64
	if p.Disclosed {
		flags |= flagDisclosed
	}
	if p.Trusted {
		flags |= flagTrusted
	}
	if p.Forwarded {
		flags |= flagForwarded
	}
	if p.Anonymous {
		flags |= flagAnonymous
	}
	dst = appendHead(dst, eventRecord, position, now, expires, p.Topic)
	dst = number(dst, uint64(p.ID))
	dst = number(dst, uint64(p.Publisher.ID))
	names, options := p.Publisher, p.Dict
	if !p.Disclosed && !p.Origin {
		names = store.Publisher{}
	}
	if p.Plain {
		options = codec.Dict{}
	}
	dst = appendBytes(dst, names.Authid)
	dst = appendBytes(dst, names.Authrole)
	dst = number(dst, flags)
	dst = number(dst, uint64(p.Trust))
	dst = appendBytes(append(dst, byte(options.Serializer)), options.Raw)
	return appendBytes(append(dst, byte(p.Payload.Serializer), byte(p.Payload.Items)), p.Payload.Raw)
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
	h.kind, h.position, h.at, h.expires, h.topic = f.byte(), f.uint(), int64(f.uint()), int64(f.uint()), f.bytes()
	h.rest = f.data
	if !f.ok || h.position == 0 || h.kind != eventRecord && h.kind != gapRecord {
		return h, errRecord
	}
	return h, nil
}

// event reads the event of a record into e. It shares the record's memory.
func (h *head) event(e *store.Event, options func(*store.Event) error) (p Publication, err error) {
	f := fields{h.rest, h.kind == eventRecord}
	*e = store.Event{Topic: h.topic, ID: wamp.ID(f.uint())}
	e.Publisher = store.Publisher{ID: wamp.ID(f.uint()), Authid: string(f.bytes()), Authrole: string(f.bytes())}
	flags := f.uint()
	e.Disclosed, e.Trusted, e.Forwarded = flags&flagDisclosed != 0, flags&flagTrusted != 0, flags&flagForwarded != 0
	e.Trust = int(f.uint())
	if h.expires != 0 {
		e.Expires = time.UnixMilli(h.expires)
	}
	e.Dict = codec.Dict{Serializer: wamp.Serializer(f.byte()), Raw: f.bytes()}
	e.Payload = codec.Payload{Serializer: wamp.Serializer(f.byte()), Items: int(f.byte()), Raw: f.bytes()}
	p = Publication{Event: e, Anonymous: flags&flagAnonymous != 0}
	if !f.ok || !wamp.ValidID(e.ID) {
		return p, errRecord
	}
	if len(e.Dict.Raw) == 0 {
		return p, options(e)
	}
	if err := e.Dict.Check(); err != nil {
		return p, err
	}
	return p, options(e)
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
	if h.kind == eventRecord {
		return 1
	}
	g, _ := h.loss()
	return max(g.events, 1)
}

// expired reports whether the publisher's limit has passed.
func (h *head) expired(now time.Time) bool { return h.expires != 0 && now.UnixMilli() > h.expires }
