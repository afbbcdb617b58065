package codec

import (
	"encoding"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"unicode/utf8"

	"runnel/edge/wamp"
)

// AppendValue appends v, encoded by s. It accepts nil, booleans, integers, floats, strings, []byte (a binary), json.Number,
// this package's Value and Dict, and slices, arrays, pointers and maps with string keys of all these. Maps are sorted by key.
// Other types (structs, types with a MarshalJSON or MarshalText method) are encoded by the rules of encoding/json. On text that
// is not UTF-8, and on values nested deeper than MaxDepth, it fails and returns dst unchanged.
func AppendValue(dst []byte, s wamp.Serializer, v any) ([]byte, error) {
	if !s.Known() {
		return dst, errSerializer
	}
	b, err := appendValue(dst, s, v, MaxDepth)
	if err != nil {
		return dst, fmt.Errorf("encode %T: %w", v, err)
	}
	return b, nil
}

func appendValue(dst []byte, s wamp.Serializer, v any, depth int) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return appendNull(dst, s), nil
	case bool:
		return appendBool(dst, s, v), nil
	case int:
		return appendInt(dst, s, int64(v)), nil
	case int64:
		return appendInt(dst, s, v), nil
	case uint64:
		return appendUint(dst, s, v), nil
	case float64:
		return appendFloat(dst, s, v), nil
	case string:
		if !utf8.ValidString(v) {
			return dst, faultText
		}
		return appendString(dst, s, v), nil
	case []byte:
		return appendBinary(dst, s, v), nil
	case []any:
		return appendItems(dst, s, len(v), depth, func(i int) any { return v[i] })
	case map[string]any:
		return appendFields(dst, s, v, depth)
	case json.Number:
		return appendNumber(dst, s, v)
	case Value:
		return transcode(dst, s, v.Serializer, v.Raw, depth)
	case Dict:
		if len(v.Raw) == 0 {
			return appendFields(dst, s, nil, depth)
		}
		return transcode(dst, s, v.Serializer, v.Raw, depth)
	case json.Marshaler, encoding.TextMarshaler:
		return appendMarshaled(dst, s, v, depth)
	}
	return appendReflected(dst, s, reflect.ValueOf(v), depth)
}

// appendReflected appends a named type with a basic underlying type, and types composed of these.
func appendReflected(dst []byte, s wamp.Serializer, v reflect.Value, depth int) ([]byte, error) {
	t := v.Type()
	switch t.Kind() {
	case reflect.Bool:
		return appendBool(dst, s, v.Bool()), nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return appendInt(dst, s, v.Int()), nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return appendUint(dst, s, v.Uint()), nil
	case reflect.Float32, reflect.Float64:
		return appendFloat(dst, s, v.Float()), nil
	case reflect.String:
		return appendValue(dst, s, v.String(), depth)
	case reflect.Pointer:
		if v.IsNil() {
			return appendNull(dst, s), nil
		}
		if depth == 0 { // a pointer may lead to itself
			return dst, faultDepth
		}
		return appendValue(dst, s, v.Elem().Interface(), depth-1)
	case reflect.Slice, reflect.Array:
		if t.Elem().Kind() == reflect.Uint8 {
			return appendBinary(dst, s, copyBytes(v)), nil
		}
		return appendItems(dst, s, v.Len(), depth, func(i int) any { return v.Index(i).Interface() })
	case reflect.Map:
		if t.Key().Kind() == reflect.String && !t.Key().Implements(textMarshaler) {
			return appendFields(dst, s, stringMap(v), depth)
		}
	}
	return appendMarshaled(dst, s, v.Interface(), depth)
}

var textMarshaler = reflect.TypeFor[encoding.TextMarshaler]()

// copyBytes copies a slice or array whose elements are bytes, of any named type.
func copyBytes(v reflect.Value) []byte {
	b := make([]byte, v.Len())
	for i := range b {
		b[i] = byte(v.Index(i).Uint())
	}
	return b
}

func stringMap(v reflect.Value) map[string]any {
	m := make(map[string]any, v.Len())
	for i := v.MapRange(); i.Next(); {
		m[i.Key().String()] = i.Value().Interface()
	}
	return m
}

func appendItems(dst []byte, s wamp.Serializer, n, depth int, item func(int) any) ([]byte, error) {
	if depth == 0 {
		return dst, faultDepth
	}
	b := listNotation.open(dst, s, n)
	var err error
	for i := range n {
		if i > 0 && s == wamp.JSON {
			b = append(b, ',')
		}
		if b, err = appendValue(b, s, item(i), depth-1); err != nil {
			return dst, err
		}
	}
	return listNotation.close(b, s, len(dst), n, n), nil
}

func appendFields(dst []byte, s wamp.Serializer, m map[string]any, depth int) ([]byte, error) {
	if depth == 0 {
		return dst, faultDepth
	}
	b := dictNotation.open(dst, s, len(m))
	var err error
	for i, key := range slices.Sorted(maps.Keys(m)) {
		if !utf8.ValidString(key) {
			return dst, faultText
		}
		b = appendKey(b, s, i == 0, []byte(key))
		if b, err = appendValue(b, s, m[key], depth-1); err != nil {
			return dst, err
		}
	}
	return dictNotation.close(b, s, len(dst), len(m), len(m)), nil
}

func appendNumber(dst []byte, s wamp.Serializer, n json.Number) ([]byte, error) {
	text := []byte(n)
	if len(text) == 0 || jsonSkipNumber(text, 0) != len(text) {
		return dst, faultNumber
	}
	return transcode(dst, s, wamp.JSON, text, 0)
}

func appendMarshaled(dst []byte, s wamp.Serializer, v any, depth int) ([]byte, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return dst, err
	}
	return transcode(dst, s, wamp.JSON, text, depth)
}

// appendString appends text that is known to be UTF-8.
func appendString(dst []byte, s wamp.Serializer, text string) []byte {
	return appendText(dst, s, []byte(text))
}
