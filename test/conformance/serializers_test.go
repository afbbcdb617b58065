package conformance

import (
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"runnel/edge/wamp"
	"runnel/test/stage"
)

// values lists values that peers with different serializers must understand alike: the value that one sends, and the value
// that the other receives if it differs.
var values = []string{
	`0`, `1`, `-1`, `23`, `24`, `-24`, `-25`, `127`, `128`, `-128`, `-129`, `255`, `256`, `-32768`, `65535`, `65536`, `2147483647`, `2147483648`, `-2147483649`,
	`4294967295`, `4294967296`, `9007199254740991`, `9007199254740992`, `9007199254740993`, `-9007199254740993`,
	`9223372036854775807`, `-9223372036854775808`, `9223372036854775808`, `18446744073709551615`,
	`0.5`, `-2.5`, `1.0`, `0.1`, `1e+300`, `1e-300`, `4.9e-324`, `1.7976931348623157e+308`, `3.4028234663852886e+38`,
	`""`, `"a"`, `"é😀\u0001\"\\/"`, `"` + strings.Repeat("x", 31) + `"`, `"` + strings.Repeat("x", 32) + `"`, `"` + strings.Repeat("x", 256) + `"`,
	`"\u0000"`, `"\u0000AA=="`, `"\u0000AQIDBAUGBwgJ"`, `"\u0000` + strings.Repeat("AQID", 100) + `"`, `"\u0000////"`,
	`null`, `true`, `false`, `[]`, `{}`, `[[]]`, `[{}]`, `{"":{}}`, `{"a":[1,{"b":["\u0000AQID"]}]}`,
	`[0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16]`, `{"a":1,"b":2,"c":3,"d":4,"e":5,"f":6,"g":7,"h":8,"i":9,"j":10,"k":11,"l":12,"m":13,"n":14,"o":15,"p":16}`,
	`[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]`, `{"é😀":"key"}`,
}

