package client

import (
	"fmt"

	"runnel/edge/codec"
	"runnel/edge/wamp"
)

// Payload is the application data of a message: positional and keyword arguments. The zero Payload is empty. Args and Kwargs
// may hold values of the basic kinds, slices, maps with string keys, []byte, and whatever encoding/json can encode.
type Payload struct {
	Args   []any
	Kwargs map[string]any
	Raw    codec.Payload // if not empty it is sent unchanged, and Args and Kwargs are ignored

	// Extra is for the result of a Handler: further fields of YIELD.Options, such as ppt_scheme.
	Extra map[string]any
}

// Args returns a Payload of positional arguments.
func Args(args ...any) Payload { return Payload{Args: args} }

// Kwargs returns a Payload of keyword arguments.
func Kwargs(kwargs map[string]any) Payload { return Payload{Kwargs: kwargs} }

// Raw returns a Payload with the bytes of a received message. They are copied unchanged, or transcoded if the
// serializer differs.
func Raw(p codec.Payload) Payload { return Payload{Raw: p} }

// encode returns the payload's bytes. It encodes before any lock is taken.
func (p *Payload) encode(s wamp.Serializer) (codec.Payload, error) {
	if p.Raw.Items > 0 || len(p.Args) == 0 && len(p.Kwargs) == 0 {
		return p.Raw, nil
	}
	raw, err := codec.NewPayload(s, p.Args, p.Kwargs)
	if err != nil {
		return raw, &Error{URI: wamp.InvalidArgument.Error(), cause: fmt.Errorf("encode payload: %w", err)}
	}
	return raw, nil
}

// Body is the content of a received message: the router's details and the other peer's payload.
type Body struct {
	Details codec.Dict
	Payload codec.Payload
}

// Decode decodes the payload into Go values: int64 (uint64 if larger), float64, string, []byte, bool, nil, []any and
// map[string]any.
func (b *Body) Decode() (args []any, kwargs map[string]any, err error) { return b.Payload.Decode() }

// Args decodes the positional arguments. It returns nil if there are none, or if they are not valid.
func (b *Body) Args() []any {
	args, _, err := b.Payload.Decode()
	if err != nil {
		return nil
	}
	return args
}

// Kwargs decodes the keyword arguments. It returns nil if there are none, or if they are not valid.
func (b *Body) Kwargs() map[string]any {
	_, kwargs, err := b.Payload.Decode()
	if err != nil {
		return nil
	}
	return kwargs
}

// Detail returns a field of the details; a Value without Raw if it is missing.
func (b *Body) Detail(key string) codec.Value { return field(b.Details, key) }

// Clone returns a copy that owns its bytes.
func (b *Body) Clone() Body { return Body{Details: b.Details.Clone(), Payload: b.Payload.Clone()} }

func (b *Body) flag(key string) bool {
	set, _ := b.Detail(key).Bool()
	return set
}

func (b *Body) text(key string) string {
	text, _ := b.Detail(key).Text()
	return string(text)
}

func (b *Body) sessionID(key string) wamp.ID {
	id, _ := b.Detail(key).Uint()
	return id
}

// field returns a field of a dict; a Value without Raw if it is missing.
func field(d codec.Dict, key string) codec.Value {
	if d.Empty() {
		return codec.Value{}
	}
	for f := d.Fields(); f.Next(); {
		if string(f.Key()) == key {
			return f.Value()
		}
	}
	return codec.Value{}
}
