package codec

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"runnel/edge/wamp"
)

func TestFields(t *testing.T) {
	for _, s := range wamp.Serializers {
		d := Dict{s, in(t, s, `{"a":true,"":1,"ü":"text","list":[1,[2],{}],"dict":{"x":null},"a":false}`)}
		var got []string
		for f := d.Fields(); f.Next(); {
			v, err := f.Value().Any()
			got = append(got, fmt.Sprintf("%s=%v,%v", f.Key(), v, err))
		}
		want := "a=true,<nil> =1,<nil> ü=text,<nil> list=[1 [2] map[]],<nil> dict=map[x:<nil>],<nil> a=false,<nil>"
		if strings.Join(got, " ") != want {
			t.Errorf("%v: %v", s, got)
		}
		m, err := d.Map()
		if err != nil || len(m) != 5 || m["a"] != false {
			t.Errorf("%v: %v, %v", s, m, err)
		}
	}
	for _, d := range []Dict{
		{wamp.CBOR, spaced(t, "bf 7f 61 61 61 62 ff 01 7f ff 02 ff")},
		{wamp.JSON, []byte(` { "\u0061b" : 1 , "" : 2 } `)[1:]},
		{wamp.MsgPack, spaced(t, "df 00000002 da 0002 6162 01 d9 00 02")},
	} {
		var got []string
		for f := d.Fields(); f.Next(); {
			u, _ := f.Value().Uint()
			got = append(got, fmt.Sprint(string(f.Key()), u))
		}
		if strings.Join(got, " ") != "ab1 2" {
			t.Errorf("%v: %v", d.Serializer, got)
		}
	}
}

func TestEmptyDict(t *testing.T) {
	for _, d := range []Dict{{}, {wamp.CBOR, []byte{0xa0}}, {wamp.CBOR, []byte{0xbf, 0xff}}, {wamp.CBOR, []byte{0xb8, 0}}, {wamp.MsgPack, []byte{0x80}},
		{wamp.MsgPack, []byte{0xde, 0, 0}}, {wamp.JSON, []byte("{}")}, {wamp.JSON, []byte("{ \n}")}} {
		m, err := d.Map()
		if !d.Empty() || err != nil || m == nil || len(m) != 0 {
			t.Errorf("%v %q: Empty %v, Map %v, %v", d.Serializer, d.Raw, d.Empty(), m, err)
		}
	}
	for _, s := range wamp.Serializers {
		if d := (Dict{s, in(t, s, `{"a":null}`)}); d.Empty() {
			t.Errorf("%v: a field is no field", s)
		}
		if d, err := NewDict(s, nil); err != nil || !reflect.DeepEqual(d, Dict{}) {
			t.Errorf("NewDict: %v, %v", d, err)
		}
	}
}

// An iteration over malformed data ends, and never panics.
func TestBrokenFields(t *testing.T) {
	for _, s := range append(wamp.Serializers[:], 0, 9) {
		for _, raw := range []string{"", "{", "[", `{"a"`, `{"a":`, `{1:2}`, "\xa1", "\xa1\x61", "\xa1\x61a", "\xbf", "\xbb\xff\xff\xff\xff\xff\xff\xff\xff",
			"\x81", "\x81\xa1a", "\xde", "\xdf\xff\xff\xff\xff", "\x90", "\x9f", "7", "\xbc"} {
			d := Dict{s, []byte(raw)}
			for f := d.Fields(); f.Next(); {
				t.Errorf("%v %q has a field", s, raw)
			}
			v := Value(d)
			if list, ok := v.Items(); ok {
				for list.Next() {
					t.Errorf("%v %q has an item", s, raw)
				}
			}
			v.Bool()
			v.Uint()
			v.Text()
			v.IsNull()
			if m, err := d.Map(); err == nil && raw != "" {
				t.Errorf("%v %q is the map %v", s, raw, m)
			}
		}
	}
}

