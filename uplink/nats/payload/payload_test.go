package payload

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"runnel/edge/client"
	"runnel/edge/codec"
	"runnel/edge/wamp"
)

func TestRoundTrip(t *testing.T) {
	for _, c := range []struct {
		args   []any
		kwargs map[string]any
		json   string
	}{
		{nil, nil, ""},
		{[]any{int64(7)}, nil, `7`},
		{[]any{nil}, nil, `null`},
		{[]any{"a b"}, nil, `"a b"`},
		{[]any{[]byte{0, 1}}, nil, `"\u0000AAE="`},
		{[]any{map[string]any{"x": int64(1)}}, nil, `{"x":1}`},
		{[]any{map[string]any{"args": []any{int64(1)}}}, nil, `{"args":[{"args":[1]}]}`},
		{[]any{int64(1), int64(2)}, nil, `{"args":[1,2]}`},
		{[]any{int64(1)}, map[string]any{"x": int64(2)}, `{"args":[1],"kwargs":{"x":2}}`},
		{nil, map[string]any{"x": int64(2)}, `{"args":[],"kwargs":{"x":2}}`},
		{[]any{[]any{int64(1)}}, nil, `[1]`},
	} {
		for _, from := range wamp.Serializers {
			for _, to := range wamp.Serializers {
				p, err := codec.NewPayload(from, c.args, c.kwargs)
				if err != nil {
					t.Fatal(err)
				}
				if err := Accepts(p); err != nil {
					t.Error(err)
				}
				data, err := Encode(p, to)
				if err != nil || to == wamp.JSON && string(data) != c.json {
					t.Errorf("Encode(%v %v) = %s, %v; want %s", c.args, c.kwargs, data, err, c.json)
				}
				back, err := Decode(ContentType(to), data)
				if err != nil {
					t.Fatal(err)
				}
				args, kwargs, err := back.Decode()
				if len(args) == 0 {
					args = nil
				}
				if err != nil || !reflect.DeepEqual(args, c.args) || !reflect.DeepEqual(kwargs, c.kwargs) {
					t.Errorf("%v to %v: %v %v came back as %v %v, %v", from, to, c.args, c.kwargs, args, kwargs, err)
				}
			}
		}
	}
}

func TestForeignPayloads(t *testing.T) {
	for _, c := range []struct {
		kind, data string
		want       any
	}{
		{"", `{"temperature": 21.5}`, map[string]any{"temperature": 21.5}},
		{"", " 42 \n", int64(42)},
		{"", "hello", "hello"},
		{"", "1,2", "1,2"},
		{"", "{", "{"},
		{"", "]", "]"},
		{"", "1] [2", "1] [2"},
		{"", "\xff\x00", []byte{0xff, 0}},
		{"text/plain; charset=utf-8", "42", "42"},
		{"Application/JSON;x=y", "42", int64(42)},
		{"application/octet-stream", "42", []byte("42")},
		{"image/png", "\x89PNG", []byte("\x89PNG")},
	} {
		p, err := Decode(c.kind, []byte(c.data))
		if err != nil {
			t.Errorf("Decode(%q, %q): %v", c.kind, c.data, err)
			continue
		}
		args, _, _ := p.Decode()
		if !reflect.DeepEqual(args, []any{c.want}) {
			t.Errorf("Decode(%q, %q) = %v; want %v", c.kind, c.data, args, c.want)
		}
	}
	for kind, data := range map[string]string{
		"application/json": "{", "application/cbor": "\x9f", "application/msgpack": "\xc1",
	} {
		if p, err := Decode(kind, []byte(data)); err == nil {
			t.Errorf("Decode(%q, %q) = %v; want an error", kind, data, p)
		}
	}
	if _, err := Decode("application/json", []byte(strings.Repeat("[", 1000)+strings.Repeat("]", 1000))); err == nil {
		t.Error("a payload nested 1000 deep was taken")
	}
}

func TestTransparentPayload(t *testing.T) {
	raw, _ := codec.AppendValue(nil, wamp.CBOR, []byte("secret"))
	p := codec.Payload{Serializer: wamp.CBOR, Items: 1, Raw: raw}
	if err := Accepts(p); err == nil {
		t.Error("Accepts takes a transparent payload")
	}
	if _, err := Encode(p, wamp.JSON); err == nil {
		t.Error("Encode takes a transparent payload")
	}
}

// Empty keyword arguments are treated as missing ones.
func TestEmptyKwargs(t *testing.T) {
	data, err := Encode(codec.Payload{Serializer: wamp.JSON, Items: 2, Raw: []byte(`[1],{}`)}, wamp.JSON)
	if err != nil || string(data) != "1" {
		t.Errorf("%s, %v; want 1", data, err)
	}
}

