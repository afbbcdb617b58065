package nats

import (
	"testing"

	"runnel/edge/wamp"
	"runnel/uplink"
	"runnel/uplink/nats/conn"
	"runnel/uplink/nats/payload"
	"runnel/uplink/nats/subject"
)

// Whatever a program publishes, a link makes no event of it that the local router would close the session for.
func FuzzOpen(f *testing.F) {
	l, err := New(Options{
		Node: "a/cluster", Servers: []Server{{URL: "nats://a"}},
		Import: []Rule{{Rule: uplink.Rule{Topic: "", Match: wamp.Prefix}}, {Rule: uplink.Rule{Topic: "com.far.", Match: wamp.Prefix, LocalPrefix: "wamp.", RemotePrefix: "com.far."}}},
	})
	if err != nil {
		f.Fatal(err)
	}
	event := string(conn.Header(nil).Add(payload.TypeField, payload.Event))
	for _, h := range []string{
		"", event, event + "Runnel-Hops: [[1,\"a\",\"b\",\"n\",\"t\"]]\r\nNats-Msg-Id: 1.2.n\r\nRunnel-Origin: 1.2.n\r\n",
		event + "Runnel-TTL: 18446744073709551615\r\nRunnel-Time: -5\r\nRunnel-Retain: true\r\nContent-Type: application/cbor\r\n",
		event + "Runnel-Hops: [[[[\r\n", event + "Runnel-Origin: ..\r\nNats-Msg-Id: ..\r\n", "NATS/1.0 503\r\n",
	} {
		f.Add("com.example.t", h, "", []byte(`{"args":[1]}`))
		f.Add("com.far.x", h, "_INBOX.a", []byte("\x81\x01"))
		f.Add("$SYS.x", h, "", []byte{})
		f.Add("runnel.secret", h, "", []byte("\xff"))
	}
	f.Fuzz(func(t *testing.T, name, header, reply string, data []byte) {
		uri, ok := subject.URI(name)
		if !ok {
			return
		}
		e, err := l.open(uri, conn.Header(header), []byte(reply), data)
		if err != nil {
			return
		}
		if wamp.Reserved(e.uri) || !wamp.ValidURI(e.uri, wamp.Exact, false) {
			t.Errorf("event of topic %q", e.uri)
		}
		if p := e.body.Raw; p.Items > 0 {
			if _, _, err := p.Split(); err != nil {
				t.Errorf("invalid payload: %v", err)
			}
		}
		if e.o.TTL < 0 || len(e.o.ForwardFor) > l.opts.MaxHops {
			t.Errorf("%+v", e.o)
		}
	})
}
