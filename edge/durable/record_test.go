package durable

import (
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"runnel/edge/codec"
	"runnel/edge/store"
	"runnel/edge/wamp"
	"runnel/test/kit"
)

// Reading an event's record returns the event unchanged, with each of its marks.
func TestRecord(t *testing.T) {
	at := time.UnixMilli(1_700_000_000_123)
	whole := Publication{
		Event: &store.Event{
			ID: 1 << 53, Publisher: store.Publisher{ID: 42, Authid: "joe", Authrole: "sensor"}, Topic: []byte("com.t"), Trust: 3,
			Dict:    codec.Dict{Serializer: wamp.JSON, Raw: []byte(`{"x":1}`)},
			Payload: codec.Payload{Serializer: wamp.MsgPack, Items: 2, Raw: []byte{0x91, 1}},
		},
	}
	for name, mark := range map[string]func(p *Publication){
		"none": func(*Publication) {}, "disclosed": func(p *Publication) { p.Disclosed = true }, "trusted": func(p *Publication) { p.Trusted = true },
		"forwarded": func(p *Publication) { p.Forwarded = true }, "anonymous": func(p *Publication) { p.Anonymous = true },
		"of an origin": func(p *Publication) { p.Origin = true }, "plain": func(p *Publication) { p.Plain = true },
		"of a consumer":   func(p *Publication) { p.Consumer = true },
		"without options": func(p *Publication) { p.Dict = codec.Dict{Serializer: wamp.CBOR} },
	} {
		p, event := whole, *whole.Event
		p.Event = &event
		mark(&p)
		p.At = at
		h := first(t, block(7, p))
		if h.position != 7 || h.at != at.UnixMilli() || h.expires != 0 || string(h.topic) != "com.t" || h.id != p.ID {
			t.Errorf("%s: %+v", name, h)
		}
		read := false
		got, err := h.event(new(store.Event), func(*store.Event) error { read = true; return nil })
		kit.Must(t, err)
		if len(got.Dict.Raw) == 0 {
			got.Dict.Raw = nil
		}
		if !p.Disclosed && !p.Origin && !p.Consumer { // no consumer may see it
			p.Publisher = store.Publisher{}
		}
		if !p.Trusted {
			p.Trust = 0
		}
		if p.Plain || len(p.Dict.Raw) == 0 { // they have no meaning
			p.Dict = codec.Dict{}
		}
		p.Origin, p.Plain, p.Consumer = false, false, false
		if !read || got.Anonymous != p.Anonymous || !reflect.DeepEqual(*got.Event, *p.Event) {
			t.Errorf("%s: %+v, want %+v", name, got.Event, p.Event)
		}
		if _, err = h.loss(); err == nil {
			t.Errorf("%s: an event is a gap", name)
		}
		if _, err = h.event(new(store.Event), func(*store.Event) error { return errRecord }); err == nil {
			t.Errorf("%s: the error of its options is lost", name)
		}
	}
	whole.Dict.Raw = []byte(`{"x":`)
	whole.At = at
	h := first(t, block(7, whole))
	if _, err := h.event(new(store.Event), func(*store.Event) error { t.Error("invalid options are read"); return nil }); err == nil {
		t.Error("invalid options are no error")
	}
	whole.ID, whole.Dict.Raw = 0, nil
	h = first(t, block(7, whole))
	if _, err := h.event(new(store.Event), func(*store.Event) error { return nil }); err == nil {
		t.Error("an invalid publication id is no error")
	}
	whole.ID, whole.TTL = 1, time.Second
	h = first(t, block(7, whole))
	if h.expires != at.UnixMilli()+1000 || h.expired(at.Add(time.Second)) || !h.expired(at.Add(1001*time.Millisecond)) {
		t.Errorf("%+v", h)
	}
	whole.At = time.UnixMilli(-1000)
	if h = first(t, block(7, whole)); h.at != -1000 || h.expires != 1 {
		t.Errorf("a limit before 1970: %+v", h)
	}
	h = first(t, gapOf(8, loss{events: 3, reason: "disk", segment: 5}))
	g, err := h.loss()
	if err != nil || h.position != 8 || h.id != 0 || g != (loss{3, "disk", 5}) {
		t.Errorf("%+v, %+v, %v", h, g, err)
	}
}

// value encodes an option.
func value(t *testing.T, v any) codec.Value {
	t.Helper()
	raw, err := codec.AppendValue(nil, wamp.JSON, v)
	kit.Must(t, err)
	return codec.Value{Serializer: wamp.JSON, Raw: raw}
}

