package mqtt

import (
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"runnel/edge/client"
	"runnel/edge/codec"
	"runnel/edge/wamp"
)

// Format is how events and calls are written in MQTT messages.
//
// JSON and CBOR: an event with one positional argument and no keyword arguments becomes the bare value of that
// argument. An event without arguments becomes an empty message. Every other event becomes a map, {"args": [...],
// "kwargs": {...}}, in which either key may be missing. A single value that looks like such a map is wrapped in
// "args", so that it is not changed.
//
// Flat: an event becomes a JSON object of its keyword arguments; see flat.go.
//
// Raw and Text: an event has one argument, a string or a binary, whose bytes are the message. A message becomes one binary in
// Raw, one string in Text.
type Format uint8

const (
	JSON Format = iota
	CBOR
	Raw
	Text
	Flat
	SparkplugB // see Sparkplug
)

// ParseFormat returns the format of a name.
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
	case "flat":
		return Flat, true
	case "sparkplug":
		return SparkplugB, true
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
	errNotPlain    = errors.New("the event is not a single string or binary")
	errNotText     = errors.New("the message is not UTF-8; format = \"raw\" takes any bytes")
	errNotMap      = errors.New("the request is not a map")
	errNoID        = errors.New("the request has no id")
	errResponse    = errors.New("the response topic has no level \"response\", which answers need")
)

// encode returns the message for an event.
func (f *Form) encode(p codec.Payload, uri string, at time.Time) ([]byte, error) {
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
	switch f.Format {
	case Raw, Text:
		return plain(args, kwargs)
	case Flat:
		return f.flatten(args, kwargs, uri, at)
	case SparkplugB:
		return nil, errNoEdgeNode
	}
	list, ok := args.Items()
	if !ok {
		return nil, errTransparent
	}
	value := only(list, kwargs)
	if value.Raw == nil {
		value = envelope(args, kwargs)
	}
	return codec.Transcode(nil, f.Format.serializer(), wamp.CBOR, value.Raw)
}

// accepts returns the reason why an event cannot be encoded, as far as a cheap check can find it.
func (f *Form) accepts(p codec.Payload, uri string) error {
	if p.Items == 0 {
		return nil
	}
	args, kwargs, err := p.Split()
	if err != nil {
		return err
	}
	switch f.Format {
	case Raw, Text:
		_, err = plain(args, kwargs)
		return err
	case Flat, SparkplugB:
		_, err = members(args, kwargs, uri)
		return err
	}
	if _, ok := args.Items(); !ok {
		return errTransparent
	}
	return nil
}

// plain returns the bytes of a payload that is one string or binary.
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

// only returns the single argument if it can be sent bare. The result has no Raw if there are other arguments or if the argument
// looks like an envelope.
func only(list codec.Items, kwargs codec.Value) codec.Value {
	if !list.Next() {
		return codec.Value{}
	}
	one := list.Value()
	if list.Next() || !empty(kwargs) {
		return codec.Value{}
	}
	if _, _, wrapped := codec.OpenEnvelope(one); wrapped {
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

// Heads of CBOR lists.
const (
	cborListOf0 = 0x80
	cborListOf1 = 0x81
)

// decode returns the payload for a message.
func (f *Form) decode(message []byte) (client.Payload, error) {
	switch {
	case f.Format == Raw:
		return client.Args(message), nil
	case f.Format == Text && !utf8.Valid(message):
		return client.Payload{}, errNotText
	case f.Format == Text:
		return client.Args(string(message)), nil
	case len(message) == 0:
		return client.Payload{}, nil
	}
	raw, err := codec.Transcode([]byte{cborListOf1}, wamp.CBOR, f.Format.serializer(), message)
	if err != nil {
		return client.Payload{}, f.Format.notValid(err)
	}
	if f.Format == Flat {
		if kwargs := f.unflatten(codec.Value{Serializer: wamp.CBOR, Raw: raw[1:]}); kwargs.Raw != nil {
			return checked(join(codec.Value{}, kwargs))
		}
		return checked(codec.Payload{Serializer: wamp.CBOR, Items: 1, Raw: raw})
	}
	args, kwargs, wrapped := codec.OpenEnvelope(codec.Value{Serializer: wamp.CBOR, Raw: raw[1:]})
	if !wrapped {
		return checked(codec.Payload{Serializer: wamp.CBOR, Items: 1, Raw: raw})
	}
	return checked(join(args, kwargs))
}

// notValid names the format that a message does not have, and the formats that take every message.
func (f Format) notValid(err error) error {
	name, key := "JSON", "json"
	switch f {
	case CBOR:
		name, key = "CBOR", "cbor"
	case Flat:
		key = "flat"
	}
	return fmt.Errorf("the message is not %s (%w), which format = %q expects; send %s, or take such messages by an import with format = \"text\" or \"raw\"", name, err, key, name)
}

// join makes a payload of args and kwargs, either of which may be missing.
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

// checked rejects payloads for which the router would abort the session, such as one that is nested too deeply.
func checked(p codec.Payload) (client.Payload, error) {
	if _, _, err := p.Split(); err != nil {
		return client.Payload{}, err
	}
	return client.Raw(p), nil
}
