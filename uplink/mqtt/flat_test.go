package mqtt

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/uplink/spool"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 5e6, time.UTC)

func TestFlatMessages(t *testing.T) {
	reading := client.Kwargs(map[string]any{"t": 21.5})
	for _, c := range []struct {
		name    string
		form    Form
		payload client.Payload
		message string
	}{
		{"keyword arguments", Form{}, reading, `{"t":21.5}`},
		{"nothing", Form{}, client.Payload{}, ``},
		{"an empty map", Form{}, client.Args(map[string]any{}), `{}`},
		{"a value", Form{}, client.Args(230.1), `{"voltage":230.1}`},
		{"a map", Form{}, client.Args(map[string]any{"t": 1}), `{"t":1}`},
		{"a value and keyword arguments", Form{}, client.Payload{Args: []any{1}, Kwargs: map[string]any{"u": "V"}}, `{"voltage":1,"u":"V"}`},
		{"nested", Form{}, client.Kwargs(map[string]any{"args": []any{1, nil, true}}), `{"args":[1,null,true]}`},
		{"time", Form{TimeKey: "time"}, reading, `{"time":"2026-11-22T12:00:00.005Z","t":21.5}`},
		{"milliseconds", Form{TimeKey: "ts", TimeFormat: UnixMilliseconds}, reading, `{"ts":1795348800005,"t":21.5}`},
		{"seconds", Form{TimeKey: "ts", TimeFormat: UnixSeconds}, reading, `{"ts":1795348800,"t":21.5}`},
		{"its own time", Form{TimeKey: "t"}, reading, `{"t":21.5}`},
		{"values", Form{TimeKey: "ts", TimeFormat: UnixMilliseconds, ValuesKey: "values"}, reading, `{"ts":1795348800005,"values":{"t":21.5}}`},
		{"values without time", Form{ValuesKey: "d"}, reading, `{"d":{"t":21.5}}`},
		{"no values", Form{ValuesKey: "d"}, client.Args(map[string]any{}), `{"d":{}}`},
	} {
		c.form.Format = Flat
		for _, s := range []wamp.Serializer{wamp.CBOR, wamp.JSON, wamp.MsgPack} {
			p := payloadOf(t, s, c.payload)
			message, err := c.form.encode(p, "com.example.voltage", noon)
			if err != nil || string(message) != c.message || c.form.accepts(p, "com.example.voltage") != nil {
				t.Errorf("%s, from %s: %s, %v; expected %s", c.name, s, message, err, c.message)
			}
		}
	}
}

func TestEventsThatAreNotFlat(t *testing.T) {
	for _, p := range []client.Payload{
		client.Args(1, 2),
		{Args: []any{map[string]any{"t": 1}}, Kwargs: map[string]any{"t": 2}},
		{Args: []any{1}, Kwargs: map[string]any{"voltage": 2}},
	} {
		raw, f := payloadOf(t, wamp.JSON, p), &Form{Format: Flat}
		if message, err := f.encode(raw, "com.example.voltage", noon); err == nil || f.accepts(raw, "com.example.voltage") == nil {
			t.Errorf("%v became %s", p, message)
		}
	}
}

func TestFlatMessagesArrive(t *testing.T) {
	for _, c := range []struct {
		form    Form
		message string
		args    []any
		kwargs  map[string]any
	}{
		{Form{}, `{"state":"ON","n":1}`, nil, map[string]any{"state": "ON", "n": uint64(1)}},
		{Form{}, `{"args":[1]}`, nil, map[string]any{"args": []any{uint64(1)}}},
		{Form{}, `{}`, nil, nil},
		{Form{}, ``, nil, nil},
		{Form{}, `21.5`, []any{21.5}, nil},
		{Form{}, `[1]`, []any{[]any{uint64(1)}}, nil},
		{Form{TimeKey: "ts", ValuesKey: "values"}, `{"ts":5,"values":{"t":1}}`, nil, map[string]any{"ts": uint64(5), "t": uint64(1)}},
		{Form{ValuesKey: "values"}, `{"values":{"t":1}}`, nil, map[string]any{"t": uint64(1)}},
		{Form{ValuesKey: "values"}, `{"t":1}`, nil, map[string]any{"t": uint64(1)}},
		{Form{ValuesKey: "values"}, `{"values":1}`, nil, map[string]any{"values": uint64(1)}},
	} {
		c.form.Format = Flat
		p, err := c.form.decode([]byte(c.message))
		if err != nil {
			t.Errorf("%s: %v", c.message, err)
			continue
		}
		args, kwargs, err := payloadOf(t, wamp.CBOR, p).Decode()
		if err != nil || len(args)+len(c.args) > 0 && !reflect.DeepEqual(normal(args), normal(c.args)) || len(kwargs)+len(c.kwargs) > 0 && !reflect.DeepEqual(normal(kwargs), normal(c.kwargs)) {
			t.Errorf("%s: %v %v, %v", c.message, args, kwargs, err)
		}
	}
	for _, message := range []string{"{", "on", `{"a":1}x`, "\xff"} {
		if _, err := form(Flat).decode([]byte(message)); err == nil || !strings.Contains(err.Error(), `format = "flat"`) {
			t.Errorf("%q: %v", message, err)
		}
	}
}

// normal makes all integers of one type.
func normal(v any) any {
	switch v := v.(type) {
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = normal(v[i])
		}
		return list
	case map[string]any:
		m := map[string]any{}
		for k := range v {
			m[k] = normal(v[k])
		}
		return m
	case int64:
		return uint64(v)
	}
	return v
}

// A route survives the spool. Routes of an earlier version are read, too.
func TestRoutes(t *testing.T) {
	for _, want := range []route{
		{}, {retain: true}, {topic: "/a b/"}, {topic: "x", retain: true},
		{form: &Form{Format: Flat, TimeKey: "ts", TimeFormat: UnixSeconds, ValuesKey: "v"}, topic: "x"},
		{form: &Form{Format: Text}, retain: true},
	} {
		got, err := routeOf(&spool.Event{Options: want.options()})
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%+v became %+v, %v", want, got, err)
		}
	}
	if r, err := routeOf(&spool.Event{Options: []byte("retain")}); err != nil || !r.retain {
		t.Errorf("%+v, %v", r, err)
	}
	whole := (&route{topic: "abc", form: &Form{TimeKey: "ts"}}).options()
	for i := 1; i < len(whole); i++ {
		if r, err := routeOf(&spool.Event{Options: whole[:i]}); err == nil {
			t.Errorf("%q became %+v", whole[:i], r)
		}
	}
}
