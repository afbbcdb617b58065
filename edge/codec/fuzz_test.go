package codec

import (
	"bytes"
	"reflect"
	"testing"

	"runnel/edge/wamp"
)

func FuzzParseCBOR(f *testing.F)    { fuzzParse(f, wamp.CBOR) }
func FuzzParseMsgPack(f *testing.F) { fuzzParse(f, wamp.MsgPack) }
func FuzzParseJSON(f *testing.F)    { fuzzParse(f, wamp.JSON) }

// fuzzParse checks that each accepted message can be written in all serializers and is read back the same.
func fuzzParse(f *testing.F, s wamp.Serializer) {
	for _, c := range messages {
		f.Add(in(f, s, c.text))
	}
	for _, text := range []string{
		`[16,1,{},"a",[1.5,-1,1e300,18446744073709551616,"\u0000AQ==",{"\u0000AQ==":"\n"}],{}]`,
		`[16,1,{"acknowledge":true,"forward_for":[{"session":5,"authid":"a","_node":"n"}],"_time":1,"_origin":["n",1,18446744073709551615]},"a"]`,
		`[36,1,2,{"_confirm":true,"forward_for":[]}]`,
		`[8,36,2,{},"a.b",["x"]]`,
		`[337,2]`,
		`[16,9007199254740992,{"exclude":[1],"eligible_authid":["a"],"match":null},"a","\u0000AQ=="]`,
		`[3,{},"a.b",null]`,
		`[16,1,{},"a",null,{"a":1}]`,
	} {
		f.Add(in(f, s, text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var m Message
		peeked := TypeOf(s, data)
		if err := Parse(s, data, &m); err != nil {
			if _, err := (Value{s, data}).Any(); err == nil {
				fuzzValue(t, s, data)
			}
			return
		}
		if peeked != m.Type {
			t.Errorf("TypeOf %v of %v", peeked, m.Type)
		}
		for f := m.Dict.Fields(); f.Next(); {
			if _, err := f.Value().Any(); err != nil {
				t.Errorf("%s: %v", f.Key(), err)
			}
		}
		for _, to := range wamp.Serializers {
			through(t, s, to, &m)
		}
	})
}

// through sends m to a peer of another serializer and back, twice. The first time may simplify it: a JSON number beyond
// the range of integers becomes a float. The second time must not change anything.
func through(t *testing.T, s, to wamp.Serializer, m *Message) {
	there := reencode(t, to, m)
	sameHead(t, m, there)
	back := reencode(t, s, there)
	sameHead(t, m, back)
	again := reencode(t, s, reencode(t, to, back))
	if s != to {
		sameHead(t, m, again)
	}
	first, err := Append(nil, s, reencode(t, s, reencode(t, to, reencode(t, s, reencode(t, to, back)))))
	if err != nil {
		t.Fatal(err)
	}
	second, err := Append(nil, s, again)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first, second) {
		t.Errorf("%v to %v: %x is not the same after a second time: %x", s, to, second, first)
	}
}

func reencode(t *testing.T, to wamp.Serializer, m *Message) *Message {
	data, err := Append(nil, to, m)
	if err != nil {
		t.Fatalf("append %v: %v", to, err)
	}
	if got := TypeOf(to, data); got != m.Type {
		t.Errorf("TypeOf %v", got)
	}
	var out Message
	if err := Parse(to, data, &out); err != nil {
		t.Fatalf("%v %x %q: %v", to, data, data, err)
	}
	return &out
}

// sameHead checks that the elements before the payload are the same. A null payload is written as absent.
func sameHead(t *testing.T, a, b *Message) {
	if a.Payload.Items != b.Payload.Items || a.Dict.Empty() != b.Dict.Empty() || !bytes.Equal(a.Text, b.Text) {
		t.Errorf("%+v became %+v", a, b)
	}
	x, y := *a, *b
	x.Dict, y.Dict, x.Payload, y.Payload, x.Text, y.Text = Dict{}, Dict{}, Payload{}, Payload{}, nil, nil
	x.Nulls, y.Nulls = false, false
	if !reflect.DeepEqual(x, y) {
		t.Errorf("%+v became %+v", x, y)
	}
}

