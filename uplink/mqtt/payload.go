package mqtt

import (
	"errors"
	"unicode/utf8"

	"runnel/edge/client"
	"runnel/edge/codec"
	"runnel/edge/wamp"
)

// Format is how events and calls are written in MQTT messages.
//
// JSON and CBOR: an event with one argument by position and none by keyword is that argument's value, bare; without any
// it is an empty message. Every other one is a map: {"args": [...], "kwargs": {...}}, of which either may be missing.
// A bare value that is such a map itself is put into "args", so that what comes back is what was sent.
//
// Raw and Text: an event has one argument, a string or a binary, whose octets are the message. A message becomes one
// binary in Raw, one string in Text.
type Format uint8

const (
	JSON Format = iota
	CBOR
	Raw
	Text
)

// ParseFormat knows the formats by their names.
func ParseFormat(name string) (Format, bool) {
	switch name {
	case "json":
		return JSON, true
	case "cbor":
		return CBOR, true
	case "raw":
		return Raw, true
	case "text":
		return Text, true
	}
	return 0, false
}

func (f Format) structured() bool { return f == JSON || f == CBOR }

func (f Format) serializer() wamp.Serializer {
	if f == CBOR {
		return wamp.CBOR
	}
	return wamp.JSON
}

var (
	errTransparent = errors.New("a transparent payload has no form in JSON or CBOR")
	errNotPlain    = errors.New("the event is not one string or binary")
	errNotText     = errors.New("the message is not UTF-8")
	errNotMap      = errors.New("the request is not a map")
	errNoID        = errors.New("the request has no id")
)

// encode returns the message that stands for a payload.
func (f Format) encode(p codec.Payload) ([]byte, error) {
	if p.Items == 0 {
		return nil, nil
	}
	p, err := p.In(wamp.CBOR, nil)
	if err != nil {
		return nil, err
	}
	args, kwargs, err := p.Split()
	if err != nil {
		return nil, err
	}
	if !f.structured() {
		return plain(args, kwargs)
	}
	list, ok := args.Items()
	if !ok {
		return nil, errTransparent
	}
	value := only(list, kwargs)
	if value.Raw == nil {
		value = envelope(args, kwargs)
	}
	return codec.Transcode(nil, f.serializer(), wamp.CBOR, value.Raw)
}

// accepts says what keeps a payload from being a message, as far as that can be told at little cost.
func (f Format) accepts(p codec.Payload) error {
	if p.Items == 0 {
		return nil
	}
	args, kwargs, err := p.Split()
	if err != nil {
		return err
	}
	if !f.structured() {
		_, err = plain(args, kwargs)
	} else if _, ok := args.Items(); !ok {
		err = errTransparent
	}
	return err
}

// plain returns the octets of a payload that is one string or binary.
func plain(args, kwargs codec.Value) ([]byte, error) {
	one := args
	if list, ok := args.Items(); ok {
		one = only(list, kwargs)
	}
	if one.Raw == nil {
		return nil, errNotPlain
	}
	switch v, err := one.Any(); v := v.(type) {
	case string:
		return []byte(v), err
	case []byte:
		return v, err
	}
	return nil, errNotPlain
}

// only returns the only argument, if it can stand for itself: without Raw, if there are others or it looks like an
// envelope.
func only(list codec.Items, kwargs codec.Value) codec.Value {
	if !list.Next() {
		return codec.Value{}
	}
	one := list.Value()
	if list.Next() || !empty(kwargs) {
		return codec.Value{}
	}
	if _, _, wrapped := open(one); wrapped {
		return codec.Value{}
	}
	return one
}

func empty(dict codec.Value) bool { return codec.Dict(dict).Empty() }

// envelope puts arguments into a map.
func envelope(args, kwargs codec.Value) codec.Value {
	var b codec.Builder
	b.Reset(wamp.CBOR, nil)
	b.Value("args", args)
	if !empty(kwargs) {
		b.Value("kwargs", kwargs)
	}
	return codec.Value(b.Dict())
}

// open takes an envelope apart; without ok the value is none.
func open(v codec.Value) (args, kwargs codec.Value, ok bool) {
	dict, isDict := v.Dict()
	if !isDict {
		return args, kwargs, false
	}
	for f := dict.Fields(); f.Next(); {
		switch string(f.Key()) {
		case "args":
			_, ok = f.Value().Items()
			args = f.Value()
		case "kwargs":
			_, ok = f.Value().Dict()
			kwargs = f.Value()
		default:
			ok = false
		}
		if !ok {
			return args, kwargs, false
		}
	}
	return args, kwargs, ok
}

// CBOR's heads of lists of none and of one item.
const (
	cborListOf0 = 0x80
	cborListOf1 = 0x81
)

// decode returns the payload that a message stands for.
func (f Format) decode(message []byte) (client.Payload, error) {
	switch {
	case f == Raw:
		return client.Args(message), nil
	case f == Text && !utf8.Valid(message):
		return client.Payload{}, errNotText
	case f == Text:
		return client.Args(string(message)), nil
	case len(message) == 0:
		return client.Payload{}, nil
	}
	raw, err := codec.Transcode([]byte{cborListOf1}, wamp.CBOR, f.serializer(), message)
	if err != nil {
		return client.Payload{}, err
	}
	args, kwargs, wrapped := open(codec.Value{Serializer: wamp.CBOR, Raw: raw[1:]})
	if !wrapped {
		return checked(codec.Payload{Serializer: wamp.CBOR, Items: 1, Raw: raw})
	}
	return checked(join(args, kwargs))
}

// join makes a payload of arguments, either of which may be missing.
func join(args, kwargs codec.Value) codec.Payload {
	p := codec.Payload{Serializer: wamp.CBOR, Items: 1, Raw: append([]byte{}, args.Raw...)}
	if len(p.Raw) == 0 {
		p.Raw = []byte{cborListOf0}
	}
	if kwargs.Raw != nil {
		p.Items, p.Raw = 2, append(p.Raw, kwargs.Raw...)
	}
	return p
}

// checked lets no payload through that the router would end the session for, such as one nested too deep.
func checked(p codec.Payload) (client.Payload, error) {
	if _, _, err := p.Split(); err != nil {
		return client.Payload{}, err
	}
	return client.Raw(p), nil
}
