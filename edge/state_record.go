package edge

import (
	"errors"
	"time"

	"runnel/edge/codec"
	"runnel/edge/wamp"
)

// Events on disk: lists in CBOR. The options of PUBLISH and the payload stand there as they came, in their serializer.
//
//	event     [1, publication, at, expires, publisher, authid, authrole, flags, trust level, topic,
//	           serializer, options, serializer, items, payload]     times in ms since 1970, 0: never
//	history   event
//	retained  [topic, event, event, ...]

const (
	eventForm = 1
	lastTime  = 253402300799999 // the end of the year 9999
)

// Flags of an event.
const (
	flagDisclosed = 1 << iota
	flagTrusted
	flagForwarded
)

var errRecord = errors.New("not an event's record")

// encodePast makes the record of a past event.
func encodePast(e *past) []byte {
	return encodeRecord(eventFields(&e.publication, e.at, time.Time{}))
}

// encodeRetained makes the record of a topic's retained events.
func encodeRetained(topic string, list []*retained) []byte {
	record := []any{[]byte(topic)}
	for _, e := range list {
		if !e.options.filter.bySession() {
			record = append(record, eventFields(&e.publication, time.Time{}, e.expires))
		}
	}
	return encodeRecord(record)
}

func encodeRecord(fields []any) []byte {
	record, _ := codec.AppendValue(nil, wamp.CBOR, fields) // integers, octets and lists of them always can be
	return record
}

func eventFields(p *publication, at, expires time.Time) []any {
	flags := 0
	if p.disclosed {
		flags |= flagDisclosed
	}
	if p.trusted {
		flags |= flagTrusted
	}
	if p.options.forwarded {
		flags |= flagForwarded
	}
	return []any{
		eventForm, p.id, milliseconds(at), milliseconds(expires),
		p.publisher.id, []byte(p.publisher.authid), []byte(p.publisher.authrole), flags, p.trust, p.topic,
		int(p.dict.Serializer), p.dict.Raw, int(p.payload.Serializer), p.payload.Items, p.payload.Raw,
	}
}

func milliseconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return min(max(t.UnixMilli(), 1), lastTime)
}

func decodePast(record []byte) (*past, error) {
	fields, err := decodeRecord(record)
	if err != nil {
		return nil, err
	}
	p, at, _, err := decodeEvent(fields)
	return &past{publication: p, at: at, octets: p.size()}, err
}

func decodeRetained(record []byte) (topic string, list []*retained, err error) {
	fields, err := decodeRecord(record)
	if err != nil || len(fields) == 0 {
		return "", nil, errRecord
	}
	name, ok := fields[0].([]byte)
	for _, field := range fields[1:] {
		event, _ := field.([]any)
		p, _, expires, err := decodeEvent(event)
		if err != nil || string(p.topic) != string(name) {
			return "", nil, errRecord
		}
		p.retained = true
		list = append(list, &retained{publication: p, expires: expires, octets: p.size()})
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

// decodeEvent makes an event of its fields. It checks them like what comes from a peer: a record may be another version's.
func decodeEvent(fields []any) (p publication, at, expires time.Time, err error) {
	r := recordReader{fields: fields, ok: len(fields) == 15}
	if r.integer() != eventForm {
		return p, at, expires, errRecord
	}
	p.id = wamp.ID(r.integer()) // a negative one is beyond the valid ones
	at, expires = r.time(), r.time()
	p.publisher = publisher{id: wamp.ID(r.integer()), authid: string(r.octets()), authrole: string(r.octets())}
	flags := r.integer()
	p.disclosed, p.trusted = flags&flagDisclosed != 0, flags&flagTrusted != 0
	p.trust = int(r.integer())
	p.topic = r.octets()
	p.dict = codec.Dict{Serializer: r.serializer(), Raw: r.octets()}
	p.payload = codec.Payload{Serializer: r.serializer(), Items: int(r.integer()), Raw: r.octets()}
	stranger := p.publisher.id != 0 && !wamp.ValidID(p.publisher.id)
	if !r.ok || stranger || p.trust < 0 || !wamp.ValidID(p.id) || !wamp.ValidURI(p.topic, wamp.Exact, false) {
		return p, at, expires, errRecord
	}
	if p.dict.Check() != nil {
		return p, at, expires, errRecord
	}
	if _, _, err := p.payload.Split(); err != nil {
		return p, at, expires, errRecord
	}
	if p.options, err = readPublishOptions(p.dict); err == nil {
		p.options.filter, err = readFilter(p.dict, p.options.filtered)
	}
	p.options.forwarded = flags&flagForwarded != 0 && checkForwarded(p.dict) == nil
	return p, at, expires, err
}

// recordReader takes fields one after the other. ok is false when one was not as it should be.
type recordReader struct {
	fields []any
	ok     bool
}

func (r *recordReader) next() (v any) {
	if len(r.fields) > 0 {
		v, r.fields = r.fields[0], r.fields[1:]
	}
	return v
}

func (r *recordReader) integer() int64 {
	n, ok := r.next().(int64)
	r.ok = r.ok && ok
	return n
}

func (r *recordReader) octets() []byte {
	b, ok := r.next().([]byte)
	r.ok = r.ok && ok
	return b
}

func (r *recordReader) time() (t time.Time) {
	ms := r.integer()
	r.ok = r.ok && ms >= 0 && ms <= lastTime
	if ms != 0 {
		t = time.UnixMilli(ms)
	}
	return t
}

func (r *recordReader) serializer() wamp.Serializer {
	n := r.integer()
	r.ok = r.ok && (n == 0 || n > 0 && n < 256 && wamp.Serializer(n).Known())
	return wamp.Serializer(n)
}
