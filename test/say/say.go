// Package say encodes and decodes WAMP messages for tests, which write them as JSON text for every serializer.
//
//	[48,1,{},"com.add",[1,"\u0000AQID",2.5],{"x":9007199254740993}]
//
// A number with a fraction or an exponent is a float, any other an integer. A string that begins with \u0000 is a binary
// in base64. A string that begins with #\u0000 is a text that begins with \u0000, if that differs. "#NaN",
// "#Infinity" and "#-Infinity" are floats that JSON cannot express.
//
// In an expected message, "*" matches any value. "$name" matches any value, keeps it under that name, and must match the same
// value wherever the name appears again. In a sent message, "$name" is replaced by the kept value.
//
// The package shares no code with the router. It uses other libraries for CBOR and MessagePack, so that a mistake in the
// router's encoder is not hidden by the same mistake in its decoder.
package say

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/big"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/fxamacker/cbor/v2"
	"github.com/tinylib/msgp/msgp"

	"runnel/edge/wamp"
)

// Names holds the kept values as decoded from JSON, with numbers as json.Number.
type Names map[string]any

// Encode inserts the kept values into text and returns it as a message in serializer s. JSON stays as it is.
func (n Names) Encode(s wamp.Serializer, text string) ([]byte, error) {
	text, err := n.Fill(text)
	if err != nil {
		return nil, err
	}
	v, err := Parse(text)
	if err != nil {
		return nil, err
	}
	if s == wamp.JSON {
		return []byte(text), nil
	}
	if v, err = plain(v); err != nil {
		return nil, err
	}
	if s == wamp.MsgPack {
		return appendMsgPack(nil, v)
	}
	return cborOut.Marshal(v)
}

// Fill replaces each "$name" in text by the kept value.
func (n Names) Fill(text string) (string, error) {
	for name, value := range n {
		quoted := `"$` + name + `"`
		if !strings.Contains(text, quoted) {
			continue
		}
		b, err := json.Marshal(value)
		if err != nil {
			return "", err
		}
		text = strings.ReplaceAll(text, quoted, string(b))
	}
	return text, nil
}

// Decode returns a message as text.
func Decode(s wamp.Serializer, data []byte) (string, error) {
	var v any
	var err error
	switch s {
	case wamp.JSON:
		var text bytes.Buffer
		err := json.Compact(&text, data)
		return text.String(), err
	case wamp.MsgPack:
		v, err = readMsgPack(data)
	case wamp.CBOR:
		err = cborIn.Unmarshal(data, &v)
	default:
		err = fmt.Errorf("no serializer: %d", s)
	}
	if err != nil {
		return "", err
	}
	b, err := appendText(nil, v)
	return string(b), err
}

// Parse parses JSON text and rejects trailing data. Numbers become json.Number.
func Parse(text string) (v any, err error) {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fmt.Errorf("something follows the end of %.60q", text)
	}
	return v, nil
}

var specials = map[string]float64{"#NaN": math.NaN(), "#Infinity": math.Inf(1), "#-Infinity": math.Inf(-1)}

// plain converts a result of Parse to values that the other serializers know.
func plain(v any) (any, error) {
	switch v := v.(type) {
	case json.Number:
		return number(string(v))
	case string:
		if f, ok := specials[v]; ok {
			return f, nil
		}
		if text, ok := strings.CutPrefix(v, "\x00"); ok {
			return base64.StdEncoding.DecodeString(text)
		}
		if strings.HasPrefix(v, "#\x00") {
			return v[1:], nil
		}
		return v, nil
	case []any:
		list := make([]any, len(v))
		for i, item := range v {
			var err error
			if list[i], err = plain(item); err != nil {
				return nil, err
			}
		}
		return list, nil
	case map[string]any:
		dict := make(map[string]any, len(v))
		for key, item := range v {
			var err error
			if dict[key], err = plain(item); err != nil {
				return nil, err
			}
		}
		return dict, nil
	}
	return v, nil
}

func number(text string) (any, error) {
	if strings.ContainsAny(text, ".eE") {
		return strconv.ParseFloat(text, 64)
	}
	if i, err := strconv.ParseInt(text, 10, 64); err == nil {
		return i, nil
	}
	if u, err := strconv.ParseUint(text, 10, 64); err == nil {
		return u, nil
	}
	i, ok := new(big.Int).SetString(text, 10)
	if !ok {
		return nil, fmt.Errorf("%q is no number", text)
	}
	return i, nil
}

