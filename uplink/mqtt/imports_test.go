package mqtt

import (
	"context"
	"errors"
	"testing"

	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/transport/mqtt/packet"
	"runnel/uplink"
	"runnel/uplink/spool"
)

// TestPublishWithoutTheRealm: the link does not acknowledge a message that the realm can't accept, so the broker
// resends it. A message of QoS 0 would not be resent, so it is lost at once.
func TestPublishWithoutTheRealm(t *testing.T) {
	held, err := spool.Open(spool.Options{})
	if err != nil {
		t.Fatal(err)
	}
	rule := Rule{Rule: uplink.Rule{Topic: "com.example.", Match: wamp.Prefix}}
	away := func(context.Context) (client.Conn, error) { return nil, errors.New("no router") }
	l, err := New(Options{Name: "broker", Realm: "realm1", ClientID: "gateway", Local: away, Spool: held, Import: []Rule{rule},
		Brokers: []Broker{{URL: "mqtt://broker"}}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for _, c := range []struct {
		topic, payload string
		qos            byte
		lost, fails    bool
	}{
		{"com.example.a", "1", 0, false, true},
		{"com.example.a", "1", 1, true, false},
		{"com.example.a", "1", 2, true, false},
		{"wamp.example", "1", 1, false, true},
		{"com.example..a", "1", 1, false, true},
		{"com.example.a", "{", 1, false, true},
	} {
		p := &packet.Publish{Payload: []byte(c.payload), QoS: c.qos}
		done, lost := 0, 0
		err := l.publish(ctx, &rule, c.topic, p, func() { done++ }, func() { lost++ })
		if (err != nil) != c.fails || (lost == 1) != c.lost || done != 0 {
			t.Errorf("%s %s with QoS %d: %v, done %d, lost %d", c.topic, c.payload, c.qos, err, done, lost)
		}
	}
	if st := l.State(); st.EventsDown.Forwarded != 0 {
		t.Errorf("%+v", st)
	}
}
