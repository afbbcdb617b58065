package codec

import (
	"bytes"
	"errors"

	"runnel/edge/wamp"
)

// Payload is the Arguments and ArgumentsKw of a message, encoded.
type Payload struct {
	Serializer wamp.Serializer
	Items      int    // 0: none; 1: Arguments, a list or one binary; 2: Arguments and ArgumentsKw
	Raw        []byte // as in the message: in JSON with the comma between, but without the brackets of the message
}

var errItems = errors.New("neither one nor two items")

// Clone returns a copy that shares no memory with p.
func (p Payload) Clone() Payload { return Payload{p.Serializer, p.Items, bytes.Clone(p.Raw)} }

// NewPayload encodes a payload, see AppendValue. It leaves out empty ArgumentsKw, and empty Arguments with them.
func NewPayload(s wamp.Serializer, args []any, kwargs map[string]any) (Payload, error) {
	if !s.Known() {
		return Payload{}, errSerializer
	}
	if len(args) == 0 && len(kwargs) == 0 {
		return Payload{}, nil
	}
	raw, err := appendValue(nil, s, args, MaxDepth)
	if err != nil || len(kwargs) == 0 {
		return Payload{s, 1, raw}, err
	}
	if s == wamp.JSON {
		raw = append(raw, ',')
	}
	raw, err = appendValue(raw, s, kwargs, MaxDepth)
	return Payload{s, 2, raw}, err
}

// Decode decodes p. For the Go types see Value.Any. A transparent payload is the only element of args.
func (p Payload) Decode() (args []any, kwargs map[string]any, err error) {
	if p.Items == 0 {
		return nil, nil, nil
	}
	if err := p.check(); err != nil {
		return nil, nil, err
	}
	r := reader{serializer: p.Serializer, data: p.Raw}
	t := r.next()
	v := r.any(&t)
	args, ok := v.([]any)
	if !ok {
		args = []any{v}
	}
	if p.Items == 1 {
		return args, nil, nil
	}
	t = r.next()
	if kwargs, ok = r.any(&t).(map[string]any); !ok {
		return nil, nil, errNotDict
	}
	return args, kwargs, nil
}

// Split returns Arguments and ArgumentsKw as parts of the bytes of p. One that is absent has no Raw.
func (p Payload) Split() (args, kwargs Value, err error) {
	args.Serializer, kwargs.Serializer = p.Serializer, p.Serializer
	if p.Items == 0 {
		return args, kwargs, nil
	}
	if err := p.check(); err != nil {
		return args, kwargs, err
	}
	start := 0
	if p.Serializer == wamp.JSON {
		start = jsonSpace(p.Raw, 0)
	}
	end := skip(p.Serializer, p.Raw, start, MaxDepth)
	args.Raw = p.Raw[start:end]
	if p.Items == 1 {
		return args, kwargs, nil
	}
	if start = end; p.Serializer == wamp.JSON {
		start = jsonSpace(p.Raw, jsonSpace(p.Raw, end)+1) // after the comma
	}
	end = skip(p.Serializer, p.Raw, start, MaxDepth)
	kwargs.Raw = p.Raw[start:end]
	return args, kwargs, nil
}

// In returns p in serializer s. If that is not the serializer of p, In transcodes p into the memory of buf.
func (p Payload) In(s wamp.Serializer, buf []byte) (Payload, error) {
	if p.Serializer == s || p.Items == 0 {
		return p, nil
	}
	raw, err := p.appendTo(buf[:0], s)
	return Payload{s, p.Items, raw}, err
}

func (p Payload) appendTo(dst []byte, s wamp.Serializer) ([]byte, error) {
	if p.Serializer == s {
		return append(dst, p.Raw...), nil
	}
	if err := p.check(); err != nil {
		return dst, err
	}
	t := transcoder{to: s, dst: dst, in: reader{serializer: p.Serializer, data: p.Raw}}
	t.value()
	if p.Items == 2 {
		if s == wamp.JSON {
			t.dst = append(t.dst, ',')
		}
		t.value()
	}
	return t.dst, nil
}

// check checks that Raw contains as many values as Items says. After Parse it always does; a payload made by a program
// might not, and must not confuse the reader.
func (p Payload) check() error {
	if !p.Serializer.Known() {
		return errSerializer
	}
	if p.Items != 1 && p.Items != 2 {
		return errItems
	}
	pos := p.skipItem(0)
	if p.Items == 2 && pos >= 0 {
		if p.Serializer == wamp.JSON {
			if pos >= len(p.Raw) || p.Raw[pos] != ',' {
				return faultSyntax
			}
			pos++
		}
		pos = p.skipItem(pos)
	}
	if pos < 0 {
		return fault(-pos)
	}
	if pos != len(p.Raw) {
		return faultFollows
	}
	return nil
}

func (p Payload) skipItem(pos int) int {
	if p.Serializer != wamp.JSON {
		return skip(p.Serializer, p.Raw, pos, MaxDepth)
	}
	pos = jsonSkip(p.Raw, jsonSpace(p.Raw, pos), MaxDepth)
	if pos < 0 {
		return pos
	}
	return jsonSpace(p.Raw, pos)
}

// JoinPayload returns a payload of Arguments and ArgumentsKw in one serializer; either may have no Raw. Like NewPayload
// it leaves out empty ones. ok is false if they are not a list and a dict.
func JoinPayload(args, kwargs Value) (p Payload, ok bool) {
	p.Serializer = max(args.Serializer, kwargs.Serializer)
	list, isList := args.Items()
	dict, isDict := kwargs.Dict()
	if !isList && len(args.Raw) > 0 || !isDict && len(kwargs.Raw) > 0 {
		return Payload{}, false
	}
	hasArgs, hasKwargs := isList && list.Next(), isDict && !dict.Empty()
	switch {
	case !hasArgs && !hasKwargs:
		return Payload{}, true
	case !hasArgs:
		p.Items, p.Raw = 2, append([]byte(emptyArguments[p.Serializer]), kwargs.Raw...)
	case !hasKwargs:
		p.Items, p.Raw = 1, bytes.Clone(args.Raw)
	default:
		p.Items, p.Raw = 2, bytes.Clone(args.Raw)
		if p.Serializer == wamp.JSON {
			p.Raw = append(p.Raw, ',')
		}
		p.Raw = append(p.Raw, kwargs.Raw...)
	}
	return p, true
}

// OpenEnvelope returns the content of {"args": [...], "kwargs": {...}}. This map carries arguments over protocols that have
// none. Either key may be missing. ok is false if v is no such map.
func OpenEnvelope(v Value) (args, kwargs Value, ok bool) {
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