func TestMixedSerializers(t *testing.T) {
	house.Between(t, "events", func(s *stage.Scene, one, other stage.Way) {
		pub, sub := s.JoinBy(one, stage.Simple), s.JoinBy(other, stage.Simple)
		sub.Say(`[32,1,{},"~.a"]`)
		sub.Hear(`[33,1,"$sub"]`)
		for i, v := range values {
			payload := fmt.Sprintf(`,[%s,"end"],{"k":%s}`, v, v)
			pub.Say(fmt.Sprintf(`[16,%d,{},"~.a"%s]`, i+1, payload))
			sub.Hear(`[36,"$sub","*",{}` + payload + `]`)
		}
	})
	house.Between(t, "calls", func(s *stage.Scene, one, other stage.Way) {
		caller, callee := s.JoinBy(one, stage.Full), s.JoinBy(other, stage.Full)
		callee.Say(`[64,1,{},"~.x"]`)
		callee.Hear(`[65,1,"*"]`)
		for i, v := range values {
			payload := fmt.Sprintf(`,[%s,"end"],{"k":%s}`, v, v)
			caller.Say(fmt.Sprintf(`[48,%d,{"receive_progress":true},"~.x"%s]`, i+1, payload))
			callee.Hear(fmt.Sprintf(`[68,%d,"*",{"receive_progress":true}%s]`, i+1, payload))
			callee.Say(fmt.Sprintf(`[70,%d,{"progress":true}%s]`, i+1, payload))
			caller.Hear(fmt.Sprintf(`[50,%d,{"progress":true}%s]`, i+1, payload))
			callee.Say(fmt.Sprintf(`[70,%d,{}%s]`, i+1, payload))
			caller.Hear(fmt.Sprintf(`[50,%d,{}%s]`, i+1, payload))
		}
	})
	house.Between(t, "errors", func(s *stage.Scene, one, other stage.Way) {
		caller, callee := s.JoinBy(one, stage.Full), s.JoinBy(other, stage.Full)
		callee.Say(`[64,1,{},"~.x"]`)
		callee.Hear(`[65,1,"*"]`)
		for i, v := range values {
			payload := fmt.Sprintf(`,[%s,"end"],{"k":%s}`, v, v)
			caller.Say(fmt.Sprintf(`[48,%d,{},"~.x"]`, i+1))
			callee.Hear(fmt.Sprintf(`[68,%d,"*",{}]`, i+1))
			callee.Say(fmt.Sprintf(`[8,68,%d,{},"com.error"%s]`, i+1, payload))
			caller.Hear(fmt.Sprintf(`[8,48,%d,{},"com.error"%s]`, i+1, payload))
		}
	})
	house.Between(t, "testaments and retained events", func(s *stage.Scene, one, other stage.Way) {
		p, sub := s.JoinBy(one, stage.Simple), s.JoinBy(other, stage.Simple)
		for i, v := range values {
			p.Say(fmt.Sprintf(`[16,%d,{"retain":true,"acknowledge":true},"~.r",[%s]]`, i+1, v))
			p.Hear(fmt.Sprintf(`[17,%d,"*"]`, i+1))
			sub.Say(`[32,1,{"get_retained":true},"~.r"]`)
			sub.Hear(`[33,1,"$retained"]`, `[36,"$retained","*",{"retained":true},[`+v+`]]`)
			sub.Say(`[34,2,"$retained"]`)
			sub.Hear(`[35,2]`)
			delete(s.Names, "retained")
		}
		sub.Say(`[32,3,{},"~.w"]`)
		sub.Hear(`[33,3,"$sub"]`)
		for i, v := range values {
			p.Say(fmt.Sprintf(`[48,%d,{},"wamp.session.add_testament",["~.w",[%s],{"k":%s}]]`, i+1000, v, v))
			p.Hear(fmt.Sprintf(`[50,%d,{}]`, i+1000))
		}
		p.Goodbye()
		for _, v := range values {
			sub.Hear(fmt.Sprintf(`[36,"$sub","*",{},[%s],{"k":%s}]`, v, v))
		}
	})
	house.Between(t, "details", func(s *stage.Scene, one, other stage.Way) {
		caller, callee := s.JoinBy(one, stage.Full), s.JoinBy(other, stage.Full)
		callee.Say(`[64,1,{},"~.x"]`)
		callee.Hear(`[65,1,"*"]`)
		caller.Say(`[48,1,{},"~.x"]`)
		callee.Hear(`[68,1,"*",{}]`)
		callee.Say(`[8,68,1,{"trace":["\u0000AQID",18446744073709551615,{"a":null}],"_own":2.5},"com.error"]`)
		caller.Hear(`[8,48,1,{"trace":["\u0000AQID",18446744073709551615,{"a":null}],"_own":2.5},"com.error"]`)
	})
}

