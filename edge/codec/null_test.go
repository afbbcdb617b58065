package codec

import (
	"testing"

	"runnel/edge/wamp"
	"runnel/test/say"
)

func TestNullPayload(t *testing.T) {
	for _, s := range wamp.Serializers {
		for text, want := range map[string]string{
			`[16,1,{},"a",null]`:             `[16,1,{},"a"]`,
			`[16,1,{},"a",null,null]`:        `[16,1,{},"a"]`,
			`[16,1,{},"a", ["x"] , null ]`:   `[16,1,{},"a",["x"]]`,
			`[16,1,{},"a",null , {"k":[1]}]`: `[16,1,{},"a",[],{"k":[1]}]`,
			`[50,1,{},null]`:                 `[50,1,{}]`,
			`[70,1,{},null,{"k":1}]`:         `[70,1,{},[],{"k":1}]`,
			`[8,68,1,{},"a",null,null]`:      `[8,68,1,{},"a"]`,
			`[36,1,2,{},[],null]`:            `[36,1,2,{},[]]`,
			`[48,1,{},"a",null]`:             `[48,1,{},"a"]`,
			`[3,{},"a",null]`:                `[3,{},"a"]`,
		} {
			data := []byte(text)
			if s != wamp.JSON {
				var err error
				if data, err = (say.Names{}).Encode(s, text); err != nil {
					t.Fatal(err)
				}
			}
			var m Message
			if err := Parse(s, data, &m); err != nil || !m.Nulls {
				t.Errorf("%v %s: %v, nulls %v", s, text, err, m.Nulls)
				continue
			}
			for _, to := range wamp.Serializers { // copied, and transcoded
				encoded, err := Append(nil, to, &m)
				if err != nil {
					t.Errorf("%v %s: %v", s, text, err)
					continue
				}
				if got, err := say.Decode(to, encoded); err != nil || got != want {
					t.Errorf("%v %s in %v is %s, %v; expected %s", s, text, to, got, err, want)
				}
			}
		}
	}
}

// The encodings of undefined by JavaScript libraries are read as null.
func TestUndefinedPayload(t *testing.T) {
	for s, data := range map[wamp.Serializer]string{
		wamp.CBOR:    "\x86\x10\x01\xa0\x61a\xf7\xf7",
		wamp.MsgPack: "\x96\x10\x01\x80\xa1a" + msgpackUndefined + msgpackUndefined,
	} {
		var m Message
		if err := Parse(s, []byte(data), &m); err != nil || !m.Nulls || m.Payload.Items != 0 {
			t.Errorf("%v: %v, %+v", s, err, m)
		}
	}
	for s, data := range map[wamp.Serializer]string{
		wamp.CBOR:    "\x85\x10\x01\xa0\x61a\xf4",         // false
		wamp.MsgPack: "\x95\x10\x01\x80\xa1a\xd4\x01\x00", // another extension
		wamp.JSON:    `[16,1,{},"a",false]`,
	} {
		var m Message
		if err := Parse(s, []byte(data), &m); err == nil || err.Error() != "PUBLISH: arguments is neither a list nor a binary" {
			t.Errorf("%v: %v", s, err)
		}
	}
}
