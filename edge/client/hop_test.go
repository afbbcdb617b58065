package client_test

import (
	"context"
	"reflect"
	"testing"

	"runnel/edge/client"
	"runnel/edge/codec"
	"runnel/edge/wamp"
	"runnel/test/kit"
)

// A hop is sent without the parts that it lacks, and comes back as it was.
func TestHops(t *testing.T) {
	way := []client.Hop{{Session: 7, Authid: "ann", Authrole: "guest"}, {Session: 8, Authid: "gw", Authrole: "link", Node: "edge-1", Tag: "card-1"}}
	if got := way[1].String(); got != "{8 gw link edge-1}" {
		t.Error(got)
	}
	c, p, _ := start(t, client.Options{})
	type heard struct {
		topic string
		way   []client.Hop
	}
	events := make(chan heard, 2)
	subscribed := run(func() error {
		_, err := c.Subscribe(t.Context(), "a.b", client.SubscribeOptions{}, func(e *client.Event) { events <- heard{e.Topic(), e.ForwardFor()} })
		return err
	})
	p.subscribed(7)
	kit.Must(t, <-subscribed)
	kit.Must(t, c.Publish(t.Context(), "a.b", client.PublishOptions{ForwardFor: way}, client.Payload{}))
	m := p.expect(wamp.Publish)
	want := []any{
		map[string]any{"session": int64(7), "authid": "ann", "authrole": "guest"},
		map[string]any{"session": int64(8), "authid": "gw", "authrole": "link", "_node": "edge-1", "_tag": "card-1"},
	}
	if got := p.options(m)["forward_for"]; !reflect.DeepEqual(got, any(want)) {
		t.Errorf("%v, not %v", got, want)
	}
	e := p.event(7)
	e.Dict = p.dict(map[string]any{"forward_for": want, "topic": "a.b.c"})
	p.send(e, p.event(7))
	if got := <-events; !reflect.DeepEqual(got, heard{"a.b.c", way}) {
		t.Errorf("%+v", got)
	}
	if got := <-events; !reflect.DeepEqual(got, heard{topic: "a.b"}) {
		t.Errorf("%+v", got)
	}
}

// An invocation has the details that the router discloses; its procedure is else the registered one.
func TestInvocationDetails(t *testing.T) {
	c, p, _ := start(t, client.Options{})
	type call struct {
		procedure, authid, authrole string
		caller                      wamp.ID
	}
	calls := make(chan call, 1)
	registered := run(func() error {
		_, err := c.Register(t.Context(), "a.", client.RegisterOptions{Match: wamp.Prefix}, func(_ context.Context, inv *client.Invocation) (client.Payload, error) {
			calls <- call{inv.Procedure(), inv.CallerAuthid(), inv.CallerAuthrole(), inv.Caller()}
			return client.Payload{}, nil
		})
		return err
	})
	p.registered(7)
	kit.Must(t, <-registered)
	for i, test := range []struct {
		details map[string]any
		want    call
	}{
		{nil, call{procedure: "a."}},
		{map[string]any{"procedure": "a.b", "caller": 5, "caller_authid": "ann", "caller_authrole": "guest"}, call{"a.b", "ann", "guest", 5}},
	} {
		p.send(codec.Message{Type: wamp.Invocation, Request: wamp.ID(1 + i), ID: 7, Dict: p.dict(test.details)})
		if got := <-calls; got != test.want {
			t.Errorf("%v: %+v", test.details, got)
		}
		p.expect(wamp.Yield)
	}
}