// The options of SUBSCRIBE are read, or rejected with the expected form.
func TestOptions(t *testing.T) {
	for _, c := range []struct {
		key   string
		value any
		want  Options
		err   string
	}{
		{wamp.KeyDurable, "alerts", Options{Name: "alerts"}, ""},
		{wamp.KeyDurable, "a b", Options{}, "may contain"},
		{wamp.KeyDurable, 7, Options{}, "must be a string"},
		{wamp.KeyFrom, "all", Options{Start: Start{All: true}}, ""},
		{wamp.KeyFrom, 42, Options{Start: Start{After: 42}}, ""},
		{wamp.KeyFrom, "42", Options{Start: Start{After: 42}}, ""},
		{wamp.KeyFrom, 0, Options{}, "must be a string or a publication id"},
		{wamp.KeyFrom, true, Options{}, "must be a string or a publication id"},
		{wamp.KeyFrom, "yesterday", Options{}, "is not a start"},
		{wamp.KeyAck, "sent", Options{Sent: true}, ""},
		{wamp.KeyAck, "received", Options{}, ""},
		{wamp.KeyAck, "never", Options{}, `must be "received" or "sent"`},
		{wamp.KeyAck, 1, Options{}, `must be "received" or "sent"`},
		{wamp.KeyAckWait, 1500, Options{Wait: 1500 * time.Millisecond}, ""},
		{wamp.KeyAckWait, 100, Options{Wait: MinAckWait}, ""},
		{wamp.KeyAckWait, 86_400_000, Options{Wait: MaxAckWait}, ""},
		{wamp.KeyAckWait, 0, Options{}, "from 100 to 86400000"},
		{wamp.KeyAckWait, 99, Options{}, "from 100 to 86400000"},
		{wamp.KeyAckWait, uint64(math.MaxInt64) / 1e6, Options{}, "from 100 to 86400000"},
		{wamp.KeyAckWait, uint64(math.MaxInt64)/1e6 + 1, Options{}, "must be a number of milliseconds"},
		{wamp.KeyAckWait, "1s", Options{}, "must be a number of milliseconds"},
		{wamp.KeyMaxAge, 1500, Options{MaxAge: Age{1500 * time.Millisecond, true}}, ""},
		{wamp.KeyMaxAge, 0, Options{MaxAge: Age{0, true}}, ""},
		{wamp.KeyMaxAge, -1, Options{}, "must be a number of milliseconds"},
		{wamp.KeyOrigin, true, Options{Origin: true}, ""},
		{wamp.KeyOrigin, false, Options{}, ""},
		{wamp.KeyOrigin, 1, Options{}, "must be a bool"},
		{wamp.KeyWindow, 1, Options{Window: 1}, ""},
		{wamp.KeyWindow, MaxWindow, Options{Window: MaxWindow}, ""},
		{wamp.KeyWindow, uint64(1) << 40, Options{}, "must be an integer from 1 to 4096"},
		{wamp.KeyWindow, 0, Options{}, "must be an integer from 1 to 4096"},
		{wamp.KeyWindow, "3", Options{}, "must be an integer from 1 to 4096"},
		{"other", "x", Options{}, ""},
	} {
		var o Options
		err := o.Read([]byte(c.key), value(t, c.value))
		if c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) || c.err == "" && (err != nil || o != c.want) {
			t.Errorf("%s = %v: %+v, %v; want %+v, %s", c.key, c.value, o, err, c.want, c.err)
		}
		if IsOption([]byte(c.key)) != (c.key != "other") {
			t.Errorf("IsOption(%q) is wrong", c.key)
		}
	}
	if (&Options{Name: "d"}).Check() != nil || (&Options{Window: 1}).Check() == nil {
		t.Error("an option needs a name")
	}
}

func TestCheckRules(t *testing.T) {
	good := Rule{Name: "d", URI: "com.t"}
	for _, c := range []struct {
		rules  []Rule
		strict bool
		err    string
	}{
		{[]Rule{good, {Name: "e", URI: "com.t"}, {Name: "d", URI: "com.t", Owner: "joe"}}, true, ""},
		{[]Rule{good, {Name: "e f", URI: "com.t"}}, false, "may contain"},
		{[]Rule{good, {Name: "e", URI: "com..t"}}, false, "is not a URI"},
		{[]Rule{good, {Name: "e", URI: "com..t", Match: wamp.Wildcard}}, false, ""},
		{[]Rule{{Name: "e", URI: "com.t-x"}}, false, ""},
		{[]Rule{{Name: "e", URI: "com.t-x"}}, true, "is not a URI"},
		{[]Rule{good, {Name: "e", URI: "com.t"}, good}, false, "declared twice"},
	} {
		if err := CheckRules(c.rules, c.strict); c.err == "" && err != nil || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
			t.Errorf("%+v: %v, want %s", c.rules, err, c.err)
		}
	}
}

