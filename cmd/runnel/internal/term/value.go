package term

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"runnel/edge/codec"
	"runnel/edge/wamp"
)

// ParseValue reads an argument of the command line: JSON if it parses as JSON, else a string.
func ParseValue(text string) any {
	value, ok := ParseJSON([]byte(text))
	if !ok {
		return text
	}
	return value
}

// ParseJSON reads one JSON text. Integers stay integers.
func ParseJSON(text []byte) (value any, ok bool) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if d.Decode(&value) != nil {
		return nil, false
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, false
	}
	return numbers(value), true
}

// numbers turns each json.Number in a value into int64, uint64 or float64.
func numbers(value any) any {
	switch v := value.(type) {
	case json.Number:
		return number(v)
	case []any:
		for i := range v {
			v[i] = numbers(v[i])
		}
	case map[string]any:
		for key := range v {
			v[key] = numbers(v[key])
		}
	}
	return value
}

func number(n json.Number) any {
	if i, err := n.Int64(); err == nil {
		return i
	}
	if u, err := strconv.ParseUint(n.String(), 10, 64); err == nil {
		return u
	}
	if f, err := n.Float64(); err == nil {
		return f
	}
	return n.String() // out of the range of float64
}

// PlainText writes a payload for people: the arguments as JSON with spaces between, then key=value sorted by key. Byte
// strings are written as 0x and hexadecimal digits.
func PlainText(args []any, kwargs map[string]any) (string, error) {
	var words []string
	for _, arg := range args {
		word, err := ValueText(arg)
		if err != nil {
			return "", err
		}
		words = append(words, word)
	}
	for _, key := range slices.Sorted(maps.Keys(kwargs)) {
		word, err := ValueText(kwargs[key])
		if err != nil {
			return "", err
		}
		words = append(words, Printable(key)+"="+word)
	}
	return strings.Join(words, " "), nil
}

// ValueText writes one value as PlainText does.
func ValueText(value any) (string, error) {
	if data, ok := value.([]byte); ok {
		return "0x" + hex.EncodeToString(data), nil
	}
	return JSONText(value)
}

// JSONText writes a value as one line of JSON, by WAMP's rules: a byte string becomes "\u0000" and base64.
func JSONText(value any) (string, error) {
	text, err := codec.AppendValue(nil, wamp.JSON, value)
	return Harmless(string(text)), err
}

// AddPayload adds args and kwargs to a JSON object. It adds empty ones too, so that scripts need not test for them.
func AddPayload(object map[string]any, args []any, kwargs map[string]any) {
	if args == nil {
		args = []any{}
	}
	if kwargs == nil {
		kwargs = map[string]any{}
	}
	object["args"], object["kwargs"] = args, kwargs
}
