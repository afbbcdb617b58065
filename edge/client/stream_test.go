package client_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"runnel/edge/client"
	"runnel/edge/wamp"
)

func TestChunksAfterTheAnswerAreIgnored(t *testing.T) {
	_, p, _ := serve(t, client.Options{}, client.RegisterOptions{}, func(ctx context.Context, inv *client.Invocation) (client.Payload, error) {
		if !inv.More() {
			return client.Raw(inv.Payload), nil
		}
		p, more, err := inv.Input(ctx)
		if err != nil {
			return client.Payload{}, err
		}
		args, _, err := p.Decode()
		return client.Args(fmt.Sprint(args, more)), err
	})
	part := map[string]any{"progress": true}
	p.send(invocation(p, 1, part, "a"), invocation(p, 1, part, "b"))
	if m := p.expect(wamp.Yield); m.Request != 1 {
		t.Errorf("YIELD %d", m.Request)
	} else if args, _, _ := m.Payload.Decode(); fmt.Sprint(args) != "[[b] true]" {
		t.Errorf("YIELD %v", args)
	}
	p.send(invocation(p, 1, part, "late"), invocation(p, 1, nil, "last"), invocation(p, 2, nil, "next"))
	if m := p.expect(wamp.Yield); m.Request != 2 {
		t.Errorf("YIELD %d", m.Request)
	}
}

func TestChunksNotTaken(t *testing.T) {
	_, p, _ := serve(t, client.Options{EventBuffer: 300, HandlerWait: 1}, client.RegisterOptions{}, func(ctx context.Context, inv *client.Invocation) (client.Payload, error) {
		<-ctx.Done()
		return client.Payload{}, ctx.Err()
	})
	part := map[string]any{"progress": true}
	p.send(invocation(p, 1, part))
	for range 5 {
		p.send(invocation(p, 1, part, make([]byte, 100)))
	}
	if m := p.expect(wamp.Error); m.Request != 1 || string(m.Text) != wamp.Unavailable.Error() {
		t.Errorf("ERROR %d %s", m.Request, m.Text)
	}
}

func TestChunksNeedARouterThatKnowsThem(t *testing.T) {
	c, _, _ := start(t, client.Options{})
	_, err := c.Call(t.Context(), "a.b", client.CallOptions{
		Input: func(context.Context) (client.Payload, bool, error) { return client.Payload{}, false, nil },
	}, client.Payload{})
	if !errors.Is(err, wamp.FeatureNotSupported) {
		t.Errorf("call ended with %v", err)
	}
}
