package mqtt

import (
	"strings"
	"testing"
	"time"

	"runnel/edge/client"
	"runnel/edge/codec"
	"runnel/edge/wamp"
	"runnel/transport/mqtt/packet"
	"runnel/uplink/spool"
)

// An event becomes a PUBLISH, and a gap becomes a report below the state topic. An event that MQTT can't carry is an
// error.
func TestMessage(t *testing.T) {
	since := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	gap := &spool.Gap{Reason: spool.BySize, First: 3, Last: 9, Count: 7, Octets: 700, Since: since}
	text := func(s string) codec.Payload { return payloadOf(t, wamp.CBOR, client.Args(s)) }
	for _, c := range []struct {
		name    string
		event   spool.Event
		state   string
		topic   string // "": nothing is sent
		payload string
		retain  bool
		err     string
	}{
		{name: "an event", event: spool.Event{Topic: "a.b", Payload: text("x")}, topic: "a/b", payload: `"x"`},
		{name: "one to be retained", event: spool.Event{Topic: "a.b", Options: []byte("retain"), Payload: text("x")}, topic: "a/b", payload: `"x"`, retain: true},
		{name: "as long as may be", event: spool.Event{Topic: "a.b", Payload: text(strings.Repeat("x", 98))}, topic: "a/b", payload: `"` + strings.Repeat("x", 98) + `"`},
		{name: "too long", event: spool.Event{Topic: "a.b", Payload: text(strings.Repeat("x", 99))}, err: "too large"},
		{name: "without topic", event: spool.Event{Topic: "a..b"}, err: "empty level"},
		{name: "broken", event: spool.Event{Topic: "a.b", Payload: codec.Payload{Serializer: wamp.CBOR, Items: 1, Raw: []byte{0xff}}}, err: "invalid"},
		{name: "a gap that is not reported", event: spool.Event{Gap: gap}},
		{
			name: "a gap", event: spool.Event{Gap: gap}, state: "gw/state", topic: "gw/state/gap",
			payload: `{"count":7,"first":3,"last":9,"octets":700,"reason":"size","since":"2026-01-02T03:04:05Z"}`,
		},
	} {
		l := &Link{opts: Options{StateTopic: c.state, MaxMessage: 100, QoS: 1}}
		p, err := l.message(&c.event, packet.V311)
		switch {
		case c.err != "":
			if err == nil || p != nil || !strings.Contains(strings.ToLower(err.Error()), c.err) {
				t.Errorf("%s: %v, %v", c.name, p, err)
			}
		case err != nil || (p == nil) != (c.topic == ""):
			t.Errorf("%s: %v, %v", c.name, p, err)
		case p != nil && (p.Topic != c.topic || string(p.Payload) != c.payload || p.Retain != c.retain || p.QoS != 1):
			t.Errorf("%s: %v", c.name, p)
		}
	}
}
