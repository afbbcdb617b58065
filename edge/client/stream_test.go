package client_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"runnel/edge/client"
	"runnel/edge/codec"
	"runnel/edge/wamp"
	"runnel/test/kit"
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

// streaming connects to a router that supports calls with chunked arguments.
func streaming(t *testing.T) (*client.Client, *peer) {
	t.Helper()
	n := newNetwork(t)
	var c *client.Client
	joined := run(func() (err error) {
		c, err = client.Connect(context.Background(), client.Options{Dial: n.dial, Realm: "realm1"})
		return err
	})
	p := n.accept()
	p.expect(wamp.Hello)
	p.send(codec.Message{Type: wamp.Welcome, ID: 7, Dict: p.dict(map[string]any{
		"roles": map[string]any{"dealer": map[string]any{"features": map[string]any{"progressive_call_invocations": true}}},
	})})
	kit.Must(t, <-joined)
	t.Cleanup(func() { closeNow(c) })
	return c, p
}

// All chunks have one id, and all but the last are marked with progress.
func TestInputSendsChunks(t *testing.T) {
	c, p := streaming(t)
	n := 0
	input := func(context.Context) (client.Payload, bool, error) { n++; return client.Args(n), n < 3, nil }
	called := run(func() error {
		r, err := c.Call(t.Context(), "a.b", client.CallOptions{Input: input}, client.Args(0))
		if err == nil && fmt.Sprint(r.Args()) != "[done]" {
			t.Errorf("result %v", r.Args())
		}
		return err
	})
	var id wamp.ID
	for i := range 4 {
		m := p.expect(wamp.Call)
		if i == 0 {
			id = m.Request
		}
		args, _, _ := m.Payload.Decode()
		more := p.options(m)["progress"] == true
		if m.Request != id || string(m.Text) != "a.b" || fmt.Sprint(args) != fmt.Sprintf("[%d]", i) || more != (i < 3) {
			t.Errorf("chunk %d: CALL %d %s %v %v", i, m.Request, m.Text, args, p.options(m))
		}
	}
	p.send(codec.Message{Type: wamp.Result, Request: id, Payload: p.payload("done")})
	kit.Must(t, <-called)
}

// An error of Input cancels the call, and Call returns it. The end of the call ends Input's context.
func TestInputAndTheCallEndTogether(t *testing.T) {
	c, p := streaming(t)
	broken := errors.New("sensor unplugged")
	called := run(func() error {
		_, err := c.Call(t.Context(), "a.b", client.CallOptions{
			Input: func(context.Context) (client.Payload, bool, error) { return client.Payload{}, false, broken },
		}, client.Payload{})
		return err
	})
	call := p.expect(wamp.Call)
	if m := p.expect(wamp.Cancel); m.Request != call.Request {
		t.Errorf("CANCEL %d", m.Request)
	}
	if err := <-called; !errors.Is(err, broken) {
		t.Errorf("call ended with %v", err)
	}

	called = run(func() error {
		_, err := c.Call(t.Context(), "a.b", client.CallOptions{
			Input: func(ctx context.Context) (client.Payload, bool, error) {
				<-ctx.Done()
				return client.Payload{}, false, ctx.Err()
			},
		}, client.Payload{})
		return err
	})
	p.refuse(p.expect(wamp.Call), wamp.NoSuchProcedure)
	if err := <-called; !errors.Is(err, wamp.NoSuchProcedure) {
		t.Errorf("call ended with %v", err)
	}
}

// A handler that waits for the next chunk gets it, or learns that the call was canceled.
func TestHandlerWaitsForChunks(t *testing.T) {
	ended := make(chan error, 1)
	_, p, _ := serve(t, client.Options{}, client.RegisterOptions{}, func(ctx context.Context, inv *client.Invocation) (client.Payload, error) {
		if err := inv.Progress(client.Args("ready")); err != nil {
			return client.Payload{}, err
		}
		sum := len(inv.Args())
		for more := inv.More(); more; {
			var chunk codec.Payload
			var err error
			if chunk, more, err = inv.Input(ctx); err != nil {
				ended <- err
				return client.Payload{}, err
			}
			args, _, _ := chunk.Decode()
			sum += len(args)
		}
		return client.Args(sum), nil
	})
	first := map[string]any{"progress": true, "receive_progress": true}
	p.send(invocation(p, 1, first, "a"))
	p.expect(wamp.Yield)
	p.send(invocation(p, 1, map[string]any{"progress": true}, "b", "c"), invocation(p, 1, nil, "d"))
	m := p.expect(wamp.Yield)
	if args, _, _ := m.Payload.Decode(); fmt.Sprint(args) != "[4]" {
		t.Errorf("YIELD %v", args)
	}
	p.send(invocation(p, 2, first, "a"))
	p.expect(wamp.Yield)
	p.send(codec.Message{Type: wamp.Interrupt, Request: 2, Dict: p.dict(map[string]any{"mode": "kill", "reason": "com.stop"})})
	if m := p.expect(wamp.Error); string(m.Text) != wamp.Canceled.Error() {
		t.Errorf("ERROR %s", m.Text)
	}
	var i *client.Interrupt
	if err := <-ended; !errors.As(err, &i) || i.Reason != "com.stop" || i.Mode != wamp.Kill || !errors.Is(err, wamp.Canceled) {
		t.Errorf("Input ended with %v", err)
	}
}
