package store

import (
	"errors"
	"time"

	"runnel/edge/codec"
	"runnel/edge/wamp"
)

// A record is a list in CBOR. The options of PUBLISH and the payload are stored unchanged, in their own serializer.
//
//	event     [1, publication, at, expires, publisher, authid, authrole, flags, trust level, topic,
//	           serializer, options, serializer, items, payload]     times in ms since 1970, 0: never
//	history   event, which may have one more field: its order (see held)
//	retained  [topic, event, event, ...]

const (
	eventForm   = 1
	eventLength = 15
	lastTime    = 253402300799999 // the end of the year 9999
)

// Flags of an event.
const (
	flagDisclosed = 1 << iota
	flagTrusted
	flagForwarded
)

var errRecord = errors.New("not an event's record")

// encodePast makes the record of a past event.
func encodePast(e held) []byte {
	fields := eventFields(&e.Event, e.At, e.end)
	if e.order > 1 {
		fields = append(fields, e.order)
	}
	return encodeRecord(fields)
}

// encodeRetained makes the record of a topic's retained events. An event whose lists name sessions is left out: after a
// restart the ids belong to no session, or to another one.
func encodeRetained(topic string, list []*retained) []byte {
	record := []any{[]byte(topic)}
	for _, e := range list {
		if !e.Filter.BySession() {
			record = append(record, eventFields(&e.Event, time.Time{}, e.end))
		}
	}
	return encodeRecord(record)
}

func encodeRecord(fields []any) []byte {
	record, _ := codec.AppendValue(nil, wamp.CBOR, fields) // integers, byte strings and lists of them can always be encoded
	return record
}

func eventFields(e *Event, at, end time.Time) []any {
	flags := 0
	if e.Disclosed {
		flags |= flagDisclosed
	}
	if e.Trusted {
		flags |= flagTrusted
	}
	if e.Forwarded {
		flags |= flagForwarded
	}
	return []any{
		eventForm, e.ID, milliseconds(at), milliseconds(end),
		e.Publisher.ID, []byte(e.Publisher.Authid), []byte(e.Publisher.Authrole), flags, e.Trust, e.Topic,
		int(e.Dict.Serializer), e.Dict.Raw, int(e.Payload.Serializer), e.Payload.Items, e.Payload.Raw,
	}
}

func milliseconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return min(max(t.UnixMilli(), 1), lastTime)
}

// reader decodes records.
type reader struct {
	options func(*Event) error // Config.ReadOptions
}

func (r reader) past(record []byte) (x held, err error) {
	fields, err := decodeRecord(record)
	if err != nil {
		return x, err
	}
	x.order, x.stored = 1, true
	if len(fields) == eventLength+1 {
		order, _ := fields[eventLength].(int64)
		x.order, fields = uint64(max(order, 1)), fields[:eventLength]
	}
	e, at, end, err := r.event(fields)
	x.PastEvent = &PastEvent{Event: e, At: at, end: end, size: e.size()}
	return x, err
}

func (r reader) retained(record []byte) (topic string, list []*retained, err error) {
	fields, err := decodeRecord(record)
	if err != nil || len(fields) == 0 {
		return "", nil, errRecord
	}
	name, ok := fields[0].([]byte)
	for _, field := range fields[1:] {
		event, _ := field.([]any)
		e, _, end, err := r.event(event)
		if err != nil || string(e.Topic) != string(name) {
			return "", nil, errRecord
		}
		list = append(list, &retained{Event: e, end: end, size: e.size()})
	}
	if !ok {
		return "", nil, errRecord
	}
	return string(name), list, nil
}

func decodeRecord(record []byte) ([]any, error) {
	value, err := codec.Value{Serializer: wamp.CBOR, Raw: record}.Any()
	if fields, ok := value.([]any); ok && err == nil {
		return fields, nil
	}
	return nil, errRecord
}

// event reads an event from its fields. It checks them like a peer's message: a record may be another version's.
func (r reader) event(fields []any) (e Event, at, end time.Time, err error) {
	f := fieldReader{fields: fields, ok: len(fields) == eventLength}
	if f.integer() != eventForm {
		return e, at, end, errRecord
	}
	e.ID = wamp.ID(f.integer()) // a negative one is beyond the valid ones
	at, end = f.time(), f.time()
	e.Publisher = Publisher{ID: wamp.ID(f.integer()), Authid: string(f.bytes()), Authrole: string(f.bytes())}
	flags := f.integer()
	e.Disclosed, e.Trusted = flags&flagDisclosed != 0, flags&flagTrusted != 0
	e.Trust = int(f.integer())
	e.Topic = f.bytes()
	e.Dict = codec.Dict{Serializer: f.serializer(), Raw: f.bytes()}
	e.Payload = codec.Payload{Serializer: f.serializer(), Items: int(f.integer()), Raw: f.bytes()}
	stranger := e.Publisher.ID != 0 && !wamp.ValidID(e.Publisher.ID)
	if !f.ok || stranger || e.Trust < 0 || !wamp.ValidID(e.ID) || !wamp.ValidURI(e.Topic, wamp.Exact, false) {
		return e, at, end, errRecord
	}
	if e.Dict.Check() != nil {
		return e, at, end, errRecord
	}
	if _, _, err := e.Payload.Split(); err != nil {
		return e, at, end, errRecord
	}
	e.Forwarded = flags&flagForwarded != 0
	err = r.options(&e)
	return e, at, end, err
}

// fieldReader takes fields one after the other. ok is false once a field was not as expected.
type fieldReader struct {
	fields []any
	ok     bool
}

func (r *fieldReader) next() (v any) {
	if len(r.fields) > 0 {
		v, r.fields = r.fields[0], r.fields[1:]
	}
	return v
}

func (r *fieldReader) integer() int64 {
	n, ok := r.next().(int64)
	r.ok = r.ok && ok
	return n
}

func (r *fieldReader) bytes() []byte {
	b, ok := r.next().([]byte)
	r.ok = r.ok && ok
	return b
}

func (r *fieldReader) time() (t time.Time) {
	ms := r.integer()
	r.ok = r.ok && ms >= 0 && ms <= lastTime
	if ms != 0 {
		t = time.UnixMilli(ms)
	}
	return t
}

func (r *fieldReader) serializer() wamp.Serializer {
	n := r.integer()
	s := wamp.Serializer(n)
	r.ok = r.ok && int64(s) == n && (s == 0 || s.Known())
	return s
}
