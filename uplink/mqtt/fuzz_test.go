package mqtt

import (
	"bytes"
	"reflect"
	"testing"
	"time"

	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/uplink/spool"
)

// FuzzFlat: a message that is read as a flat one is written again, and is then read as the same arguments.
func FuzzFlat(f *testing.F) {
	for _, s := range []string{`{"t": 21.5}`, `{"ts": 1763805600000, "values": {"t": 1, "ts": 2}}`, `{"values": 1}`, `[1]`, `{"a": 1, "a": 2}`, `"x"`} {
		f.Add([]byte(s), "ts", "values", byte(1))
		f.Add([]byte(s), "", "", byte(0))
	}
	f.Fuzz(func(t *testing.T, message []byte, timeKey, valuesKey string, format byte) {
		form := Form{Format: Flat, TimeKey: timeKey, ValuesKey: valuesKey, TimeFormat: TimeFormat(format % 3)}
		if form.check() != nil {
			return
		}
		p, err := form.decode(message)
		if err != nil || len(message) == 0 {
			return
		}
		at := time.UnixMilli(1763805600000)
		again, err := form.encode(payloadOf(t, wamp.CBOR, p), "a.b", at)
		if err != nil {
			return // the same name twice
		}
		if _, err := form.decode(again); err != nil {
			t.Errorf("%q became %q: %v", message, again, err)
		}
	})
}

// FuzzRoute: any bytes in the queue are a route or an error, and a route is stored as it was read.
func FuzzRoute(f *testing.F) {
	for _, r := range []route{{}, {retain: true}, {topic: "a/b"}, {topic: "a", form: &Form{Format: Flat, TimeKey: "ts", ValuesKey: "v", TimeFormat: UnixSeconds}}} {
		f.Add(r.options())
	}
	f.Fuzz(func(t *testing.T, stored []byte) {
		r, err := routeOf(&spool.Event{Options: stored})
		if err != nil {
			return
		}
		again, err := routeOf(&spool.Event{Options: r.options()})
		if err != nil || !reflect.DeepEqual(r, again) {
			t.Errorf("%x: %+v, then %+v, %v", stored, r, again, err)
		}
	})
}

// FuzzRequest: a call that is accepted has an id, and its answer can be written.
func FuzzRequest(f *testing.F) {
	f.Add([]byte(`{"id": "7", "args": [0.5], "kwargs": {"unit": "bar"}, "timeout": 5000}`))
	f.Fuzz(func(t *testing.T, message []byte) {
		q, err := JSON.request(message, nil)
		if err != nil {
			return
		}
		answer, err := JSON.response(q, client.Body{}, nil)
		if err != nil || q.reply == "" || !bytes.Contains(answer, []byte(`"id"`)) {
			t.Errorf("%q: %q, %v", message, answer, err)
		}
	})
}
