package codec

import (
	"encoding/json"
	"math"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"runnel/edge/wamp"
)

func TestValue(t *testing.T) {
	type result struct {
		b, isBool bool
		u         uint64
		isUint    bool
		t         string
		isText    bool
		isNull    bool
	}
	for text, want := range map[string]result{
		`true`:                 {b: true, isBool: true},
		`false`:                {isBool: true},
		`null`:                 {isNull: true},
		`0`:                    {isUint: true},
		`1`:                    {u: 1, isUint: true},
		`9007199254740993`:     {u: 1<<53 + 1, isUint: true},
		`18446744073709551615`: {u: math.MaxUint64, isUint: true},
		`18446744073709551616`: {},
		`-1`:                   {},
		`1.0`:                  {},
		`1e2`:                  {},
		`"true"`:               {t: "true", isText: true},
		`""`:                   {isText: true},
		`"\u00fc\n"`:           {t: "ü\n", isText: true},
		`"\u0000AQ=="`:         {}, // a binary
		`"\u0000AQ"`:           {t: "\x00AQ", isText: true},
		`[]`:                   {},
		`{}`:                   {},
	} {
		for _, s := range wamp.Serializers {
			var got result
			v := Value{s, in(t, s, text)}
			got.b, got.isBool = v.Bool()
			got.u, got.isUint = v.Uint()
			b, ok := v.Text()
			got.t, got.isText, got.isNull = string(b), ok, v.IsNull()
			if got != want {
				t.Errorf("%v %s: %+v", s, text, got)
			}
		}
	}
	if !(Value{wamp.CBOR, []byte{0xf7}}).IsNull() {
		t.Error("undefined is not null")
	}
	if !(Value{wamp.MsgPack, []byte(msgpackUndefined)}).IsNull() {
		t.Error("msgpackr's undefined is not null")
	}
	if u, ok := (Value{wamp.MsgPack, []byte{0xd0, 5}}).Uint(); !ok || u != 5 {
		t.Error("a positive int8 is no Uint")
	}
	if b, ok := (Value{wamp.CBOR, spaced(t, "7f 61 61 61 62 ff")}).Text(); !ok || string(b) != "ab" {
		t.Error("text in chunks is no Text")
	}
}

func TestItems(t *testing.T) {
	for _, s := range wamp.Serializers {
		list, ok := Value{s, in(t, s, `[ 1,[2],{"a":3},"x"]`)}.Items()
		n := 0
		for ok && list.Next() {
			if _, err := list.Value().Any(); err != nil {
				t.Errorf("%v: %v", s, err)
			}
			n++
		}
		if n != 4 {
			t.Errorf("%v: %d items", s, n)
		}
		if _, ok := (Value{s, in(t, s, `{"a":1}`)}).Items(); ok {
			t.Errorf("%v: a dict is a list", s)
		}
		if _, ok := (Value{s, in(t, s, `[]`)}).Dict(); ok {
			t.Errorf("%v: a list is a dict", s)
		}
		if d, ok := (Value{s, in(t, s, `{"a":1}`)}).Dict(); !ok || d.Empty() {
			t.Errorf("%v: a dict is no dict", s)
		}
	}
}

func TestAny(t *testing.T) {
	want := map[string]any{
		"nil": nil, "true": true, "false": false, "int": int64(-5), "max": int64(math.MaxInt64), "min": int64(math.MinInt64),
		"uint": uint64(math.MaxUint64), "float": 1.5, "whole": 2.0, "text": "aü\"", "bytes": []byte{1, 2}, "none": []byte{},
		"list": []any{int64(1), []any{}, map[string]any{}}, "dict": map[string]any{"a": map[string]any{"b": "c"}},
	}
	for _, s := range wamp.Serializers {
		data, err := AppendValue(nil, s, want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Value{s, data}.Any()
		if err != nil || !reflect.DeepEqual(got, any(want)) {
			t.Errorf("%v: %#v, %v", s, got, err)
		}
	}
	for _, c := range []struct {
		s      wamp.Serializer
		octets string
		want   any
	}{
		{wamp.CBOR, "3b 7fffffffffffffff", int64(math.MinInt64)},
		{wamp.CBOR, "3b 8000000000000000", -9223372036854775809.0},
		{wamp.CBOR, "c2 49 010000000000000000", 18446744073709551616.0},
		{wamp.CBOR, "1b 8000000000000000", uint64(1 << 63)},
		{wamp.MsgPack, "cf 8000000000000000", uint64(1 << 63)},
		{wamp.CBOR, "c1 01", int64(1)},
		{wamp.CBOR, "f7", nil},
		{wamp.CBOR, "5f 41 01 41 02 ff", []byte{1, 2}},
		{wamp.MsgPack, "d6 ff 65920080", "2024-01-01T00:00:00Z"},
		{wamp.MsgPack, "d4 05 01", []byte{1}},
		{wamp.MsgPack, "ca 3fc00000", 1.5},
	} {
		got, err := Value{c.s, spaced(t, c.octets)}.Any()
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%v %s: %#v, %v", c.s, c.octets, got, err)
		}
	}
}