// The router converts values that only one of two serializers supports.
func TestConversions(t *testing.T) {
	for name, c := range map[string]struct {
		from       wamp.Serializer
		hex        string // of the one argument
		json, cbor string // the received message; "": not checked
		msgpack    string
	}{
		"NaN in CBOR":                   {wamp.CBOR, "f97e00", `null`, `"#NaN"`, `"#NaN"`},
		"infinity in CBOR":              {wamp.CBOR, "f97c00", `null`, `"#Infinity"`, `"#Infinity"`},
		"-infinity in MessagePack":      {wamp.MsgPack, "cbfff0000000000000", `null`, `"#-Infinity"`, `"#-Infinity"`},
		"half float in CBOR":            {wamp.CBOR, "f93e00", `1.5`, `1.5`, `1.5`},
		"float32 in MessagePack":        {wamp.MsgPack, "ca3fc00000", `1.5`, `1.5`, `1.5`},
		"undefined in CBOR":             {wamp.CBOR, "f7", `null`, ``, `null`},
		"tagged text in CBOR":           {wamp.CBOR, "c06161", `"a"`, ``, `"a"`},
		"text in chunks in CBOR":        {wamp.CBOR, "7f61616162ff", `"ab"`, `"ab"`, `"ab"`},
		"binary in chunks in CBOR":      {wamp.CBOR, "5f41014102ff", `"\u0000AQI="`, `"\u0000AQI="`, `"\u0000AQI="`},
		"open list in CBOR":             {wamp.CBOR, "9f0102ff", `[1,2]`, `[1,2]`, `[1,2]`},
		"open map in CBOR":              {wamp.CBOR, "bf616101ff", `{"a":1}`, `{"a":1}`, `{"a":1}`},
		"bignum in CBOR":                {wamp.CBOR, "c249010000000000000000", `18446744073709551616`, ``, `18446744073709552000.0`},
		"least integer in CBOR":         {wamp.CBOR, "3bffffffffffffffff", `-18446744073709551616`, `-18446744073709551616`, `-18446744073709552000.0`},
		"long head in CBOR":             {wamp.CBOR, "1b0000000000000001", `1`, `1`, `1`},
		"long integer in MessagePack":   {wamp.MsgPack, "d30000000000000001", `1`, `1`, `1`},
		"timestamp in MessagePack":      {wamp.MsgPack, "d6ff5a4af6a5", `"2018-01-02T03:04:05Z"`, `"2018-01-02T03:04:05Z"`, ``},
		"other ext in MessagePack":      {wamp.MsgPack, "d40107", `"\u0000Bw=="`, `"\u0000Bw=="`, ``},
		"large exponent in JSON":        {wamp.JSON, hex.EncodeToString([]byte(`1e999`)), ``, `"#Infinity"`, `"#Infinity"`},
		"large integer in JSON":         {wamp.JSON, hex.EncodeToString([]byte(`18446744073709551616`)), `18446744073709551616`, `18446744073709551616.0`, `18446744073709551616.0`},
		"-0 in JSON":                    {wamp.JSON, hex.EncodeToString([]byte(`-0`)), ``, `0`, `0`},
		"bad base64 in JSON":            {wamp.JSON, hex.EncodeToString([]byte(`"\u0000?"`)), ``, `"#\u0000?"`, `"#\u0000?"`},
		"base64 without padding":        {wamp.JSON, hex.EncodeToString([]byte(`"\u0000AQI"`)), ``, `"#\u0000AQI"`, `"#\u0000AQI"`},
		"escapes in JSON":               {wamp.JSON, hex.EncodeToString([]byte(`"\ud83d\ude00\b\f\n\r\t\/"`)), ``, `"😀\b\f\n\r\t/"`, `"😀\b\f\n\r\t/"`},
		"text that looks like a binary": {wamp.CBOR, "6500" + hex.EncodeToString([]byte("AQID")), `"\u0000AQID"`, ``, ``},
	} {
		t.Run(name, func(t *testing.T) {
			for _, to := range wamp.Serializers {
				want := map[wamp.Serializer]string{wamp.JSON: c.json, wamp.CBOR: c.cbor, wamp.MsgPack: c.msgpack}[to]
				if want == "" {
					continue
				}
				t.Run(to.String(), func(t *testing.T) {
					s := house.Scene(t, stage.Way{Network: "tcp", Serializer: c.from}, stage.Way{Network: "tcp", Serializer: c.from}.Realm())
					pub, sub := s.Join(stage.Simple), s.JoinBy(stage.Way{Network: "unix", Serializer: to}, stage.Simple)
					sub.Say(`[32,1,{},"conversions"]`)
					sub.Hear(`[33,1,"$sub"]`)
					pub.Raw(published(c.from, c.hex))
					sub.Hear(`[36,"$sub","*",{},[` + want + `]]`)
				})
			}
		})
	}
}

// published returns a PUBLISH to "conversions" with one argument, given in hexadecimal.
func published(s wamp.Serializer, argument string) []byte {
	switch s {
	case wamp.JSON:
		return append(append([]byte(`[16,1,{},"conversions",[`), unhex(argument)...), `]]`...)
	case wamp.MsgPack:
		return unhex("951001" + "80" + "ab" + hex.EncodeToString([]byte("conversions")) + "91" + argument)
	}
	return unhex("851001" + "a0" + "6b" + hex.EncodeToString([]byte("conversions")) + "81" + argument)
}
