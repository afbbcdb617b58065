package codec

import (
	"strings"
	"testing"

	"runnel/edge/wamp"
)

func TestJSON(t *testing.T) {
	for _, c := range []struct {
		text  string
		fault fault
	}{
		{text: `0`}, {text: `-0`}, {text: `-1`}, {text: `10`}, {text: `1.5`}, {text: `1e5`}, {text: `1E+5`}, {text: `-1.25e-5`},
		{text: `true`}, {text: `false`}, {text: `null`}, {text: `""`}, {text: `"a"`}, {text: `"\"\\\/\b\f\n\r\t\u00fC"`},
		{text: `"\ud83d\ude00"`}, {text: `"ü😀` + "\u2028\x7f" + `"`}, {text: `[]`}, {text: `{}`}, {text: "[ \t\r\n]"}, {text: `{ }`},
		{text: `[1 , 2,3 ]`}, {text: `{ "a" : 1 , "b":[ {}]}`}, {text: `{"a":1,"a":2}`}, {text: `"` + strings.Repeat("x", 100) + `"`},

		{``, faultEnds}, {`[`, faultEnds}, {`[1`, faultEnds}, {`[1,`, faultEnds}, {`{`, faultEnds}, {`{"a"`, faultEnds},
		{`{"a":`, faultEnds}, {`{"a":1`, faultEnds}, {`{"a":1,`, faultEnds}, {`"`, faultEnds}, {`"abcdefghijk`, faultEnds}, {`"\`, faultEnds},
		{`tru`, faultForm}, {`nul1`, faultForm}, {`True`, faultForm}, {`+1`, faultForm}, {`.5`, faultForm}, {`'a'`, faultForm}, {`NaN`, faultForm},
		{`-`, faultNumber}, {`01`, faultNumber}, {`-01`, faultNumber}, {`1.`, faultNumber}, {`1.e5`, faultNumber}, {`1e`, faultNumber},
		{`1e+`, faultNumber}, {`-a`, faultNumber}, {`-Infinity`, faultNumber},
		{`[,1]`, faultForm}, {`[1,]`, faultForm}, {`[1 2]`, faultSyntax}, {`[1}`, faultSyntax}, {`{"a":1]`, faultSyntax}, {`{"a" 1}`, faultSyntax},
		{`{"a":1 "b":2}`, faultSyntax}, {`{"a":1,}`, faultKey}, {`{1:2}`, faultKey}, {`{a:2}`, faultKey}, {`{"a":}`, faultForm}, {`{,}`, faultKey},
		{"\"\n\"", faultControl}, {"\"\x00\"", faultControl}, {"\"12345678\x1f\"", faultControl},
		{`"\x41"`, faultEscape}, {`"\u12"`, faultEscape}, {`"\u12g4"`, faultEscape}, {`"\U0041"`, faultEscape}, {`"\'"`, faultEscape},
		{`"\ud83d"`, faultSurrogate}, {`"\ude00"`, faultSurrogate}, {`"\ud83d\u0041"`, faultSurrogate}, {`"\ud83dxude00"`, faultSurrogate},
		{`"\ude00\ud83d"`, faultSurrogate}, {`{"\ud83d":1}`, faultSurrogate},
		{"\"\xff\"", faultText}, {"\"\xed\xa0\x80\"", faultText}, {"\"\xc3\"", faultText}, {"\"12345678\xc0\x80\"", faultText}, {"{\"\xff\":1}", faultText},
		{strings.Repeat("[", MaxDepth+1), faultDepth}, {strings.Repeat(`{"":`, MaxDepth+1), faultDepth}, {"\v1", faultForm}, {"\u00a01", faultForm},
	} {
		end := jsonSkip([]byte(c.text), 0, MaxDepth)
		if c.fault == faultNone && end != len(c.text) {
			t.Errorf("%q: %d (%v)", c.text, end, fault(-min(end, 0)))
		}
		if c.fault != faultNone && end != c.fault.at() {
			t.Errorf("%q: %d (%v), want %v", c.text, end, fault(-min(end, 0)), c.fault)
		}
	}
}

// Strings are checked eight octets at a time. The end of a plain run must be found at any position.
func TestJSONStringPlaces(t *testing.T) {
	for before := range 20 {
		for after := range 20 {
			plain := strings.Repeat("~", before)
			rest := strings.Repeat("!", after)
			for _, c := range []struct {
				inside  string
				escaped bool
				fault   fault
			}{
				{"", false, 0}, {"ü", false, 0}, {`\n`, true, 0}, {"\x1f", false, faultControl}, {"\x80", false, faultText}, {"\x00", false, faultControl},
			} {
				text := plain + c.inside + rest + `"` + rest
				next, escaped := jsonString([]byte(text), 0)
				want := len(text) - after
				if c.fault != 0 {
					want = c.fault.at()
				}
				if next != want || escaped != c.escaped {
					t.Fatalf("%q: %d, %v, want %d", text, next, escaped, want)
				}
			}
		}
	}
}

