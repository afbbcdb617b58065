package nats_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/test/kit"
	"runnel/uplink"
	"runnel/uplink/nats"
	"runnel/uplink/nats/conn"
	"runnel/uplink/nats/payload"
	"runnel/uplink/spool"
)

// The caller learns why a call or its answer does not cross, in both directions. The link continues.
func TestRefusedCalls(t *testing.T) { kit.EachNATS(t, testRefusedCalls) }

func testRefusedCalls(t *testing.T, binary string) {
	server := kit.StartNATS(t, binary, "max_payload: 8192\n")
	opts := bothWays()
	for remote, local := range map[string]string{"sys.wamp.": "wamp.", "sys.node.": "runnel."} {
		opts.Export = append(opts.Export, nats.Rule{Rule: uplink.Rule{Procedure: local, Match: wamp.Prefix, LocalPrefix: local, RemotePrefix: remote, Static: true}})
	}
	opts.MaxMessage = 6000
	a, b := newSite(t, "a", opts, server), newSite(t, "b", bothWays(), server)
	p := alone(t, server)
	size := func(inv *client.Invocation) string { return strings.Repeat("x", int(inv.Args()[0].(int64))) }
	register(t, a, p, "com.size", client.RegisterOptions{}, func(_ context.Context, inv *client.Invocation) (client.Payload, error) {
		return client.Args(size(inv)), nil
	})
	register(t, b, p, "com.far", client.RegisterOptions{}, func(_ context.Context, inv *client.Invocation) (client.Payload, error) {
		return client.Args(size(inv)), nil
	})
	began, end := make(chan struct{}, 1), make(chan struct{})
	register(t, a, p, "com.wait", client.RegisterOptions{}, func(context.Context, *client.Invocation) (client.Payload, error) {
		began <- struct{}{}
		<-end
		return client.Args("done"), nil
	})
	for _, c := range []struct{ subject, data, want string }{
		{"com.size", "5998", ""}, // MaxMessage with the quotes
		{"com.size", "5999", "wamp.error.payload_size_exceeded"},
		{"com.far", "8000", ""},
		{"com.far", "8192", "wamp.error.payload_size_exceeded"},
		{"sys.wamp.session.count", "", "wamp.error.no_such_procedure"},
	} {
		if got := string(p.request(t, c.subject, c.data).Header.Get(payload.ErrorField)); got != c.want {
			t.Errorf("%s %s: %q, not %q", c.subject, c.data, got, c.want)
		}
	}
	caller := b.program()
	for n, want := range map[int]wamp.Failure{1: "", 9000: wamp.PayloadSizeExceeded} {
		_, err := caller.Call(t.Context(), "com.size", client.CallOptions{}, client.Args(1, strings.Repeat("x", n)))
		if (err == nil) != (want == "") || err != nil && !errors.Is(err, want) {
			t.Errorf("a call of %d bytes: %v", n, err)
		}
	}
	if s := b.link.State(); s.CallsUp.Dropped != 1 {
		t.Errorf("%+v", s.CallsUp)
	}
	// A link may use a reply subject for one call at a time.
	answers := make(chan string, 10)
	_, err := p.Subscribe("com.answers", "", func(m *conn.Msg) {
		if kind := string(m.Header.Get(payload.TypeField)); kind != payload.Alive {
			kit.Send(t, answers, kind+" "+string(m.Header.Get(payload.ErrorField)))
		}
	})
	kit.Must(t, err)
	call := conn.Out{Subject: "com.wait", Reply: "com.answers", Header: conn.Header(nil).Add(payload.TypeField, payload.Call)}
	kit.Must(t, p.Publish(call))
	kit.Receive(t, "the call", began)
	kit.Must(t, p.Publish(call))
	expect(t, answers, "error wamp.error.unavailable")
	close(end)
	expect(t, answers, "result ")
	kit.Must(t, p.Publish(call))
	kit.Receive(t, "the next call", began)
	expect(t, answers, "result ")
	// Without a connection, a call is not made.
	server.Kill()
	b.await("down", func(s uplink.State) bool { return !s.Up })
	if _, err := caller.Call(t.Context(), "com.size", client.CallOptions{}, client.Args(1)); !errors.Is(err, wamp.NetworkFailure) && !errors.Is(err, wamp.NoSuchProcedure) {
		t.Errorf("without a connection: %v", err)
	}
	b.await("the call is dropped", func(s uplink.State) bool { return s.CallsUp.Dropped == 2 })
}

// An event that does not cross is dropped and counted, and its publisher learns the reason. Later events cross.
func TestRefusedEvents(t *testing.T) { kit.EachNATS(t, testRefusedEvents) }

func testRefusedEvents(t *testing.T, binary string) {
	server := kit.StartNATS(t, binary, "max_payload: 8192\n")
	a := newSite(t, "a", nats.Options{Export: []nats.Rule{topics("com.example.", spool.Disk), topics("com.durable.", spool.Durable)}, Import: []nats.Rule{topics("com.in.", spool.Memory)}, MaxMessage: 10_000}, server)
	a.await("up", isUp)
	p, speaker, heard := newPlain(t, server), a.program(), a.received()
	p.subscribed(t, "com.in.", heard)
	publish := func(topic string, n int) error {
		return speaker.Publish(t.Context(), topic, client.PublishOptions{Acknowledge: true}, client.Args(strings.Repeat("x", n)))
	}
	if err := publish("com.durable.t", 10_001); !errors.Is(err, wamp.InvalidArgument) {
		t.Errorf("an event larger than max_message: %v", err)
	}
	kit.Must(t, publish("com.example.t", 10_001)) // nobody waits for the outcome
	a.await("both are dropped", func(s uplink.State) bool { return s.EventsUp.Dropped == 2 })
	kit.Must(t, publish("com.example.large", 9000)) // the link takes it, and the server does not
	kit.Must(t, publish("com.example.t", 1))
	kit.Eventually(t, "the later event", func() bool {
		select {
		case got := <-p.heard:
			return got == `com.example.t "x"`
		default:
			return false
		}
	}, func() string { return fmt.Sprintf("%+v", a.link.State()) })
	a.await("the large event waits", func(s uplink.State) bool { return s.Queue.Events == 1 && strings.Contains(s.Queue.Held.Reason, "8192") })
	// A damaged or foreign message is not taken.
	before := a.link.State().EventsDown.Dropped
	typed := conn.Header(nil).Add(payload.TypeField, payload.Event)
	kit.Must(t, p.Publish(conn.Out{Subject: "com.in.t", Header: typed.Add(payload.HopsField, "{"), Data: []byte("1")}))
	kit.Must(t, p.Publish(conn.Out{Subject: "com.in.t", Header: typed.Add(payload.ContentTypeField, "application/cbor"), Data: []byte("\xff")}))
	kit.Must(t, p.Publish(conn.Out{Subject: "com.in.t", Header: conn.Header(nil).Add(payload.TypeField, payload.Result), Data: []byte("2")}))
	kit.Must(t, p.Publish(conn.Out{Subject: "com.in.t", Reply: "_INBOX.x", Data: []byte("3")}))
	p.publish(t, "com.in.t", "4")
	kit.Eventually(t, "the message after them", func() bool {
		got := kit.Receive(t, "an event", heard)
		if strings.HasPrefix(got, "com.in.t ") && got != "com.in.t [4] map[]" {
			t.Errorf("taken: %s", got)
		}
		return got == "com.in.t [4] map[]"
	})
	if n := a.link.State().EventsDown.Dropped - before; n != 2 {
		t.Errorf("%d messages are dropped, not the 2 damaged ones", n)
	}
}
