package nats

import (
	"context"
	"strconv"
	"strings"
	"testing"

	"runnel/edge/wamp"
	"runnel/uplink"
	"runnel/uplink/nats/conn"
	"runnel/uplink/nats/payload"
	"runnel/uplink/nats/subject"
)

// A link never makes an event that ends its local session, whatever a program publishes.
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

// A link takes the parts of a call's arguments in order and bounds the waiting bytes, whatever messages arrive.
func FuzzParts(f *testing.F) {
	for _, seed := range []string{"1 2 3.", "1 1", "2", "1. 2", "x", "1 2 3 4", "-1", "", "99999999999999999999"} {
		f.Add(seed, 1000)
	}
	f.Add("1 2 3 4 5 6 7 8 9", 100_000)
	f.Fuzz(func(t *testing.T, numbers string, size int) {
		in := &inflow{wake: make(chan struct{}, 1), next: 1}
		data := make([]byte, min(max(size, 0), 1<<20))
		for _, n := range strings.Fields(numbers) {
			h := conn.Header(nil).Add(payload.PartField, strings.TrimSuffix(n, "."))
			if !strings.HasSuffix(n, ".") {
				h = h.Add(payload.MoreField, "true")
			}
			in.put(&conn.Msg{Header: h, Data: data})
			if waiting := in.size; waiting > partWindow+len(data)+partCost {
				t.Fatalf("%d bytes wait", waiting)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for n := 1; ; n++ {
			m, more, _, err := in.take(ctx)
			if err != nil {
				break
			}
			if got := string(m.Header.Get(payload.PartField)); got != strconv.Itoa(n) && got != "+"+strconv.Itoa(n) && strings.TrimLeft(got, "+0") != strconv.Itoa(n) {
				t.Fatalf("part %q is taken as %d", got, n)
			}
			if !more && len(in.list) > 0 {
				t.Fatal("parts wait behind the last one")
			}
		}
	})
}
