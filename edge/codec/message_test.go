package codec

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"runnel/edge/wamp"
)

// in encodes a message, given as JSON, in serializer s.
func in(t testing.TB, s wamp.Serializer, text string) []byte {
	t.Helper()
	data, err := Transcode(nil, s, wamp.JSON, []byte(text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return data
}

func parse(t testing.TB, s wamp.Serializer, data []byte) *Message {
	t.Helper()
	var m Message
	if err := Parse(s, data, &m); err != nil {
		t.Fatalf("%v %q: %v", s, data, err)
	}
	return &m
}

// messages has one message of each type, with and without the optional elements.
var messages = []struct {
	text string
	want Message // without Dict and Payload, which are compared in encoded form
}{
	{`[1,"realm1",{"roles":{"caller":{}}}]`, Message{Type: wamp.Hello, Text: []byte("realm1")}},
	{`[2,9007199254740992,{"roles":{"broker":{}}}]`, Message{Type: wamp.Welcome, ID: wamp.MaxID}},
	{`[3,{"message":"no"},"wamp.error.no_such_realm"]`, Message{Type: wamp.Abort, Text: []byte("wamp.error.no_such_realm")}},
	{`[3,{},"wamp.error.no_such_realm",[1],{"a":2}]`, Message{Type: wamp.Abort, Text: []byte("wamp.error.no_such_realm")}},
	{`[4,"ticket",{}]`, Message{Type: wamp.Challenge, Text: []byte("ticket")}},
	{`[5,"secret",{}]`, Message{Type: wamp.Authenticate, Text: []byte("secret")}},
	{`[6,{},"wamp.close.normal"]`, Message{Type: wamp.Goodbye, Text: []byte("wamp.close.normal")}},
	{`[8,48,7,{},"com.error",["a"],{"b":[]}]`, Message{Type: wamp.Error, ErrorType: wamp.Call, Request: 7, Text: []byte("com.error")}},
	{`[16,1,{"acknowledge":true},"com.topic"]`, Message{Type: wamp.Publish, Request: 1, Text: []byte("com.topic")}},
	{`[16,1,{},"com.topic",[]]`, Message{Type: wamp.Publish, Request: 1, Text: []byte("com.topic")}},
	{`[16,1,{},"com.topic",[],{}]`, Message{Type: wamp.Publish, Request: 1, Text: []byte("com.topic")}},
	{`[16,1,{},"com.topic","\u0000AQID"]`, Message{Type: wamp.Publish, Request: 1, Text: []byte("com.topic")}},
	{`[16,1,{"ppt_scheme":"x_mine"},"com.topic","opaque"]`, Message{Type: wamp.Publish, Request: 1, Text: []byte("com.topic")}},
	{`[17,1,2]`, Message{Type: wamp.Published, Request: 1, ID: 2}},
	{`[32,1,{"match":"prefix"},""]`, Message{Type: wamp.Subscribe, Request: 1, Text: []byte{}}},
	{`[33,1,2]`, Message{Type: wamp.Subscribed, Request: 1, ID: 2}},
	{`[34,1,2]`, Message{Type: wamp.Unsubscribe, Request: 1, ID: 2}},
	{`[34,1,2,{"forward_for":[]}]`, Message{Type: wamp.Unsubscribe, Request: 1, ID: 2}},
	{`[35,1]`, Message{Type: wamp.Unsubscribed, Request: 1}},
	{`[35,0,{"subscription":5}]`, Message{Type: wamp.Unsubscribed}},
	{`[36,1,2,{}]`, Message{Type: wamp.Event, ID: 1, Publication: 2}},
	{`[36,1,2,{"topic":"com.topic"},[1,2],{"k":"v"}]`, Message{Type: wamp.Event, ID: 1, Publication: 2}},
	{`[48,1,{"timeout":100},"com.proc",[null]]`, Message{Type: wamp.Call, Request: 1, Text: []byte("com.proc")}},
	{`[49,1,{"mode":"kill"}]`, Message{Type: wamp.Cancel, Request: 1}},
	{`[50,1,{"progress":true},[1.5]]`, Message{Type: wamp.Result, Request: 1}},
	{`[64,1,{"invoke":"roundrobin"},"com.proc"]`, Message{Type: wamp.Register, Request: 1, Text: []byte("com.proc")}},
	{`[65,1,2]`, Message{Type: wamp.Registered, Request: 1, ID: 2}},
	{`[66,1,2]`, Message{Type: wamp.Unregister, Request: 1, ID: 2}},
	{`[67,1]`, Message{Type: wamp.Unregistered, Request: 1}},
	{`[35,9007199254740992]`, Message{Type: wamp.Unsubscribed, Request: wamp.MaxID}},
	{`[67,0,{"registration":5}]`, Message{Type: wamp.Unregistered}},
	{`[68,1,2,{},[],{"k":"v"}]`, Message{Type: wamp.Invocation, Request: 1, ID: 2}},
	{`[69,1,{}]`, Message{Type: wamp.Interrupt, Request: 1}},
	{`[70,1,{},[1]]`, Message{Type: wamp.Yield, Request: 1}},
	{`[337,1]`, Message{Type: wamp.EventReceived, ID: 1}},
}

func TestMessages(t *testing.T) {
	seen := map[wamp.Type]bool{}
	for _, c := range messages {
		seen[c.want.Type] = true
		for _, from := range wamp.Serializers {
			data := in(t, from, c.text)
			m := parse(t, from, data)
			head := *m
			head.Dict, head.Payload = Dict{}, Payload{}
			if !reflect.DeepEqual(head, c.want) {
				t.Errorf("%v %s: %+v", from, c.text, head)
			}
			if got := TypeOf(from, data); got != c.want.Type {
				t.Errorf("%v %s: TypeOf = %v", from, c.text, got)
			}
			for _, to := range wamp.Serializers {
				got, err := Append([]byte("before"), to, m)
				if want := append([]byte("before"), in(t, to, c.text)...); err != nil || !bytes.Equal(got, want) {
					t.Errorf("%v to %v: %s: %q, %v", from, to, c.text, got, err)
				}
			}
		}
	}
	for code := range layouts {
		if l := &layouts[code]; l.max > 0 && !seen[l.message] {
			t.Errorf("no %v among the messages", l.message)
		}
	}
}

// An empty dict at the end is left out. Everything else is read back as it was.
func TestEmptyDictAtTheEnd(t *testing.T) {
	for _, s := range wamp.Serializers {
		m := parse(t, s, in(t, s, `[67,1,{}]`))
		if got, err := Append(nil, s, m); err != nil || !bytes.Equal(got, in(t, s, `[67,1]`)) {
			t.Errorf("%v: %q, %v", s, got, err)
		}
	}
}

func TestRefused(t *testing.T) {
	for text, want := range map[string]string{
		`{}`:                                    "message: not a list",
		`"a"`:                                   "message: not a list",
		`[]`:                                    "message: an empty list",
		`["a"]`:                                 "message: the type is not an integer",
		`[-16,1,{},"a"]`:                        "message: the type is not an integer",
		`[1.0,"a",{}]`:                          "message: the type is not an integer",
		`[7]`:                                   "unknown message type 7",
		`[0]`:                                   "unknown message type 0",
		`[71]`:                                  "unknown message type 71", // one beyond the table
		`[99,"x"]`:                              "unknown message type 99",
		`[65552,1,{},"a"]`:                      "unknown message type 65552", // 16 in its low 16 bits
		`[1]`:                                   "HELLO: realm is missing",
		`[1,"a"]`:                               "HELLO: details is missing",
		`[1,"a",{},1]`:                          "HELLO: more than 3 elements",
		`[1,null,{}]`:                           "HELLO: realm is not a string",
		`[1,"a",[]]`:                            "HELLO: details is not a dict",
		`[2,0,{}]`:                              "WELCOME: session is not an id",
		`[2,9007199254740993,{}]`:               "WELCOME: session is not an id",
		`[2,1.0,{}]`:                            "WELCOME: session is not an id",
		`[2,1e3,{}]`:                            "WELCOME: session is not an id",
		`[2,-1,{}]`:                             "WELCOME: session is not an id",
		`[2,"1",{}]`:                            "WELCOME: session is not an id",
		`[2,true,{}]`:                           "WELCOME: session is not an id",
		`[2,18446744073709551615,{}]`:           "WELCOME: session is not an id",
		`[2,18446744073709551617,{}]`:           "WELCOME: session is not an id", // 1 in its low 64 bits
		`[8,99,1,{},"a"]`:                       "ERROR: request type is not a message type",
		`[8,48,0,{},"a"]`:                       "ERROR: request is not an id",
		`[16,1,{},5]`:                           "PUBLISH: topic is not a string",
		`[16,1,{}]`:                             "PUBLISH: topic is missing",
		`[16,1,{},"a",{}]`:                      "PUBLISH: arguments is neither a list nor a binary",
		`[16,1,{},"a",nul]`:                     "PUBLISH: arguments: an invalid first octet of a value",
		`[16,1,{},"a","text"]`:                  "PUBLISH: arguments is neither a list nor a binary",
		`[16,1,{"ppt_scheme":null},"a","text"]`: "PUBLISH: arguments is neither a list nor a binary",
		`[16,1,{},"a","\u0000A"]`:               "PUBLISH: arguments is neither a list nor a binary",
		`[16,1,{},"a",[],[]]`:                   "PUBLISH: keyword arguments is not a dict",
		`[16,1,{},"a",[],{},1]`:                 "PUBLISH: more than 6 elements",
		`[17,1]`:                                "PUBLISHED: publication is missing",
		`[34,1]`:                                "UNSUBSCRIBE: subscription is missing",
		`[34,1,2,{},1]`:                         "UNSUBSCRIBE: more than 4 elements",
		`[34,1,2,1]`:                            "UNSUBSCRIBE: options is not a dict",
		`[34,0,2]`:                              "UNSUBSCRIBE: request is not an id",
		`[35,9007199254740993]`:                 "UNSUBSCRIBED: request is neither an id nor 0",
		`[36,1,0,{}]`:                           "EVENT: publication is not an id",
		`[16,1,{"exclude_me":1},"a"]`:           "PUBLISH: exclude_me is not a boolean",
		`[16,1,{"exclude":[1,1.5]},"a"]`:        "PUBLISH: exclude is not a list of ids",
		`[16,1,{"exclude":[0]},"a"]`:            "PUBLISH: exclude is not a list of ids",
		`[16,1,{"exclude":{}},"a"]`:             "PUBLISH: exclude is not a list of ids",
		`[16,1,{"exclude":[9007199254740994.0]},"a"]`:       "PUBLISH: exclude is not a list of ids",
		`[16,1,{"eligible_authrole":["a",1]},"a"]`:          "PUBLISH: eligible_authrole is not a list of strings",
		`[16,1,{"forward_for":[1]},"a"]`:                    "PUBLISH: forward_for is not a list of dicts",
		`[16,1,{"enc_algo":"rot13"},"a"]`:                   "PUBLISH: enc_algo is not a known algorithm",
		`[16,1,{"enc_serializer":"xml"},"a"]`:               "PUBLISH: enc_serializer is not a known serializer",
		`[36,1,1,{"publisher":0},[]]`:                       "EVENT: publisher is not an id",
		`[64,1,{"match":"regex"},"a"]`:                      "REGISTER: match is not exact, prefix or wildcard",
		`[16,1,{},"a",` + nested(MaxDepth+1) + `]`:          "PUBLISH: arguments: nested deeper than 64 levels",
		`[16,1,{"a":` + nested(MaxDepth) + `},"a"]`:         "PUBLISH: options: nested deeper than 64 levels",
		`[16,1,{},"a",[],{"a":` + nested(MaxDepth) + `}]`:   "PUBLISH: keyword arguments: nested deeper than 64 levels",
		`[16,1,{},"a",[` + strings.Repeat("[", 2000) + `]]`: "",
	} {
		for _, s := range wamp.Serializers {
			data := encodeAny(t, s, text)
			if data == nil {
				continue
			}
			var m Message
			err := Parse(s, data, &m)
			if err == nil || want != "" && err.Error() != want {
				t.Errorf("%v %.60s: %v, want %s", s, text, err, want)
			}
		}
	}
}

// encodeAny handles texts nested too deep for Transcode. Malformed JSON is encoded as it is, in JSON only.
func encodeAny(t *testing.T, s wamp.Serializer, text string) []byte {
	if s == wamp.JSON {
		return []byte(text)
	}
	if jsonSkip([]byte(text), 0, 1000) != len(text) {
		return nil
	}
	tr := transcoder{to: s, in: reader{serializer: wamp.JSON, data: []byte(text)}}
	tr.value()
	return tr.dst
}

func nested(levels int) string {
	return strings.Repeat("[", levels) + strings.Repeat("]", levels)
}

func TestAccepted(t *testing.T) {
	for _, text := range []string{
		`[16,1,{},"a",` + nested(MaxDepth) + `,{"a":` + nested(MaxDepth-1) + `}]`,
		`[16,1,{"a":` + nested(MaxDepth-1) + `},"a"]`,
		`[16,1,{"exclude_me":null,"exclude":null,"match":null},"a"]`, // null: not set
		`[16,1,{"exclude":[],"eligible_authid":[],"unheard_of":[1]},"a"]`,
		`[16,1,{"exclude":[4294967296.0],"eligible":[9007199254740992.0,1]},"a"]`, // ids as wampy encodes them in lists
		`[16,1,{"enc_key":"\u0000AQ==","exclude_authid":["\u0000"],"transaction_hash":"\u0000A"},"a"]`,
		`[1,"realm1",{"authid":null,"topic":1}]`, // not options: any type is allowed
		`[16,1,{"enc_algo":"x_rot13","enc_serializer":"x_xml"},"a"]`,
	} {
		for _, from := range wamp.Serializers {
			m := parse(t, from, in2(t, from, text))
			for _, to := range wamp.Serializers {
				data, err := Append(nil, to, m)
				if err != nil {
					t.Errorf("%v to %v: %v", from, to, err)
				}
				parse(t, to, data)
			}
		}
	}
}

func in2(t *testing.T, s wamp.Serializer, text string) []byte {
	data := encodeAny(t, s, text)
	if data == nil {
		t.Fatalf("%s is not JSON", text)
	}
	return data
}

func TestUnknownType(t *testing.T) {
	var m Message
	err := Parse(wamp.JSON, []byte(`[99]`), &m)
	if unknown, ok := errors.AsType[UnknownType](err); !ok || unknown != 99 {
		t.Errorf("Parse: %v", err)
	}
	if _, err := Append(nil, wamp.JSON, &Message{Type: 99}); !errors.Is(err, UnknownType(99)) {
		t.Errorf("Append: %v", err)
	}
}

func TestTypeOf(t *testing.T) {
	for _, s := range wamp.Serializers {
		for text, want := range map[string]wamp.Type{
			`[16]`: wamp.Publish, `[337]`: wamp.EventReceived, `[99]`: 0, `{}`: 0, `["a"]`: 0, `[-1]`: 0, `[16,{}]`: wamp.Publish,
		} {
			if got := TypeOf(s, in(t, s, text)); got != want {
				t.Errorf("TypeOf(%v, %s) = %v", s, text, got)
			}
		}
		if got := TypeOf(s, nil); got != 0 {
			t.Errorf("TypeOf(%v, nil) = %v", s, got)
		}
	}
	if got := TypeOf(wamp.CBOR, []byte{0x9f, 0x10, 0xff}); got != wamp.Publish {
		t.Errorf("of an indefinite list: %v", got)
	}
	if got := TypeOf(wamp.MsgPack, []byte{0xdc, 0, 1, 0xcc, 0x10}); got != wamp.Publish {
		t.Errorf("of an array16: %v", got)
	}
	if got := TypeOf(wamp.JSON, []byte(" [ 16 , 1]")); got != wamp.Publish {
		t.Errorf("with spaces: %v", got)
	}
	if got := TypeOf(0, []byte("[16]")); got != 0 {
		t.Errorf("without a serializer: %v", got)
	}
}

// A message that is cut anywhere, or followed by data, is rejected, and nothing panics.
func TestCut(t *testing.T) {
	for _, c := range messages {
		for _, s := range wamp.Serializers {
			data := in(t, s, c.text)
			for n := range data {
				var m Message
				if err := Parse(s, data[:n:n], &m); err == nil {
					t.Errorf("%v %q: accepted", s, data[:n])
				}
			}
			var m Message
			if err := Parse(s, append(data[:len(data):len(data)], data[0]), &m); err == nil {
				t.Errorf("%v %s: accepted with something behind it", s, c.text)
			}
		}
	}
}

func TestAppendRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		m    Message
		want string
	}{
		"text":        {Message{Type: wamp.Publish, Text: []byte("\xff")}, "PUBLISH: topic: a string is not UTF-8"},
		"items":       {Message{Type: wamp.Publish, Payload: Payload{Items: 3}}, "PUBLISH: arguments: neither one nor two items"},
		"no payload":  {Message{Type: wamp.Publish, Payload: Payload{Items: 1}}, "PUBLISH: arguments: unknown serializer"},
		"no dict":     {Message{Type: wamp.Publish, Dict: Dict{Raw: []byte("{}")}}, "PUBLISH: options: unknown serializer"},
		"broken dict": {Message{Type: wamp.Publish, Dict: Dict{99, []byte("{")}}, "PUBLISH: options: unknown serializer"},
	} {
		for _, s := range wamp.Serializers {
			got, err := Append([]byte("before"), s, &c.m)
			if err == nil || err.Error() != c.want || string(got) != "before" {
				t.Errorf("%s, %v: %q, %v", name, s, got, err)
			}
		}
	}
	if _, err := Append(nil, 0, &Message{Type: wamp.Publish}); err == nil {
		t.Error("without a serializer: no error")
	}
	var m Message
	if err := Parse(9, []byte("[1]"), &m); err == nil {
		t.Error("parsed without a serializer")
	}
}

