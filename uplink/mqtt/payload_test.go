package mqtt

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"runnel/edge/client"
	"runnel/edge/codec"
	"runnel/edge/wamp"
)

func form(f Format) *Form { return &Form{Format: f} }

func payloadOf(t *testing.T, s wamp.Serializer, p client.Payload) codec.Payload {
	t.Helper()
	if p.Raw.Items > 0 {
		return p.Raw
	}
	raw, err := codec.NewPayload(s, p.Args, p.Kwargs)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestJSONMessages(t *testing.T) {
	for _, c := range []struct {
		name    string
		payload client.Payload
		message string
	}{
		{"nothing", client.Payload{}, ``},
		{"a number", client.Args(21.5), `21.5`},
		{"a string", client.Args("on"), `"on"`},
		{"null", client.Args(nil), `null`},
		{"a list", client.Args([]any{int64(1), int64(2)}), `[1,2]`},
		{"a map", client.Args(map[string]any{"t": int64(1)}), `{"t":1}`},
		{"an empty map", client.Args(map[string]any{}), `{}`},
		{"two", client.Args(int64(1), int64(2)), `{"args":[1,2]}`},
		{"by keyword", client.Kwargs(map[string]any{"t": int64(1)}), `{"args":[],"kwargs":{"t":1}}`},
		{"both", client.Payload{Args: []any{int64(1)}, Kwargs: map[string]any{"t": int64(2)}}, `{"args":[1],"kwargs":{"t":2}}`},
		{"a binary", client.Args([]byte{1, 2, 3}), `"\u0000AQID"`},
		{"what looks like an envelope", client.Args(map[string]any{"args": []any{int64(1)}}), `{"args":[{"args":[1]}]}`},
		{"what does not quite", client.Args(map[string]any{"args": int64(1)}), `{"args":1}`},
		{"what has more", client.Args(map[string]any{"a": []any{}}), `{"a":[]}`},
	} {
		for _, s := range []wamp.Serializer{wamp.CBOR, wamp.JSON, wamp.MsgPack} {
			p := payloadOf(t, s, c.payload)
			if err := form(JSON).accepts(p, "a.b"); err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
			message, err := form(JSON).encode(p, "a.b", time.Time{})
			if err != nil || string(message) != c.message {
				t.Errorf("%s, from %s: %s, %v; expected %s", c.name, s, message, err, c.message)
			}
			back, err := form(JSON).decode(message)
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
			same(t, c.name, p, payloadOf(t, s, back))
		}
	}
}

func same(t *testing.T, name string, a, b codec.Payload) {
	t.Helper()
	args, kwargs, err := a.Decode()
	args2, kwargs2, err2 := b.Decode()
	if err != nil || err2 != nil || len(args) != len(args2) || len(args) > 0 && !reflect.DeepEqual(args, args2) ||
		len(kwargs) != len(kwargs2) || len(kwargs) > 0 && !reflect.DeepEqual(kwargs, kwargs2) {
		t.Errorf("%s: %v %v %v became %v %v %v", name, args, kwargs, err, args2, kwargs2, err2)
	}
}

func TestCBORMessages(t *testing.T) {
	for _, p := range []client.Payload{
		{}, client.Args([]byte("bytes")), client.Args(1.5), client.Args(1, 2), client.Kwargs(map[string]any{"a": 1}),
		client.Args(map[string]any{"kwargs": map[string]any{}}),
	} {
		one := payloadOf(t, wamp.CBOR, p)
		message, err := form(CBOR).encode(one, "a.b", time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		back, err := form(CBOR).decode(message)
		if err != nil {
			t.Fatal(err)
		}
		same(t, "CBOR", one, payloadOf(t, wamp.CBOR, back))
	}
}

func TestPlainMessages(t *testing.T) {
	for _, f := range []Format{Raw, Text} {
		for _, p := range []client.Payload{client.Args("on"), client.Args([]byte("on"))} {
			message, err := form(f).encode(payloadOf(t, wamp.MsgPack, p), "a.b", time.Time{})
			if string(message) != "on" || err != nil {
				t.Errorf("%q, %v", message, err)
			}
		}
		for _, p := range []client.Payload{client.Args(1), client.Args("a", "b"), client.Kwargs(map[string]any{"a": "b"}), client.Args(map[string]any{})} {
			raw := payloadOf(t, wamp.CBOR, p)
			if message, err := form(f).encode(raw, "a.b", time.Time{}); err == nil || form(f).accepts(raw, "a.b") == nil {
				t.Errorf("%v became %q", p, message)
			}
		}
	}
	if p, _ := form(Raw).decode([]byte{0xff}); !bytes.Equal(p.Args[0].([]byte), []byte{0xff}) {
		t.Errorf("%v", p)
	}
	if p, _ := form(Text).decode([]byte("21.5")); p.Args[0] != "21.5" {
		t.Errorf("%v", p)
	}
	if _, err := form(Text).decode([]byte{0xff}); err == nil {
		t.Error("what is not UTF-8 became a text")
	}
}

func TestBrokenMessages(t *testing.T) {
	deep := strings.Repeat("[", 1000) + strings.Repeat("]", 1000)
	for _, message := range []string{"{", "1,2", "1],[2", "[1] 2", `{"a":}`, "nan", "\xff", deep, `"\ud800"`} {
		if p, err := form(JSON).decode([]byte(message)); err == nil {
			t.Errorf("%.20q became %v", message, p)
		}
	}
	for _, message := range []string{"\x82\x01", "\x01\x02", "\xff", "\xa1\x01\x02", "\x5b\xff\xff\xff\xff\xff\xff\xff\xff"} {
		if p, err := form(CBOR).decode([]byte(message)); err == nil {
			t.Errorf("%q became %v", message, p)
		}
	}
}

// The router accepts every payload that JSON.decode accepts, and its values are those of the message.
func FuzzDecode(f *testing.F) {
	for _, s := range []string{`1`, `{"args":[1],"kwargs":{"a":2}}`, `{"args":1}`, `"x"`, `{"kwargs":{}}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, message []byte) {
		p, err := form(JSON).decode(message)
		if err != nil || len(message) == 0 {
			return
		}
		if !json.Valid(message) {
			t.Errorf("%q is no JSON", message)
		}
		raw := payloadOf(t, wamp.CBOR, p)
		again, err := form(JSON).encode(raw, "a.b", time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		back, err := form(JSON).decode(again)
		if err != nil {
			t.Fatal(err)
		}
		twice, err := form(JSON).encode(payloadOf(t, wamp.CBOR, back), "a.b", time.Time{})
		if err != nil || !bytes.Equal(again, twice) {
			t.Errorf("%q became %q and that %q, %v", message, again, twice, err)
		}
	})
}

func TestRequests(t *testing.T) {
	for _, c := range []struct {
		message, reply string
		ok             bool
	}{
		{``, "", false},
		{`{}`, "", false},
		{`{"id": 7, "args": [1], "kwargs": {"a": 1}, "timeout": 500}`, "7", true},
		{`{"id": "x-1"}`, "x-1", true},
		{`{"id": "a/b"}`, "", false},
		{`{"id": "+"}`, "", false},
		{`{"id": ""}`, "", false},
		{`{"id": 1.5}`, "", false},
		{`{"id": null}`, "", false},
		{`{"id": 1, "args": 1}`, "", false},
		{`{"id": 1, "kwargs": []}`, "", false},
		{`{"id": 1, "timeout": -1}`, "", false},
		{`{"id": 1, "reply": "x"}`, "", false},
		{`[]`, "", false},
		{`{`, "", false},
		{`{"id": "` + strings.Repeat("x", 65) + `"}`, "", false},
	} {
		q, err := JSON.request([]byte(c.message), nil)
		if (err == nil) != c.ok || c.ok && q.reply != c.reply {
			t.Errorf("%s: %q, %v", c.message, q.reply, err)
		}
	}
}

func TestResponses(t *testing.T) {
	q, err := JSON.request([]byte(`{"id": "7"}`), nil)
	if err != nil {
		t.Fatal(err)
	}
	result, err := JSON.response(q, client.Body{Payload: payloadOf(t, wamp.CBOR, client.Args(true))}, nil)
	if string(result) != `{"id":"7","args":[true]}` || err != nil {
		t.Errorf("%s, %v", result, err)
	}
	failure := client.NewError("com.example.error.jammed", "valve 3")
	result, err = JSON.response(q, failure.Body, failure)
	if string(result) != `{"id":"7","error":"com.example.error.jammed","args":["valve 3"]}` || err != nil {
		t.Errorf("%s, %v", result, err)
	}
}

// The error of a message in another format names the format and the remedy.
func TestMessageOfAnotherFormat(t *testing.T) {
	for _, c := range []struct {
		format  Format
		message string
		want    []string
	}{
		{JSON, "on", []string{"not JSON", `format = "json"`, `format = "text" or "raw"`}},
		{JSON, "21,5", []string{"not JSON"}},
		{JSON, "\xff", []string{"not JSON"}},
		{CBOR, "\xff", []string{"not CBOR", `format = "cbor"`}},
		{Text, "\xff", []string{"not UTF-8", `format = "raw"`}},
	} {
		_, err := form(c.format).decode([]byte(c.message))
		for _, want := range c.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%q: %v, expected %q", c.message, err, want)
			}
		}
	}
}
