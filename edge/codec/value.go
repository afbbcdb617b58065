package codec

import (
	"bytes"
	"errors"
	"math"

	"runnel/edge/wamp"
)

// Value is one encoded value, without surrounding white space.
type Value struct {
	Serializer wamp.Serializer
	Raw        []byte
}

var errNotDict = errors.New("not a dict")

// Bool returns a boolean. ok is false for any other value, including integers.
func (v Value) Bool() (b, ok bool) {
	if v.Serializer == wamp.JSON {
		b = string(v.Raw) == "true"
		return b, b || string(v.Raw) == "false"
	}
	first := byte(cborFalse)
	if v.Serializer == wamp.MsgPack {
		first = msgpackFalse
	}
	if len(v.Raw) != 1 || v.Raw[0]-first > 1 {
		return false, false
	}
	return v.Raw[0] != first, true
}

// Uint returns a non-negative integer. ok is false for any other value, including floats such as 1.0.
func (v Value) Uint() (u uint64, ok bool) {
	var end int
	switch v.Serializer {
	case wamp.CBOR:
		u, end = cborUnsigned(v.Raw, 0)
	case wamp.MsgPack:
		u, end = msgpackUnsigned(v.Raw, 0)
	case wamp.JSON:
		if len(v.Raw) == 0 || jsonDigits(v.Raw, 0) != len(v.Raw) || v.Raw[0] == '0' && len(v.Raw) > 1 {
			return 0, false
		}
		t := jsonNumber(v.Raw)
		return t.uint, t.kind == kindUint
	}
	if end <= 0 || end != len(v.Raw) {
		return 0, false
	}
	return u, true
}

// float returns a float. ok is false for any other value. It reads only the first token, however large the value is.
func (v Value) float() (f float64, ok bool) {
	if len(v.Raw) == 0 || kindOf(v.Serializer, v.Raw[0]) != kindNull || check(v.Serializer, v.Raw, MaxDepth) != nil {
		return 0, false
	}
	r := reader{serializer: v.Serializer, data: v.Raw}
	t := r.next()
	return t.float, t.kind == kindFloat
}

// Text returns a string. ok is false for any other value, including binaries. The text is a part of the bytes of v, or
// new memory if it has JSON escapes or comes in CBOR chunks.
func (v Value) Text() (t []byte, ok bool) {
	var end int
	switch v.Serializer {
	case wamp.CBOR:
		t, end = cborText(v.Raw, 0)
	case wamp.MsgPack:
		t, end = msgpackText(v.Raw, 0)
	case wamp.JSON:
		t, end = jsonText(v.Raw, 0)
		if end > 0 && jsonIsBinary(v.Raw[1:end-1]) {
			return nil, false
		}
	}
	if end <= 0 || end != len(v.Raw) {
		return nil, false
	}
	return t, true
}

// IsNull reports whether v is null, or undefined as written in CBOR, and by some clients in MessagePack.
func (v Value) IsNull() bool {
	switch v.Serializer {
	case wamp.CBOR:
		return len(v.Raw) == 1 && (v.Raw[0] == cborNull || v.Raw[0] == cborNull+1)
	case wamp.MsgPack:
		return len(v.Raw) == 1 && v.Raw[0] == msgpackNil || string(v.Raw) == msgpackUndefined
	}
	return string(v.Raw) == "null"
}

// Dict returns v as a Dict. ok is false if v is not a map.
func (v Value) Dict() (d Dict, ok bool) {
	if len(v.Raw) == 0 || kindOf(v.Serializer, v.Raw[0]) != kindDict {
		return Dict{}, false
	}
	return Dict(v), true
}

// Items returns an iterator over the items of v. ok is false if v is not a list:
//
//	if list, ok := v.Items(); ok {
//		for list.Next() {
//			list.Value()
//		}
//	}
func (v Value) Items() (list Items, ok bool) {
	ok = list.open(v.Serializer, v.Raw, kindList)
	return list, ok
}

// Items is the iterator that Value.Items returns.
type Items struct {
	cursor
	value Value
}

// Next advances to the next item and reports whether there is one.
func (i *Items) Next() bool {
	if !i.more() {
		return false
	}
	i.value = i.item()
	return i.value.Raw != nil
}

// Value returns the item. It is a part of the list's bytes.
func (i *Items) Value() Value { return i.value }

// Any decodes v into Go values: nil, bool, int64 (uint64 if larger, float64 beyond that), float64, string, []byte,
// []any and map[string]any. They share no memory with v.
func (v Value) Any() (any, error) {
	if err := check(v.Serializer, v.Raw, MaxDepth); err != nil {
		return nil, err
	}
	r := reader{serializer: v.Serializer, data: v.Raw}
	t := r.next()
	return r.any(&t), nil
}

// any returns the Go value of token t and of the tokens that belong to it.
func (r *reader) any(t *token) any {
	switch t.kind {
	case kindBool:
		return t.uint != 0
	case kindUint:
		if t.uint > math.MaxInt64 {
			return t.uint
		}
		return int64(t.uint)
	case kindNegative:
		if t.uint > math.MaxInt64 {
			return -1 - float64(t.uint)
		}
		return int64(^t.uint)
	case kindBig:
		return bigFloat(t)
	case kindFloat:
		return t.float
	case kindText:
		return string(t.bytes)
	case kindBinary:
		return append([]byte{}, t.bytes...)
	case kindList:
		return r.list(t.count)
	case kindDict:
		return r.dict(t.count)
	}
	return nil
}

func (r *reader) list(count int) []any {
	list := make([]any, 0, max(count, 0)) // check has ensured that count is at most the number of octets
	for n := 0; n != count; n++ {
		t := r.next()
		if t.kind == kindEnd {
			break
		}
		list = append(list, r.any(&t))
	}
	return list
}

// dict reads a map. Of duplicate keys the last one wins.
func (r *reader) dict(count int) map[string]any {
	m := map[string]any{}
	for n := 0; n != count; n++ {
		key := r.key()
		if key.kind == kindEnd {
			break
		}
		name := string(key.bytes)
		t := r.next()
		m[name] = r.any(&t)
	}
	return m
}

// Clone returns a copy that shares no memory with v.
func (v Value) Clone() Value { return Value{v.Serializer, bytes.Clone(v.Raw)} }
