package store

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"runnel/edge/codec"
	"runnel/edge/filter"
	"runnel/edge/wamp"
)

func TestArchiveNames(t *testing.T) {
	names := map[string]bool{}
	for _, uri := range []string{"", "com.a", "com.", "com..a", "com/../../a", "..", "/", `\`, "com.ä", strings.Repeat("a", 500), strings.Repeat("a", 501), strings.Repeat("%", 1000)} {
		for _, match := range []wamp.Match{wamp.Exact, wamp.Prefix, wamp.Wildcard} {
			name := archiveName(NewHistory(Rule{URI: uri, Match: match}, nil, nil))
			if names[name] || len(name) > 200 || name != filepath.Base(name) || name[0] == '.' {
				t.Errorf("%.20q: %q", uri, name)
			}
			names[name] = true
		}
	}
	if uri := strings.Repeat("a", 144); archiveName(NewHistory(Rule{URI: uri}, nil, nil)) != "exact-"+uri {
		t.Error("a name that fits is not the URI")
	}
}

// A record with an invalid field is rejected, whatever follows the field.
func TestRecordFields(t *testing.T) {
	const at, expires, publisher, trust, dictSerializer, serializer = 2, 3, 4, 8, 10, 12
	payload, _ := codec.NewPayload(wamp.CBOR, []any{1}, nil)
	e := &Event{ID: 7, Publisher: Publisher{8, "ann", "all"}, Topic: []byte("com.a"), Payload: payload}
	r := reader{func(*Event) error { return nil }}
	try := func(i int, v any) error {
		fields := eventFields(e, time.UnixMilli(1e12), time.Time{})
		if i >= 0 {
			fields[i] = v
		}
		_, err := r.past(encodeRecord(fields))
		return err
	}
	if err := try(-1, nil); err != nil {
		t.Fatal(err)
	}
	for i := range eventFields(e, time.Time{}, time.Time{}) {
		for _, v := range []any{"text", nil, []any{}} {
			if try(i, v) == nil {
				t.Errorf("field %d may be %T", i, v)
			}
		}
	}
	for _, c := range []struct {
		field int
		value any
		ok    bool
	}{
		{0, 2, false}, {1, 0, false}, {1, -7, false}, {9, []byte("com..a"), false},
		{at, lastTime, true}, {at, lastTime + 1, false}, {expires, -1, false}, {publisher, 0, true}, {publisher, -1, false}, {trust, -1, false},
		{dictSerializer, 0, true}, {serializer, 255, false}, {serializer, 256, false}, {serializer, 256 + int(wamp.CBOR), false}, {serializer, int(wamp.CBOR) - 256, false},
	} {
		if err := try(c.field, c.value); (err == nil) != c.ok {
			t.Errorf("field %d may be %v: %v", c.field, c.value, err == nil)
		}
	}
	for _, record := range []any{[]any{}, []any{7}, []any{"com.a", 7}, map[string]any{}} {
		raw, _ := codec.AppendValue(nil, wamp.CBOR, record)
		if topic, _, err := r.retained(raw); err == nil {
			t.Errorf("%v is taken for the events of %q", record, topic)
		}
	}
}

// Reading an event's record returns each of its marks.
func TestRecordMarks(t *testing.T) {
	payload, _ := codec.NewPayload(wamp.CBOR, []any{1}, nil)
	for _, want := range []Event{{}, {Disclosed: true}, {Trusted: true, Trust: 3}, {Forwarded: true}} {
		want.ID, want.Topic, want.Payload = 7, []byte("com.a"), payload
		got, err := reader{func(*Event) error { return nil }}.past(encodeRecord(eventFields(&want, time.UnixMilli(1e12), time.Time{})))
		if err != nil || got.Disclosed != want.Disclosed || got.Trusted != want.Trusted || got.Trust != want.Trust || got.Forwarded != want.Forwarded {
			t.Errorf("%+v, %v; want %+v", got, err, want)
		}
	}
}

// A time beyond the year 9999 is written as that year's end, and can be read again.
func TestRecordTimes(t *testing.T) {
	for _, c := range []struct {
		at   time.Time
		want int64
	}{{time.Time{}, 0}, {time.UnixMilli(-5), 1}, {time.UnixMilli(7), 7}, {time.UnixMilli(lastTime + 7), lastTime}} {
		if got := milliseconds(c.at); got != c.want {
			t.Errorf("%v: %d", c.at, got)
		}
	}
}

// A record with any contents is either decoded correctly or rejected.
func FuzzRecord(f *testing.F) {
	dict, _ := codec.NewDict(wamp.JSON, map[string]any{"exclude_authid": []any{"ann"}, "ppt_scheme": "x"})
	payload, _ := codec.NewPayload(wamp.MsgPack, []any{1, "two"}, map[string]any{"k": nil})
	e := NewPastEvent(&Event{ID: 7, Publisher: Publisher{8, "ann", "all"}, Disclosed: true, Trusted: true, Trust: 2, Topic: []byte("com.a"), Dict: dict, Payload: payload})
	r := reader{func(e *Event) (err error) { e.Filter, err = filter.Read(e.Dict); return err }}
	f.Add(encodePast(held{PastEvent: e}))
	f.Add(encodePast(held{PastEvent: e, order: 8}))
	f.Add(encodeRetained("com.a", []*retained{{Event: e.Event, end: time.UnixMilli(1e12)}}))
	f.Add(encodeRetained("com.a", nil))
	f.Fuzz(func(t *testing.T, record []byte) {
		if e, err := r.past(record); err == nil {
			again, err := r.past(encodePast(e))
			if err != nil || again.ID != e.ID || !again.At.Equal(e.At) || string(again.Topic) != string(e.Topic) ||
				again.Publisher != e.Publisher || !bytes.Equal(again.Payload.Raw, e.Payload.Raw) || !bytes.Equal(again.Dict.Raw, e.Dict.Raw) {
				t.Errorf("%+v became %+v, %v", e, again, err)
			}
		}
		topic, list, err := r.retained(record)
		if err != nil {
			return
		}
		again, other, err := r.retained(encodeRetained(topic, list))
		if err != nil || again != topic || len(other) > len(list) {
			t.Errorf("%q with %d events became %q with %d, %v", topic, len(list), again, len(other), err)
		}
	})
}