// Decoded values share no memory with the bytes, nor with each other.
func TestAnyCopies(t *testing.T) {
	for _, s := range wamp.Serializers {
		data := in(t, s, `["\u0000AQI=","\u0000AwQ=","te\nxt","other\n"]`)
		got, err := Value{s, data}.Any()
		clear(data)
		if want := []any{[]byte{1, 2}, []byte{3, 4}, "te\nxt", "other\n"}; err != nil || !reflect.DeepEqual(got, any(want)) {
			t.Errorf("%v: %#v, %v", s, got, err)
		}
	}
}

func TestPayload(t *testing.T) {
	for _, s := range wamp.Serializers {
		for _, c := range []struct {
			args   []any
			kwargs map[string]any
			items  int
			want   string
		}{
			{nil, nil, 0, ``},
			{[]any{}, map[string]any{}, 0, ``},
			{[]any{int64(1), "a"}, nil, 1, `[1,"a"]`},
			{nil, map[string]any{"k": "v"}, 2, `[],{"k":"v"}`},
			{[]any{nil}, map[string]any{"k": []any{}}, 2, `[null],{"k":[]}`},
		} {
			p, err := NewPayload(s, c.args, c.kwargs)
			if err != nil || p.Items != c.items || s == wamp.JSON && string(p.Raw) != c.want {
				t.Errorf("%v %v %v: %q, %v", s, c.args, c.kwargs, p.Raw, err)
			}
			args, kwargs, err := p.Decode()
			if err != nil || len(args) != len(c.args) || len(args) > 0 && !reflect.DeepEqual(args, c.args) || len(kwargs) != len(c.kwargs) ||
				len(kwargs) > 0 && !reflect.DeepEqual(kwargs, c.kwargs) {
				t.Errorf("%v %v %v: decoded %v %v, %v", s, c.args, c.kwargs, args, kwargs, err)
			}
		}
		m := parse(t, s, in(t, s, `[16,1,{},"a","\u0000AQI=",{"a":1}]`))
		args, kwargs, err := m.Payload.Decode()
		if err != nil || !reflect.DeepEqual(args, []any{[]byte{1, 2}}) || !reflect.DeepEqual(kwargs, map[string]any{"a": int64(1)}) {
			t.Errorf("%v: %v %v, %v", s, args, kwargs, err)
		}
		if _, err := NewPayload(s, []any{func() {}}, nil); err == nil {
			t.Errorf("%v: a function was encoded", s)
		}
		if _, err := NewPayload(s, nil, map[string]any{"": "\xff"}); err == nil {
			t.Errorf("%v: broken text was encoded", s)
		}
	}
	if _, err := NewPayload(0, []any{1}, nil); err == nil {
		t.Error("a payload without a serializer")
	}
	p := Payload{wamp.JSON, 2, []byte(" [ 1 ] , { } ")}
	if args, kwargs, err := p.Decode(); err != nil || len(args) != 1 || kwargs == nil {
		t.Errorf("with spaces: %v %v, %v", args, kwargs, err)
	}
	p = Payload{wamp.JSON, 2, []byte("[1],[2]")}
	if _, _, err := p.Decode(); err == nil {
		t.Error("a list taken for ArgumentsKw")
	}
}