func TestBuilder(t *testing.T) {
	values := map[wamp.Serializer]Value{}
	for _, s := range wamp.Serializers {
		values[s] = Value{s, in(t, s, `[1,"\u0000AQ==",{"x":null}]`)}
	}
	for _, s := range wamp.Serializers {
		for _, from := range wamp.Serializers {
			var b Builder
			for range 2 { // the second time in the memory of the first
				b.Reset(s, nil)
				b.Bool("yes", true)
				b.Bool("no", false)
				b.Uint("id", wamp.MaxID)
				b.Text("text", []byte("a\"b"))
				b.String("string", "ü")
				b.Value("value", values[from])
				b.Any("any", map[string]any{"z": 1, "a": []string{"x"}})
				want := in(t, s, `{"yes":true,"no":false,"id":9007199254740992,"text":"a\"b","string":"ü","value":[1,"\u0000AQ==",{"x":null}],"any":{"a":["x"],"z":1}}`)
				if d := b.Dict(); b.Err() != nil || d.Serializer != s || !bytes.Equal(d.Raw, want) {
					t.Errorf("%v from %v: %q, %v", s, from, d.Raw, b.Err())
				}
				if d := b.Dict(); !bytes.Equal(d.Raw, want) {
					t.Errorf("%v: Dict again: %q", s, d.Raw)
				}
			}
		}
	}
}

func TestBuilderSizes(t *testing.T) {
	for _, s := range wamp.Serializers {
		for _, n := range []int{0, 1, 15, 16, 23, 24, 255, 256, 65535, 65536} {
			var b Builder
			b.Reset(s, make([]byte, 0, 16))
			for i := range n {
				b.Uint(fmt.Sprint(i), uint64(i))
			}
			m, err := b.Dict().Map()
			if err != nil || len(m) != n {
				t.Errorf("%v: %d fields of %d, %v", s, len(m), n, err)
			}
		}
	}
}

func TestBuilderLeavesOut(t *testing.T) {
	for _, s := range wamp.Serializers {
		for name, add := range map[string]func(*Builder){
			"text":         func(b *Builder) { b.Text("x", []byte("\xff")) },
			"string":       func(b *Builder) { b.String("x", "\xff") },
			"any":          func(b *Builder) { b.Any("x", []any{1, make(chan int)}) },
			"deep":         func(b *Builder) { b.Any("x", deep(MaxDepth)) },
			"value":        func(b *Builder) { b.Value("x", Value{s, []byte{0xc1}}) },
			"no value":     func(b *Builder) { b.Value("x", Value{}) },
			"key":          func(b *Builder) { b.Bool("\xff", true) },
			"key of text":  func(b *Builder) { b.Text("\xff", nil) },
			"key of value": func(b *Builder) { b.Value("\xff", Value{}) },
		} {
			var b Builder
			b.Reset(s, nil)
			add(&b)
			if b.Err() == nil || !b.Dict().Empty() {
				t.Errorf("%s, %v: %q, %v", name, s, b.Dict().Raw, b.Err())
			}
			b.Bool("a", true)
			add(&b)
			b.Bool("b", true)
			if !bytes.Equal(b.Dict().Raw, in(t, s, `{"a":true,"b":true}`)) {
				t.Errorf("%s, %v: %q", name, s, b.Dict().Raw)
			}
		}
	}
	var b Builder
	b.Bool("a", true)
	if b.Err() == nil || !b.Dict().Empty() {
		t.Error("a Builder without Reset took a field")
	}
}

// deep returns n nested lists.
func deep(levels int) any {
	v := any([]any{})
	for range levels - 1 {
		v = []any{v}
	}
	return v
}

func TestNewDict(t *testing.T) {
	for _, s := range wamp.Serializers {
		d, err := NewDict(s, map[string]any{"b": uint16(2), "a": true})
		if err != nil || d.Serializer != s || !bytes.Equal(d.Raw, in(t, s, `{"a":true,"b":2}`)) {
			t.Errorf("%v: %q, %v", s, d.Raw, err)
		}
		if d, err := NewDict(s, map[string]any{"a": make(chan int)}); err == nil {
			t.Errorf("%v: %q", s, d.Raw)
		}
	}
}

func TestClone(t *testing.T) {
	raw := []byte(`{"a":1}`)
	d, v, p := Dict{wamp.JSON, raw}.Clone(), Value{wamp.JSON, raw}.Clone(), Payload{wamp.JSON, 1, raw}.Clone()
	clear(raw)
	if string(d.Raw) != `{"a":1}` || string(v.Raw) != `{"a":1}` || string(p.Raw) != `{"a":1}` || p.Items != 1 || d.Serializer != wamp.JSON {
		t.Error(d, v, p)
	}
}