func TestJSONMessages(t *testing.T) {
	for text, want := range map[string]string{
		" [ 16 , 1 , { } , \"a\" , [ 1 ] , { \"b\" : 2 } ] \n": `[16,1,{},"a",[1],{"b":2}]`,
		`[16,1,{},"\u0061\/\ud83d\ude00\n",["\u0061"]]`:        `[16,1,{},"a/😀\n",["a"]]`,
		`[16,9007199254740992,{},"a"]`:                         `[16,9007199254740992,{},"a"]`,
		`[16,1,{},"a","\u0000AQ\u003d\u003D"]`:                 `[16,1,{},"a","\u0000AQ=="]`,
	} {
		m := parse(t, wamp.JSON, []byte(text))
		// Through another serializer, because the same one copies the payload unchanged.
		data, err := Append(nil, wamp.MsgPack, m)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := Append(nil, wamp.JSON, parse(t, wamp.MsgPack, data)); err != nil || string(got) != want {
			t.Errorf("%s: %s, %v, want %s", text, got, err, want)
		}
		got, err := Append(nil, wamp.JSON, m)
		if err != nil {
			t.Fatal(err)
		}
		parse(t, wamp.JSON, got)
	}
	for text, want := range map[string]string{
		``:                       "message: the message ends early",
		` `:                      "message: the message ends early",
		`[`:                      "message: the message ends early",
		`[16`:                    "message: the message ends early",
		`[016,1,{},"a"]`:         "message: the type is not an integer",
		`[16 1,{},"a"]`:          "PUBLISH: a malformed list or map",
		`[16,1,{},"a"`:           "PUBLISH: the message ends early",
		`[16,1,{},"a"]]`:         "PUBLISH: data after the end of the message",
		`[16,1,{},"a"],`:         "PUBLISH: data after the end of the message",
		`[16,1,{},"a",]`:         "PUBLISH: arguments: an invalid first octet of a value",
		`[16,1,{},"a",[],]`:      "PUBLISH: keyword arguments is not a dict",
		`[16,1,{},"a"}`:          "PUBLISH: a malformed list or map",
		`[16,,{},"a"]`:           "PUBLISH: request is not an id",
		`[16,01,{},"a"]`:         "PUBLISH: request is not an id",
		`[16,1,{},"a\ud800"]`:    "PUBLISH: topic: half a surrogate pair in a string",
		`[16,1,{},"a",["\x"]]`:   "PUBLISH: arguments: an invalid escape in a string",
		`[16,1,{},"a",[01]]`:     "PUBLISH: arguments: an invalid number",
		`[16,1,{},"a",[],{"b"}]`: "PUBLISH: keyword arguments: a malformed list or map",
		"\ufeff[16,1,{},\"a\"]":  "message: not a list",
		`[17,1,2,3]`:             "PUBLISHED: more than 3 elements",
	} {
		var m Message
		if err := Parse(wamp.JSON, []byte(text), &m); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

func TestJSONBinary(t *testing.T) {
	for text, want := range map[string]string{ // the inside of a string; hex, or "text"
		`\u0000`:              "",
		`\u0000AQID`:          "010203",
		`\u0000AQ==`:          "01",
		`\u0000\/\/\u002b7`:   "ffffbb",
		`\u0000AQ`:            "text", // no padding
		`\u0000AR==`:          "text", // not the canonical form of 01
		`\u0000AQ==\n`:        "text",
		`\u0000AQ\r\n==`:      "text",
		`\u0000A`:             "text",
		`\u0000A-_=`:          "text", // another alphabet
		`\u0000AQ== `:         "text",
		`AQID`:                "text",
		`a\u0000AQID`:         "text",
		`\\u0000AQID`:         "text",
		`\u0000AQID\u0000AQ=`: "text",
	} {
		got := "text"
		if b, ok := jsonDecodeBinary(nil, []byte(text)); ok {
			got = hexOf(b)
		}
		if got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}