func TestPayloadIn(t *testing.T) {
	buf := make([]byte, 0, 64)
	for _, from := range wamp.Serializers {
		m := parse(t, from, in(t, from, `[16,1,{},"a",[1,"\u0000AQ=="],{"k":null}]`))
		for _, to := range wamp.Serializers {
			p, err := m.Payload.In(to, buf)
			if err != nil || p.Serializer != to {
				t.Errorf("%v in %v: %v, %v", from, to, p, err)
			}
			got, err := Append(nil, to, &Message{Type: wamp.Yield, Request: 1, Payload: p})
			if err != nil || string(got) != string(in(t, to, `[70,1,{},[1,"\u0000AQ=="],{"k":null}]`)) {
				t.Errorf("%v in %v: %q, %v", from, to, got, err)
			}
		}
	}
	if p, err := (Payload{}).In(wamp.CBOR, nil); err != nil || p.Items != 0 {
		t.Errorf("no payload: %v, %v", p, err)
	}
	if _, err := (Payload{wamp.JSON, 1, []byte("[")}).In(wamp.CBOR, nil); err == nil {
		t.Error("a broken payload was transcoded")
	}
}

type (
	word16  uint16
	name    string
	octet   uint8
	reading struct {
		Name  string    `json:"name"`
		Value float64   `json:"value"`
		Raw   []int     `json:"raw,omitempty"`
		Inner *reading  `json:"inner,omitempty"`
		At    time.Time `json:"at,omitzero"`
	}
	self []self
)

func TestAppendValue(t *testing.T) {
	five := 5
	loop := make(self, 1)
	loop[0] = loop
	for _, c := range []struct {
		v    any
		want string // JSON; "": it must fail
	}{
		{nil, `null`}, {true, `true`}, {int(-1), `-1`}, {int8(-128), `-128`}, {int16(1), `1`}, {int32(1), `1`}, {int64(math.MinInt64), `-9223372036854775808`},
		{uint(1), `1`}, {uint8(255), `255`}, {word16(7), `7`}, {uint32(1), `1`}, {uint64(math.MaxUint64), `18446744073709551615`},
		{float32(1.5), `1.5`}, {2.0, `2.0`}, {"a\"ü", `"a\"ü"`}, {name("n"), `"n"`},
		{[]byte{1}, `"\u0000AQ=="`}, {[]octet{1}, `"\u0000AQ=="`}, {[2]byte{1, 2}, `"\u0000AQI="`}, {[]byte(nil), `"\u0000"`},
		{[]any{1, "a", nil}, `[1,"a",null]`}, {[]any(nil), `[]`}, {[]string{"a"}, `["a"]`}, {[2]int{1, 2}, `[1,2]`}, {[]int(nil), `[]`},
		{map[string]any{"b": 1, "a": []byte{}}, `{"a":"\u0000","b":1}`}, {map[name]int{"x": 1}, `{"x":1}`}, {map[string]any(nil), `{}`},
		{map[int]string{1: "a"}, `{"1":"a"}`}, {&five, `5`}, {(*int)(nil), `null`}, {[]*int{&five, nil}, `[5,null]`},
		{json.Number("18446744073709551615"), `18446744073709551615`}, {json.Number("1.5"), `1.5`}, {json.Number("-2"), `-2`},
		{json.Number(""), ``}, {json.Number("x"), ``}, {json.Number("1 "), ``}, {json.Number(`"a"`), ``}, {json.Number("[]"), ``},
		{reading{Name: "t", Value: 1.5}, `{"name":"t","value":1.5}`},
		{&reading{Inner: &reading{}, Raw: []int{1}}, `{"name":"","value":0,"raw":[1],"inner":{"name":"","value":0}}`},
		{[]reading{{}}, `[{"name":"","value":0}]`},
		{time.Unix(0, 0).UTC(), `"1970-01-01T00:00:00Z"`}, {json.RawMessage(`{"a":[1]}`), `{"a":[1]}`}, {json.RawMessage(`{`), ``},
		{url.URL{Scheme: "a"}, `{"Scheme":"a","Opaque":"","User":null,"Host":"","Path":"","Fragment":"","RawQuery":"","RawPath":"","RawFragment":"","ForceQuery":false,"OmitHost":false}`},
		{Value{wamp.CBOR, []byte{0x81, 1}}, `[1]`}, {Dict{wamp.MsgPack, []byte{0x81, 0xa1, 'a', 1}}, `{"a":1}`}, {Dict{}, `{}`},
		{[]any{Value{wamp.JSON, []byte("{")}}, ``},
		{"\xff", ``}, {name("\xff"), ``}, {map[string]any{"\xff": 1}, ``}, {make(chan int), ``}, {func() {}, ``}, {complex(1, 1), ``},
		{[]any{make(chan int)}, ``}, {map[string]any{"a": "\xff"}, ``}, {loop, ``},
		{deep(MaxDepth), nested(MaxDepth)}, {deep(MaxDepth + 1), ``},
	} {
		for _, s := range wamp.Serializers {
			got, err := AppendValue([]byte("before"), s, c.v)
			if c.want == "" {
				if err == nil || string(got) != "before" {
					t.Errorf("%v: %T %v: %q, %v", s, c.v, c.v, got, err)
				} else if !strings.HasPrefix(err.Error(), "encode ") {
					t.Errorf("%v: %T: %v", s, c.v, err)
				}
				continue
			}
			if err != nil || string(got[6:]) != string(in(t, s, c.want)) {
				t.Errorf("%v: %T: %q, %v, want %s", s, c.v, got, err, c.want)
			}
		}
	}
	if _, err := AppendValue(nil, 0, 1); err == nil {
		t.Error("encoded without a serializer")
	}
	if got, _ := AppendValue(nil, wamp.JSON, math.NaN()); string(got) != "null" {
		t.Errorf("NaN: %s", got)
	}
}

