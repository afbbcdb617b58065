package codec

import (
	"reflect"
	"testing"

	"runnel/edge/wamp"
)

func valueIn(t *testing.T, s wamp.Serializer, text string) Value {
	t.Helper()
	if text == "" {
		return Value{Serializer: s}
	}
	return Value{s, in(t, s, text)}
}

// An envelope is a dict with args, a list, and kwargs, a dict, and nothing else.
func TestEnvelope(t *testing.T) {
	for _, s := range wamp.Serializers {
		for _, c := range []struct {
			text   string
			ok     bool
			args   []any
			kwargs map[string]any
		}{
			{`{"args":[1]}`, true, []any{int64(1)}, nil},
			{`{"kwargs":{"a":2}}`, true, nil, map[string]any{"a": int64(2)}},
			{`{"kwargs":{"a":2},"args":[1]}`, true, []any{int64(1)}, map[string]any{"a": int64(2)}},
			{`{"args":[],"kwargs":{}}`, true, nil, nil},
			{`{}`, false, nil, nil},
			{`[1]`, false, nil, nil},
			{`{"args":{}}`, false, nil, nil},
			{`{"args":1,"kwargs":{}}`, false, nil, nil},
			{`{"args":[1],"kwargs":[]}`, false, nil, nil},
			{`{"args":[1],"more":[]}`, false, nil, nil},
			{`{"more":[],"args":[1]}`, false, nil, nil},
		} {
			args, kwargs, ok := OpenEnvelope(valueIn(t, s, c.text))
			if ok != c.ok {
				t.Errorf("%v %s: %v", s, c.text, ok)
			}
			if !ok {
				continue
			}
			p, ok := JoinPayload(args, kwargs)
			gotArgs, gotKwargs, err := p.Decode()
			if !ok || err != nil || len(gotArgs)+len(c.args) > 0 && !reflect.DeepEqual(gotArgs, c.args) || !reflect.DeepEqual(gotKwargs, c.kwargs) {
				t.Errorf("%v %s: %v %v, %v", s, c.text, gotArgs, gotKwargs, err)
			}
		}
	}
}

// A payload is joined of a list and a dict, without those that are empty. It shares no memory with them.
func TestJoinPayload(t *testing.T) {
	for _, s := range wamp.Serializers {
		for _, c := range []struct {
			args, kwargs string
			ok           bool
			want         string
			items        int
		}{
			{``, ``, true, ``, 0},
			{`[]`, `{}`, true, ``, 0},
			{`[1]`, ``, true, `[1]`, 1},
			{`[1]`, `{}`, true, `[1]`, 1},
			{``, `{"a":2}`, true, `[],{"a":2}`, 2},
			{`[]`, `{"a":2}`, true, `[],{"a":2}`, 2},
			{`[1]`, `{"a":2}`, true, `[1],{"a":2}`, 2},
			{`{}`, ``, false, ``, 0},
			{`1`, `{}`, false, ``, 0},
			{`[1]`, `[]`, false, ``, 0},
		} {
			args, kwargs := valueIn(t, s, c.args), valueIn(t, s, c.kwargs)
			p, ok := JoinPayload(args, kwargs)
			clear(args.Raw)
			clear(kwargs.Raw)
			if p.Items > 0 {
				var err error
				if p, err = p.In(wamp.JSON, nil); err != nil {
					t.Errorf("%v %s %s: %v", s, c.args, c.kwargs, err)
				}
			}
			if ok != c.ok || p.Items != c.items || string(p.Raw) != c.want {
				t.Errorf("%v %s %s: %v %d %s", s, c.args, c.kwargs, ok, p.Items, p.Raw)
			}
		}
	}
}