// A message of another serializer with a malformed payload or dict is not sent. Parse never returns such a message.
func TestAppendChecksWhatItTranscodes(t *testing.T) {
	for _, p := range []Payload{
		{wamp.JSON, 1, []byte(`[1`)}, {wamp.JSON, 1, []byte(`[],{}`)}, {wamp.JSON, 2, []byte(`[]`)}, {wamp.JSON, 2, []byte(`[]{}`)},
		{wamp.JSON, 1, nil}, {wamp.MsgPack, 1, []byte{0x91}}, {wamp.MsgPack, 2, []byte{0x90}}, {wamp.MsgPack, 1, []byte{0x90, 0x80}},
	} {
		m := Message{Type: wamp.Publish, Payload: p}
		if got, err := Append(nil, wamp.CBOR, &m); err == nil {
			t.Errorf("%v %q: %x", p.Serializer, p.Raw, got)
		}
		if _, _, err := p.Decode(); err == nil {
			t.Errorf("%v %q: decoded", p.Serializer, p.Raw)
		}
	}
}

func TestParseForgets(t *testing.T) {
	var m Message
	for _, text := range []string{`[16,1,{"a":1},"b",[1]]`, `[337,5]`} {
		if err := Parse(wamp.JSON, []byte(text), &m); err != nil {
			t.Fatal(err)
		}
	}
	if want := (Message{Type: wamp.EventReceived, ID: 5}); !reflect.DeepEqual(m, want) {
		t.Errorf("%+v", m)
	}
}

func ExampleParse() {
	var m Message
	if err := Parse(wamp.JSON, []byte(`[16,7,{"acknowledge":true},"com.example.topic",[21.5]]`), &m); err != nil {
		fmt.Println(err)
	}
	fmt.Println(m.Type, m.Request, string(m.Text), m.Payload.Items, string(m.Payload.Raw))
	fmt.Println(Parse(wamp.JSON, []byte(`[16,7,{},5]`), &m))
	// Output:
	// PUBLISH 7 com.example.topic 1 [21.5]
	// PUBLISH: topic is not a string
}