func FuzzTranscode(f *testing.F) {
	for _, text := range []string{
		`null`, `[true,false]`, `{"a":{"b":[1,-1,1.5]}}`, `"\u0000AQ=="`, `"\ud83d\ude00\n"`, `18446744073709551616`, `-1e999`,
		`["x",[],{},9007199254740993]`,
	} {
		for _, s := range wamp.Serializers {
			f.Add(uint8(s), in(f, s, text))
		}
	}
	f.Add(uint8(wamp.CBOR), []byte("\x9f\xc2\x49\x01\x00\x00\x00\x00\x00\x00\x00\x00\xf9\x3c\x00\xf7\x7f\x61a\xff\xbf\x61a\x5f\xff\xff\xff"))
	f.Add(uint8(wamp.MsgPack), []byte("\x95\xd6\xff\x65\x92\x00\x80\xd4\x05\x01\xca\x3f\xc0\x00\x00\xd0\x80\xde\x00\x00"))
	f.Fuzz(func(t *testing.T, serializer uint8, data []byte) {
		s := wamp.Serializer(serializer)
		if !s.Known() {
			if _, err := Transcode(nil, wamp.JSON, s, data); err == nil {
				t.Error("no error")
			}
			return
		}
		agree(t, s, data)
		if _, err := (Value{s, data}).Any(); err == nil {
			fuzzValue(t, s, data)
		}
		for f := (Dict{s, data}).Fields(); f.Next(); {
			f.Value().Text()
		}
		if list, ok := (Value{s, data}).Items(); ok {
			for list.Next() {
				list.Value().Uint()
			}
		}
	})
}

// fuzzValue checks that a well-formed value can be transcoded, and that nothing changes from the second time on. If
// both serializers have the value's types, nothing changes at all.
func fuzzValue(t *testing.T, s wamp.Serializer, data []byte) {
	for _, to := range wamp.Serializers {
		there := recode(t, to, s, data)
		again := recode(t, to, s, recode(t, s, to, there))
		last := recode(t, to, s, recode(t, s, to, again))
		if !bytes.Equal(again, last) {
			t.Errorf("%v to %v: %x became %x", s, to, again, last)
		}
		a, err := Value{s, data}.Any()
		if err != nil {
			t.Fatal(err)
		}
		b, err := Value{to, there}.Any()
		if err != nil {
			t.Fatalf("%v to %v: %x became %x: %v", s, to, data, there, err)
		}
		if s != wamp.JSON && to != wamp.JSON && !sameValue(a, b) {
			t.Errorf("%v to %v: %#v became %#v", s, to, a, b)
		}
	}
}

func recode(t *testing.T, to, from wamp.Serializer, data []byte) []byte {
	out, err := Transcode(nil, to, from, data)
	if err != nil {
		t.Fatalf("%v to %v: %x %q: %v", from, to, data, data, err)
	}
	return out
}

// sameValue is reflect.DeepEqual, but a NaN equals a NaN.
func sameValue(a, b any) bool {
	switch x := a.(type) {
	case float64:
		y, ok := b.(float64)
		return ok && (x == y || x != x && y != y)
	case []any:
		y, ok := b.([]any)
		if !ok || len(x) != len(y) {
			return false
		}
		for i := range x {
			if !sameValue(x[i], y[i]) {
				return false
			}
		}
		return true
	case map[string]any:
		y, ok := b.(map[string]any)
		if !ok || len(x) != len(y) {
			return false
		}
		for k := range x {
			if !sameValue(x[k], y[k]) {
				return false
			}
		}
		return true
	}
	return reflect.DeepEqual(a, b)
}