// Each value is encoded in its shortest form, up to the bounds of each form.
func TestShortestForms(t *testing.T) {
	text := func(n int) any { return strings.Repeat("a", n) }
	list := func(n int) any { return make([]any, n) }
	for _, c := range []struct {
		v             any
		cbor, msgpack int // octets
	}{
		{int64(0), 1, 1}, {int64(23), 1, 1}, {int64(24), 2, 1}, {int64(127), 2, 1}, {int64(128), 2, 2}, {int64(255), 2, 2}, {int64(256), 3, 3},
		{int64(65535), 3, 3}, {int64(65536), 5, 5}, {int64(math.MaxUint32), 5, 5}, {int64(math.MaxUint32 + 1), 9, 9}, {uint64(math.MaxUint64), 9, 9},
		{int64(-1), 1, 1}, {int64(-24), 1, 1}, {int64(-25), 2, 1}, {int64(-32), 2, 1}, {int64(-33), 2, 2}, {int64(-128), 2, 2}, {int64(-129), 2, 3},
		{int64(-256), 2, 3}, {int64(-257), 3, 3}, {int64(-32768), 3, 3}, {int64(-32769), 3, 5}, {int64(-65536), 3, 5}, {int64(-65537), 5, 5},
		{int64(math.MinInt32), 5, 5}, {int64(math.MinInt32 - 1), 5, 9}, {int64(math.MinInt64), 9, 9},
		{text(23), 24, 24}, {text(24), 26, 25}, {text(31), 33, 32}, {text(32), 34, 34}, {text(255), 257, 257}, {text(256), 259, 259},
		{text(65535), 65538, 65538}, {text(65536), 65541, 65541},
		{[]byte(strings.Repeat("a", 23)), 24, 25}, {[]byte(strings.Repeat("a", 255)), 257, 257}, {[]byte(strings.Repeat("a", 256)), 259, 259},
		{list(15), 16, 16}, {list(16), 17, 19}, {list(23), 24, 26}, {list(24), 26, 27}, {list(65535), 65538, 65538}, {list(65536), 65541, 65541},
	} {
		for s, want := range map[wamp.Serializer]int{wamp.CBOR: c.cbor, wamp.MsgPack: c.msgpack} {
			b, err := AppendValue(nil, s, c.v)
			if err != nil || len(b) != want {
				t.Errorf("%v %.40v: %d octets (% .9x...), want %d; %v", s, c.v, len(b), b, want, err)
			}
		}
	}
}