// Events match by topic, prefix or wildcard; a gap concerns every subscription.
func TestMatches(t *testing.T) {
	for _, c := range []struct {
		uri   string
		match wamp.Match
		topic string
		want  bool
	}{
		{"com.t", wamp.Exact, "com.t", true}, {"com.t", wamp.Exact, "com.t.x", false}, {"com.t", wamp.Exact, "com", false},
		{"com.t", wamp.Prefix, "com.t", true}, {"com.t", wamp.Prefix, "com.t.x", true}, {"com.t", wamp.Prefix, "com.", false}, {"com.t", wamp.Prefix, "com.x.t", false},
		{"com..t", wamp.Wildcard, "com.x.t", true}, {"com..t", wamp.Wildcard, "com.t", false},
	} {
		d := Subscription{Rule: Rule{URI: c.uri, Match: c.match}}
		if got := d.matches(&head{kind: eventRecord, topic: []byte(c.topic)}); got != c.want {
			t.Errorf("%s by %v matches %s: %v", c.uri, c.match, c.topic, got)
		}
		if !d.matches(&head{kind: gapRecord}) {
			t.Error("a gap does not match")
		}
	}
}

// An event from a link was published when the link says, unless that is later than its arrival or its clock was not set.
func TestPublished(t *testing.T) {
	const at = clockSet + 1000
	for _, c := range []struct {
		options   string
		forwarded bool
		want      int64
		dated     bool
	}{
		{`{}`, true, at, false},
		{`{"_time":1577836800500}`, true, clockSet + 500, true},
		{`{"_time":1577836800500}`, false, at, false},
		{`{"_time":1577836800001}`, true, clockSet + 1, true},
		{`{"_time":1577836800000}`, true, at, true},
		{`{"_time":1577836802000}`, true, at, true},
		{`{"_time":"x","other":1}`, true, at, true},
	} {
		e := &store.Event{Forwarded: c.forwarded, Dict: codec.Dict{Serializer: wamp.JSON, Raw: []byte(c.options)}}
		if got, dated := published(e, at); got.UnixMilli() != c.want || dated != c.dated {
			t.Errorf("%+v: %d, %v", c, got.UnixMilli(), dated)
		}
	}
}

// Peek returns the events as runnel.durable.peek shows them, up to a number and a size.
func TestPeek(t *testing.T) {
	inBubble(t, func(t *testing.T, s *shelf) {
		d := s.create(Rule{Name: "d", URI: "com.t"})
		payload, err := codec.NewPayload(wamp.JSON, []any{"x"}, map[string]any{"y": true})
		kit.Must(t, err)
		kit.Must(t, s.Put(&Publication{Event: &store.Event{ID: 77, Topic: []byte("com.t"), Payload: payload}}, nil))
		kit.Must(t, s.Put(&Publication{Event: &store.Event{ID: 78, Topic: []byte("com.other"), Payload: payload}}, nil))
		s.awaitIdle()
		s.mu.Lock()
		s.lost = 3
		s.mu.Unlock()
		wake(s.wake)
		s.awaitIdle()
		past, err := d.Peek(10)
		kit.Must(t, err)
		if len(past) != 2 || past[0].Position != 1 || past[1].Position != 3 || !past[0].At.Equal(time.Now()) {
			t.Fatalf("%+v", past)
		}
		want := map[string]any{
			"position": uint64(1), "time": past[0].At.UTC().Format("2006-01-02T15:04:05.000Z"), "topic": "com.t", "publication": wamp.ID(77),
			"args": []any{"x"}, "kwargs": map[string]any{"y": true},
		}
		if got := past[0].Fields(); !reflect.DeepEqual(got, want) {
			t.Errorf("%#v, want %#v", got, want)
		}
		delete(want, "topic")
		want = map[string]any{"position": uint64(3), "time": want["time"], "gap": map[string]any{"events": uint64(3), "reason": "disk"}}
		if got := past[1].Fields(); !reflect.DeepEqual(got, want) {
			t.Errorf("%#v, want %#v", got, want)
		}
		if past[0].Size() < len(payload.Raw) || past[1].Size() <= 0 {
			t.Errorf("sizes %d, %d", past[0].Size(), past[1].Size())
		}
		past[0].Payload.Raw = []byte("?")
		if _, ok := past[0].Fields()["args"]; ok {
			t.Error("an invalid payload has arguments")
		}
		for n := 1; n <= 2; n++ {
			if past, err = d.Peek(n); len(past) != n || err != nil {
				t.Errorf("%d events of %d, %v", len(past), n, err)
			}
		}
		long := codec.Payload{Serializer: wamp.CBOR, Raw: make([]byte, maxPeeked/4)}
		for range 10 {
			kit.Must(t, s.Put(&Publication{Event: &store.Event{ID: 79, Topic: []byte("com.t"), Payload: long}}, nil))
			s.awaitIdle()
		}
		if past, err = d.Peek(100); len(past) != 6 || err != nil {
			t.Errorf("%d events, %v", len(past), err)
		}
	})
}
