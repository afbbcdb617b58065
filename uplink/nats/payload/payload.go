// Package payload translates between the arguments of WAMP and the payloads and header fields of NATS messages.
//
// A single positional argument without keyword arguments becomes the payload itself. No arguments become an empty
// payload. All other arguments become a map, {"args": [...], "kwargs": {...}}, in which either key may be missing. A
// single value that looks like such a map is wrapped in "args", so that it is not changed. The header field
// Content-Type names the serializer. A program without WAMP reads and writes plain JSON.
package payload

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"runnel/edge/codec"
	"runnel/edge/wamp"
)

var errTransparent = errors.New("a transparent payload has no form in a NATS message")

// contentTypes holds the media types of the serializers by wamp.Serializer.
var contentTypes = [...]string{wamp.JSON: "application/json", wamp.MsgPack: "application/msgpack", wamp.CBOR: "application/cbor"}

// ContentType returns the media type of a serializer.
func ContentType(s wamp.Serializer) string { return contentTypes[s] }

// Encode returns the payload of a NATS message, which is empty without arguments. The result may share memory with p.
func Encode(p codec.Payload, s wamp.Serializer) ([]byte, error) {
	if p.Items == 0 {
		return nil, nil
	}
	p, err := p.In(s, nil)
	if err != nil {
		return nil, err
	}
	args, kwargs, err := p.Split()
	if err != nil {
		return nil, err
	}
	list, ok := args.Items()
	if !ok {
		return nil, errTransparent
	}
	hasKwargs := !codec.Dict(kwargs).Empty()
	if list.Next() && !hasKwargs {
		one := list.Value()
		if _, _, wrapped := codec.OpenEnvelope(one); !wrapped && !list.Next() {
			return one.Raw, nil
		}
	}
	var b codec.Builder
	b.Reset(s, nil)
	b.Value("args", args)
	if hasKwargs {
		b.Value("kwargs", kwargs)
	}
	return b.Dict().Raw, b.Err()
}

// Accepts returns the reason why Encode would reject a payload, or nil. It is cheap.
func Accepts(p codec.Payload) error {
	if p.Items == 0 {
		return nil
	}
	args, _, err := p.Split()
	if err != nil {
		return err
	}
	if _, ok := args.Items(); !ok {
		return errTransparent
	}
	return nil
}

// Decode returns the arguments in the payload of a message. The result may share memory with data. Without a
// Content-Type, Decode reads JSON as JSON. Any other payload becomes one string, or one binary if it is not UTF-8.
func Decode(contentType string, data []byte) (codec.Payload, error) {
	if len(data) == 0 {
		return codec.Payload{}, nil
	}
	kind, _, _ := strings.Cut(contentType, ";")
	kind = strings.ToLower(strings.TrimSpace(kind))
	for s, name := range contentTypes {
		if name != "" && name == kind {
			return open(wamp.Serializer(s), data)
		}
	}
	if strings.HasPrefix(kind, "text/") && utf8.Valid(data) {
		return codec.NewPayload(wamp.CBOR, []any{string(data)}, nil)
	}
	if kind == "application/octet-stream" {
		return codec.NewPayload(wamp.CBOR, []any{data}, nil)
	}
	if p, err := open(wamp.JSON, data); err == nil {
		return p, nil
	}
	if utf8.Valid(data) {
		return codec.NewPayload(wamp.CBOR, []any{string(data)}, nil)
	}
	return codec.NewPayload(wamp.CBOR, []any{data}, nil)
}

// listOf1 holds the beginning of a list of one item by wamp.Serializer.
var listOf1 = [...]string{wamp.JSON: "[", wamp.MsgPack: "\x91", wamp.CBOR: "\x81"}

// open returns the arguments in a payload of a serializer. It checks every byte.
func open(s wamp.Serializer, data []byte) (codec.Payload, error) {
	raw := make([]byte, 0, len(data)+2)
	raw = append(append(raw, listOf1[s]...), data...)
	if s == wamp.JSON {
		raw = append(raw, ']')
	}
	p := codec.Payload{Serializer: s, Items: 1, Raw: raw}
	args, _, err := p.Split()
	if err != nil {
		return codec.Payload{}, fmt.Errorf("the payload is not valid %s: %w", s, err)
	}
	list, _ := args.Items()
	if !list.Next() {
		return codec.Payload{}, fmt.Errorf("the payload is not valid %s", s)
	}
	one := list.Value()
	if list.Next() { // in JSON, "1,2" is two values
		return codec.Payload{}, fmt.Errorf("the payload is more than one value in %s", s)
	}
	inner, kwargs, wrapped := codec.OpenEnvelope(one)
	if !wrapped {
		return p, nil
	}
	if p, wrapped = codec.JoinPayload(inner, kwargs); !wrapped {
		return codec.Payload{}, errTransparent
	}
	return p, nil
}
