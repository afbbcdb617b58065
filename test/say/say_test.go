package say

import (
	"strings"
	"testing"

	"runnel/edge/wamp"
)

// A message that is encoded in any serializer is decoded as the same text.
func TestThereAndBack(t *testing.T) {
	for _, text := range []string{
		`[]`,
		`[1,"realm1",{"roles":{"caller":{}}}]`,
		`[48,1,{},"com.a",[0,-1,127,128,255,256,65535,65536,-128,-129,9007199254740993,18446744073709551615,-9223372036854775808]]`,
		`[48,1,{},"com.a",[1.0,2.5,-0.1,1e+300,"#NaN","#Infinity","#-Infinity"]]`,
		`[48,1,{},"com.a",["\u0000","\u0000AQID","#\u0000AQID","é<&>\u0001",null,true,false,[],{},[[{"a":[{}]}]]]]`,
	} {
		for _, s := range wamp.Serializers {
			if s == wamp.JSON && strings.Contains(text, "#NaN") {
				continue
			}
			data, err := Names{}.Encode(s, text)
			if err != nil {
				t.Fatalf("%v %s: %v", s, text, err)
			}
			got, err := Decode(s, data)
			if err != nil {
				t.Fatalf("%v %s: % x: %v", s, text, data, err)
			}
			if ok, err := (Names{}).Match(text, got); !ok || err != nil {
				t.Errorf("%v: said %s, heard %s (%v)", s, text, got, err)
			}
		}
	}
}

func TestBrokenMessages(t *testing.T) {
	for s, octets := range map[wamp.Serializer][]string{
		wamp.JSON:    {"", "[1", "[1]]", "{"},
		wamp.MsgPack: {"", "\x92\x01", "\x91\x01\x01", "\xc1"},
		wamp.CBOR:    {"", "\x82\x01", "\x81\x01\x01", "\xff", "\xa2\x61a\x01\x61a\x02", "\xa1\x01\x01"},
	} {
		for _, data := range octets {
			if text, err := Decode(s, []byte(data)); err == nil {
				t.Errorf("%v % x is taken for %s", s, data, text)
			}
		}
	}
	for _, text := range []string{"", "[", "[1] 2", `["\u0000?"]`} {
		if data, err := (Names{}).Encode(wamp.CBOR, text); err == nil {
			t.Errorf("%s is said as % x", text, data)
		}
	}
}

func TestMatch(t *testing.T) {
	n := Names{}
	for _, c := range []struct {
		want, got string
		ok        bool
	}{
		{`[33,1,"$sub"]`, `[33,1,9007199254740993]`, true},
		{`[36,"$sub","*",{}]`, `[36,9007199254740993,5,{}]`, true},
		{`[36,"$sub","*",{}]`, `[36,9007199254740992,5,{}]`, false},
		{`["$sub","$new"]`, `[1,2]`, false}, // does not keep names
		{`["$new","$new"]`, `[{"a":[1]},{"a":[1]}]`, true},
		{`["$new"]`, `[{"a":[2]}]`, false},
		{`["$two","$two"]`, `[1,2]`, false},
		{`[1]`, `[1.0]`, false},
		{`[1.5]`, `[15e-1]`, true},
		{`[1]`, `["1"]`, false},
		{`[1]`, `[true]`, false},
		{`[null]`, `[false]`, false},
		{`[1]`, `[1,2]`, false},
		{`[1,"*"]`, `[1]`, false},
		{`{"a":1}`, `{"a":1,"b":2}`, false},
		{`{"a":null}`, `{"b":null}`, false},
		{`"a"`, `{"a":1}`, false},
		{`{}`, `[]`, false},
	} {
		ok, err := n.Match(c.want, c.got)
		if err != nil || ok != c.ok {
			t.Errorf("%s, heard %s: %v, %v", c.want, c.got, ok, err)
		}
		if err := n.Check(c.want, c.got); (err == nil) != c.ok {
			t.Errorf("%s, heard %s: %v", c.want, c.got, err)
		}
	}
	if text, err := n.Fill(`["$sub","$new","$other"]`); err != nil || text != `[9007199254740993,{"a":[1]},"$other"]` {
		t.Errorf("filled: %s, %v", text, err)
	}
}
