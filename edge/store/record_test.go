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
}

// Whatever is in a record, it is either taken for what it is or refused.
func FuzzRecord(f *testing.F) {
	dict, _ := codec.NewDict(wamp.JSON, map[string]any{"exclude_authid": []any{"ann"}, "ppt_scheme": "x"})
	payload, _ := codec.NewPayload(wamp.MsgPack, []any{1, "two"}, map[string]any{"k": nil})
	e := NewPast(&Event{ID: 7, Publisher: Publisher{8, "ann", "all"}, Disclosed: true, Trusted: true, Trust: 2, Topic: []byte("com.a"), Dict: dict, Payload: payload})
	r := reader{func(e *Event) (err error) { e.Filter, err = filter.Read(e.Dict); return err }}
	f.Add(encodePast(e))
	f.Add(encodeRetained("com.a", []*retained{{Event: e.Event, expires: time.UnixMilli(1e12)}}))
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