// Accepts rejects the payloads that Encode rejects.
func TestInvalidPayload(t *testing.T) {
	for _, raw := range []string{"[", "[1],", "[1", "[\xff]"} {
		for items := range 3 {
			p := codec.Payload{Serializer: wamp.JSON, Items: items, Raw: []byte(raw)}
			_, err := Encode(p, wamp.JSON)
			if got := Accepts(p); (got == nil) != (err == nil) || (err == nil) != (items == 0) {
				t.Errorf("%d of %q: Accepts: %v, Encode: %v", items, raw, got, err)
			}
		}
	}
}

func TestHeaders(t *testing.T) {
	long := strings.Repeat("%", maxText)
	for _, o := range []client.Origin{
		{Node: "gate way/7.b", Epoch: 3, Sequence: 9, Owner: "gw/7"}, {Node: "n", Sequence: 1}, {Node: long, Epoch: 1<<53 - 1, Sequence: 1<<53 - 1, Owner: long},
	} {
		if back, ok := ParseOrigin(Origin(o)); !ok || back != o {
			t.Errorf("origin %q came back as %v, %v", Origin(o), back, ok)
		}
	}
	for _, text := range []string{
		"", "1", "1.2", "1.2.", "x.2.n", "1.0.n", "1.-2.n", "1.2.%zz", "1.2.a%0ab", "1.2.n/%zz", "1.2.n/a%0ab", "1.2." + strings.Repeat("%25", maxText+1),
		"1.2." + strings.Repeat("n", 256), "1.2.n/" + strings.Repeat("n", 256), "9007199254740992.2.n", "1.9007199254740992.n",
	} {
		if o, ok := ParseOrigin(text); ok {
			t.Errorf("ParseOrigin(%q) = %v", text, o)
		}
	}
	way := []client.Hop{{Session: 1, Authid: "ann\r\n", Authrole: "ops", Node: "n", Tag: "t"}, {Session: wamp.MaxID}}
	text := Hops(way)
	if back, ok := ParseHops(text); !ok || !reflect.DeepEqual(back, way) || !printable(text) {
		t.Errorf("hops %q came back as %v, %v", text, back, ok)
	}
	for _, text := range []string{"x", "{}", "[1]", "[[]]", `[[1,"a","b","c"]]`, `[[1,"a","b","c","d",5]]`, `[[-1,"a","b","c","d"]]`, `[[1,2,"b","c","d"]]`,
		"[" + strings.TrimSuffix(strings.Repeat(`[1,"","","",""],`, maxHops+1), ",") + "]"} {
		if way, ok := ParseHops(text); ok {
			t.Errorf("ParseHops(%q) = %v", text, way)
		}
	}
	at := time.UnixMilli(1_700_000_000_123)
	if !ParseTime(Time(at)).Equal(at) || !ParseTime("-1").IsZero() || !ParseTime("x").IsZero() || Time(time.Time{}) != "" {
		t.Error("times do not come back")
	}
	if ParseTimeout(Timeout(1500*time.Millisecond)) != 1500*time.Millisecond || ParseTimeout("x") != 0 || Timeout(time.Nanosecond) != "1" {
		t.Error("timeouts do not come back")
	}
	if Value("a\r\nb") != "a  b" {
		t.Errorf("Value: %q", Value("a\r\nb"))
	}
}

func FuzzDecode(f *testing.F) {
	f.Add("application/json", []byte(`{"args":[1],"kwargs":{"a":"b"}}`))
	f.Add("application/cbor", []byte{0xa1, 0x64, 'a', 'r', 'g', 's', 0x81, 1})
	f.Add("application/msgpack", []byte{0x81, 0xa4, 'a', 'r', 'g', 's', 0x91, 1})
	f.Add("", []byte("1,2"))
	f.Fuzz(func(t *testing.T, kind string, data []byte) {
		ParseOrigin(kind)
		ParseHops(kind)
		p, err := Decode(kind, data)
		if err != nil {
			return
		}
		for _, s := range wamp.Serializers {
			if _, _, err := p.Split(); err != nil {
				t.Fatalf("Decode(%q, %q): invalid payload: %v", kind, data, err)
			}
			message, err := Encode(p, s)
			if err != nil {
				continue // deeper than MaxDepth with the envelope, or a number that JSON can't hold
			}
			if _, err := Decode(ContentType(s), message); err != nil && s == p.Serializer {
				t.Errorf("Decode(Encode(%q)) in %v: %v", data, s, err)
			}
		}
	})
}
