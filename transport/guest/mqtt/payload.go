package mqtt

import (
	"bytes"
	"encoding/base64"
	"unicode/utf8"

	"runnel/edge/codec"
	"runnel/edge/wamp"
)

// Payloads become arguments, and arguments become payloads. A message that passes the router stays the same, byte for byte:
//
//	nothing                          no arguments
//	a JSON value                     one argument, with the very bytes
//	{"args": [...], "kwargs": {...}} these arguments, as with the MQTT link; the white space around the two is lost
//	anything else                    one binary
//
// With Door.Text, a payload is a string as it stands if it is UTF-8 and not a JSON object, array, number, true, false
// or null. A string then becomes a message without quotes, such as ON.

// binaryMark begins a binary in JSON (basic/message_formats.md).
const binaryMark = `"\u0000`

// payload returns the arguments for a message.
func (d *Door) payload(message []byte) codec.Payload {
	if len(message) == 0 {
		return codec.Payload{}
	}
	if p, ok := d.structured(message); ok {
		return p
	}
	raw := make([]byte, 0, len(message)+len(message)/2+16)
	if d.Text && utf8.Valid(message) && message[0] != 0 {
		if raw, err := codec.AppendValue(append(raw, '['), wamp.JSON, string(message)); err == nil {
			return codec.Payload{Serializer: wamp.JSON, Items: 1, Raw: append(raw, ']')}
		}
	}
	raw = append(append(raw, '['), binaryMark...)
	raw = base64.StdEncoding.AppendEncode(raw, message)
	return codec.Payload{Serializer: wamp.JSON, Items: 1, Raw: append(raw, '"', ']')}
}

// structured returns the arguments for a message that is JSON.
func (d *Door) structured(message []byte) (p codec.Payload, ok bool) {
	start := bytes.TrimLeft(message, " \t\r\n")
	if len(start) == 0 || start[0] == '"' && (d.Text || bytes.HasPrefix(start, []byte(binaryMark))) {
		return p, false
	}
	raw := make([]byte, 0, len(message)+2)
	raw = append(append(append(raw, '['), message...), ']')
	p = codec.Payload{Serializer: wamp.JSON, Items: 1, Raw: raw}
	args, _, err := p.Split()
	if err != nil {
		return p, false
	}
	list, ok := args.Items()
	if !ok || !list.Next() {
		return p, false
	}
	one := list.Value()
	if list.Next() {
		return p, false // 1,2 is not JSON
	}
	if args, kwargs, wrapped := codec.OpenEnvelope(one); wrapped {
		return join(args, kwargs), true
	}
	return p, true
}

func join(args, kwargs codec.Value) codec.Payload {
	p := codec.Payload{Serializer: wamp.JSON, Items: 1, Raw: append([]byte{}, args.Raw...)}
	if len(p.Raw) == 0 {
		p.Raw = append(p.Raw, "[]"...)
	}
	if kwargs.Raw != nil {
		p.Items, p.Raw = 2, append(append(p.Raw, ','), kwargs.Raw...)
	}
	return p
}

// message returns the message for arguments. It may be a part of p.
func (d *Door) message(p codec.Payload) []byte {
	if p.Items == 0 {
		return nil
	}
	args, kwargs, err := p.Split()
	if err != nil {
		return nil
	}
	list, isList := args.Items()
	if !isList { // a transparent payload
		return d.value(args.Raw, args.Raw)
	}
	noKwargs := codec.Dict(kwargs).Empty()
	switch has := list.Next(); {
	case !has && noKwargs:
		return nil
	case has && noKwargs:
		one := list.Value()
		if list.Next() {
			break
		}
		if _, _, wrapped := codec.OpenEnvelope(one); wrapped {
			break
		}
		return d.value(one.Raw, args.Raw[1:len(args.Raw)-1])
	}
	out := append(append([]byte(`{"args":`), args.Raw...), []byte(`,"kwargs":`)...)
	if noKwargs {
		return append(out[:len(out)-len(`,"kwargs":`)], '}')
	}
	return append(append(out, kwargs.Raw...), '}')
}

// value returns the message for a single argument. whole is the argument with the white space around it.
func (d *Door) value(raw, whole []byte) []byte {
	if text, ok := bytes.CutPrefix(raw, []byte(binaryMark)); ok {
		if b, err := base64.StdEncoding.AppendDecode(nil, bytes.TrimSuffix(text, []byte{'"'})); err == nil {
			return b
		}
	}
	if d.Text {
		if text, ok := (codec.Value{Serializer: wamp.JSON, Raw: raw}).Text(); ok {
			return text
		}
	}
	return whole
}
