package mqtt

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"runnel/edge/codec"
	"runnel/edge/wamp"
)

// Form is how the messages of a rule are written.
//
// A flat message is one JSON object of the keyword arguments, for databases and dashboards. It includes a single
// positional argument: the members of a map, or another value under the last component of the URI. With TimeKey the
// object has the time of publication, which matters if the event waits in the spool. With ValuesKey the arguments are
// an inner object of that name:
//
//	{"ts": 1763805600000, "values": {"temperature": 21.5}}
//
// A received message is split in the same way. A message that is not an object becomes a single positional argument.
type Form struct {
	Format     Format
	TimeKey    string // member for the time; "": none
	TimeFormat TimeFormat
	ValuesKey  string // member for the arguments; "": they are the members
}

// TimeFormat is how a flat message writes its time.
type TimeFormat uint8

const (
	RFC3339          TimeFormat = iota // with milliseconds, in UTC
	UnixMilliseconds                   // since 1970
	UnixSeconds
)

// ParseTimeFormat returns the format of a name.
func ParseTimeFormat(name string) (TimeFormat, bool) {
	switch name {
	case "rfc3339":
		return RFC3339, true
	case "unix_ms":
		return UnixMilliseconds, true
	case "unix":
		return UnixSeconds, true
	}
	return 0, false
}

var (
	errNotFlat  = errors.New("a flat message holds keyword arguments and at most one positional argument")
	errSameKey  = errors.New("time_key and values_key are the same")
	errOnlyFlat = errors.New("only for messages with format = \"flat\"")
)

// check returns an error if the form's fields contradict each other.
func (f *Form) check() error {
	switch {
	case f.Format != Flat && f.TimeKey != "":
		return ofKey("time_key", errOnlyFlat)
	case f.Format != Flat && f.ValuesKey != "":
		return ofKey("values_key", errOnlyFlat)
	case f.TimeKey != "" && f.TimeKey == f.ValuesKey:
		return ofKey("values_key", errSameKey)
	}
	return nil
}

// member is a member of a flat message.
type member struct {
	key   string
	value codec.Value
}

// members returns the members for the arguments of an event.
func members(args, kwargs codec.Value, uri string) (list []member, err error) {
	items, ok := args.Items()
	if !ok {
		return nil, errTransparent
	}
	if items.Next() {
		one := items.Value()
		if items.Next() {
			return nil, errNotFlat
		}
		if dict, isDict := one.Dict(); isDict {
			list = fieldsOf(dict)
		} else {
			list = append(list, member{uri[strings.LastIndexByte(uri, '.')+1:], one})
		}
	}
	own := len(list)
	list = append(list, fieldsOf(codec.Dict(kwargs))...)
	for _, m := range list[:own] {
		for _, k := range list[own:] {
			if m.key == k.key {
				return nil, fmt.Errorf("%q is a keyword argument and a part of the positional argument; a flat message can hold only one of them", m.key)
			}
		}
	}
	return list, nil
}

func fieldsOf(dict codec.Dict) (list []member) {
	for f := dict.Fields(); f.Next(); {
		list = append(list, member{string(f.Key()), f.Value()})
	}
	return list
}

// flatten returns the message for arguments in CBOR.
func (f *Form) flatten(args, kwargs codec.Value, uri string, at time.Time) ([]byte, error) {
	list, err := members(args, kwargs, uri)
	if err != nil {
		return nil, err
	}
	var b codec.Builder
	b.Reset(wamp.JSON, nil)
	timed := f.TimeKey == ""
	if f.ValuesKey == "" {
		for _, m := range list {
			timed = timed || m.key == f.TimeKey // the device's own time
		}
	}
	if !timed {
		f.addTime(&b, at)
	}
	if f.ValuesKey != "" {
		var inner codec.Builder
		inner.Reset(wamp.JSON, nil)
		object, err := objectOf(&inner, list)
		if err != nil {
			return nil, err
		}
		b.Value(f.ValuesKey, codec.Value{Serializer: wamp.JSON, Raw: object})
		list = nil
	}
	return objectOf(&b, list)
}

// objectOf adds members to an object and returns it.
func objectOf(b *codec.Builder, list []member) ([]byte, error) {
	for _, m := range list {
		b.Value(m.key, m.value)
	}
	if b.Err() != nil {
		return nil, b.Err()
	}
	if raw := b.Dict().Raw; len(raw) > 0 {
		return raw, nil
	}
	return []byte("{}"), nil
}

func (f *Form) addTime(b *codec.Builder, at time.Time) {
	switch f.TimeFormat {
	case UnixMilliseconds:
		b.Uint(f.TimeKey, uint64(max(at.UnixMilli(), 0)))
	case UnixSeconds:
		b.Uint(f.TimeKey, uint64(max(at.Unix(), 0)))
	default:
		b.String(f.TimeKey, at.UTC().Format("2006-01-02T15:04:05.000Z"))
	}
}

// unflatten returns the keyword arguments for a flat message in CBOR. The result has no Raw if the message is no object.
func (f *Form) unflatten(message codec.Value) codec.Value {
	dict, ok := message.Dict()
	if !ok {
		return codec.Value{}
	}
	if f.ValuesKey == "" {
		return message
	}
	var when, values codec.Value
	for d := dict.Fields(); d.Next(); {
		switch string(d.Key()) {
		case f.TimeKey:
			when = d.Value()
		case f.ValuesKey:
			values = d.Value()
		default:
			return message // it has another form
		}
	}
	inner, ok := values.Dict()
	if !ok {
		return message
	}
	if when.Raw == nil {
		return values
	}
	var b codec.Builder
	b.Reset(wamp.CBOR, nil)
	b.Value(f.TimeKey, when)
	for _, m := range fieldsOf(inner) {
		if m.key != f.TimeKey {
			b.Value(m.key, m.value)
		}
	}
	return codec.Value(b.Dict())
}