// appendMsgPack is msgp.AppendIntf, but it encodes integers in the shortest form, as most clients do.
func appendMsgPack(b []byte, v any) ([]byte, error) {
	var err error
	switch v := v.(type) {
	case int64:
		if v >= 0 {
			return msgp.AppendUint64(b, uint64(v)), nil
		}
	case *big.Int:
		return nil, fmt.Errorf("MessagePack has no integer %v", v)
	case []any:
		b = msgp.AppendArrayHeader(b, uint32(len(v)))
		for _, item := range v {
			if b, err = appendMsgPack(b, item); err != nil {
				return nil, err
			}
		}
		return b, nil
	case map[string]any:
		b = msgp.AppendMapHeader(b, uint32(len(v)))
		for _, key := range sorted(v) {
			if b, err = appendMsgPack(msgp.AppendString(b, key), v[key]); err != nil {
				return nil, err
			}
		}
		return b, nil
	}
	return msgp.AppendIntf(b, v)
}

func readMsgPack(data []byte) (any, error) {
	v, rest, err := msgp.ReadIntfBytes(data)
	if err == nil && len(rest) > 0 {
		err = fmt.Errorf("%d octets follow the end", len(rest))
	}
	return v, err
}

var (
	cborOut, _ = cbor.EncOptions{Sort: cbor.SortBytewiseLexical}.EncMode()
	cborIn     = newCBORIn()
)

func newCBORIn() cbor.DecMode {
	m, err := cbor.DecOptions{DupMapKey: cbor.DupMapKeyEnforcedAPF, DefaultMapType: reflect.TypeFor[map[string]any](), MaxNestedLevels: 600}.DecMode()
	if err != nil {
		panic(err) // the options are constants
	}
	return m
}

// appendText writes a value as JSON text, floats with a fraction or an exponent, dicts in order of their keys.
func appendText(b []byte, v any) ([]byte, error) {
	switch v := v.(type) {
	case float32:
		return appendFloat(b, float64(v)), nil
	case float64:
		return appendFloat(b, v), nil
	case []byte:
		b = append(b, `"\u0000`...)
		return append(base64.StdEncoding.AppendEncode(b, v), '"'), nil
	case string:
		if strings.HasPrefix(v, "\x00") {
			v = "#" + v
		}
		return appendString(b, v)
	case big.Int:
		return v.Append(b, 10), nil
	case *big.Int:
		return v.Append(b, 10), nil
	case []any:
		return appendList(b, v)
	case map[string]any:
		return appendDict(b, v)
	case nil, bool, int64, uint64, json.Number:
		text, err := json.Marshal(v)
		return append(b, text...), err
	}
	return nil, fmt.Errorf("a %T has no place in a message", v)
}

func appendFloat(b []byte, f float64) []byte {
	for name, special := range specials {
		if f == special || f != f && special != special {
			return append(append(append(b, '"'), name...), '"')
		}
	}
	text := strconv.FormatFloat(f, 'g', -1, 64)
	if !strings.ContainsAny(text, ".e") {
		text += ".0"
	}
	return append(b, text...)
}

func appendString(b []byte, s string) ([]byte, error) {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	err := e.Encode(s)
	return append(b, bytes.TrimSuffix(out.Bytes(), []byte("\n"))...), err
}

func appendList(b []byte, list []any) (_ []byte, err error) {
	b = append(b, '[')
	for i, item := range list {
		if i > 0 {
			b = append(b, ',')
		}
		if b, err = appendText(b, item); err != nil {
			return nil, err
		}
	}
	return append(b, ']'), nil
}

func appendDict(b []byte, dict map[string]any) (_ []byte, err error) {
	b = append(b, '{')
	for i, key := range sorted(dict) {
		if i > 0 {
			b = append(b, ',')
		}
		if b, err = appendString(b, key); err != nil {
			return nil, err
		}
		if b, err = appendText(append(b, ':'), dict[key]); err != nil {
			return nil, err
		}
	}
	return append(b, '}'), nil
}

func sorted(dict map[string]any) []string {
	keys := make([]string, 0, len(dict))
	for key := range dict {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