// A dict is decoded if it has no more values than the limit, at any depth and in any tag, the dict itself among them.
func TestMapUpTo(t *testing.T) {
	for _, s := range wamp.Serializers {
		for _, c := range []struct {
			text   string
			values int
		}{
			{`{"a":1}`, 2}, {`{"a":[]}`, 2}, {`{"a":[1,2],"b":{"c":{"d":null}}}`, 7}, {`{"a":[[[1]]]}`, 5}, {`{"a":{"b":1,"c":2},"d":3}`, 5},
		} {
			d := Dict(valueIn(t, s, c.text))
			want, err := d.Map()
			if err != nil {
				t.Fatal(err)
			}
			if got, err := d.MapUpTo(c.values); err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("%v %s: %v, %v", s, c.text, got, err)
			}
			if got, err := d.MapUpTo(c.values - 1); err == nil {
				t.Errorf("%v %s: %v with a limit of %d", s, c.text, got, c.values-1)
			}
		}
		if got, err := (Dict{Serializer: s}).MapUpTo(0); err == nil && len(got) != 0 {
			t.Errorf("%v: an empty dict is %v", s, got)
		}
		if err := Dict(valueIn(t, s, `[1]`)).Check(); err == nil {
			t.Errorf("%v: a list is valid", s)
		}
		if _, err := Dict(valueIn(t, s, `[1]`)).MapUpTo(9); err == nil {
			t.Errorf("%v: a list is decoded", s)
		}
	}
	tagged := Dict{wamp.CBOR, []byte{0xa1, 0x61, 'a', 0xc1, 0xd8, 0x40, 0x82, 1, 2}} // {"a": 1(64([1, 2]))}
	if _, err := tagged.MapUpTo(3); err == nil {
		t.Error("the values in a tag are not counted")
	}
	if _, err := tagged.MapUpTo(4); err != nil {
		t.Error(err)
	}
	for _, d := range []Dict{{wamp.CBOR, []byte{0xa1, 0x61, 'a'}}, {wamp.JSON, []byte(`{"a":1}x`)}, {wamp.MsgPack, []byte{0x81, 0xa1}}, {0, []byte(`{}`)}} {
		if err := d.Check(); err == nil {
			t.Errorf("%v % x is valid", d.Serializer, d.Raw)
		}
	}
}

// A Builder without a serializer adds nothing and says so. So does one that gets a key that is no text.
func TestBuilderRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		s   wamp.Serializer
		key string
	}{"no serializer": {0, "a"}, "no text": {wamp.CBOR, "\xff"}} {
		for what, add := range map[string]func(*Builder){
			"Bool":   func(b *Builder) { b.Bool(c.key, true) },
			"Uint":   func(b *Builder) { b.Uint(c.key, 1) },
			"Text":   func(b *Builder) { b.Text(c.key, []byte("x")) },
			"String": func(b *Builder) { b.String(c.key, "x") },
			"Value":  func(b *Builder) { b.Value(c.key, Value{wamp.CBOR, []byte{1}}) },
			"Any":    func(b *Builder) { b.Any(c.key, 1) },
		} {
			var b Builder
			b.Reset(c.s, nil)
			if add(&b); b.Err() == nil || !b.Dict().Empty() {
				t.Errorf("%s, %s: %v, % x", name, what, b.Err(), b.Dict().Raw)
			}
		}
	}
	var b Builder
	b.Reset(wamp.JSON, nil)
	b.Bool("a", true)
	b.Any("b", "\xff")
	first := b.Err()
	b.Any("c", func() {})
	b.Uint("d", 1)
	if b.Err() != first || string(b.Dict().Raw) != `{"a":true,"d":1}` {
		t.Errorf("%v, not %v: %s", b.Err(), first, b.Dict().Raw)
	}
}

// The names of transparent payloads are those of the specification, and names that begin with "x_".
func TestNamesOfTransparentPayloads(t *testing.T) {
	for option, names := range map[string]map[string]bool{
		"enc_algo":       {"null": true, "cryptobox": true, "mqtt": true, "xbr": true, "x_a": true, "x_": false, "json": false, "": false},
		"enc_serializer": {"null": true, "json": true, "msgpack": true, "cbor": true, "ubjson": true, "opaque": true, "flatbuffers": true, "x_b": true, "mqtt": false, "yaml": false},
	} {
		for name, want := range names {
			data := []byte(`[16,1,{"` + option + `":"` + name + `"},"com.a"]`)
			var m Message
			if err := Parse(wamp.JSON, data, &m); (err == nil) != want {
				t.Errorf("%s %q: %v", option, name, err)
			}
		}
	}
}
