package client_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"runnel/edge/client"
	"runnel/edge/codec"
	"runnel/edge/wamp"
	"runnel/test/kit"
)

// A request that cannot be encoded fails with the reason and sends nothing. On a client that is closed, every request fails.
func TestRequestsThatCannotBeSent(t *testing.T) {
	c, p, _ := start(t, client.Options{})
	strange := map[string]any{"x_a": func() {}}
	requests := map[string]func(map[string]any, client.Payload) error{
		"call": func(extra map[string]any, p client.Payload) error {
			_, err := c.Call(t.Context(), "a.b", client.CallOptions{Extra: extra}, p)
			return err
		},
		"publish": func(extra map[string]any, p client.Payload) error {
			return c.Publish(t.Context(), "a.b", client.PublishOptions{Extra: extra}, p)
		},
		"subscribe": func(extra map[string]any, _ client.Payload) error {
			_, err := c.Subscribe(t.Context(), "a.b", client.SubscribeOptions{Extra: extra}, func(*client.Event) {})
			return err
		},
		"register": func(extra map[string]any, _ client.Payload) error {
			_, err := c.Register(t.Context(), "a.b", client.RegisterOptions{Extra: extra}, nil)
			return err
		},
	}
	for name, request := range requests {
		if err := request(strange, client.Payload{}); !errors.Is(err, wamp.InvalidArgument) {
			t.Errorf("%s with strange options: %v", name, err)
		}
		if name == "call" || name == "publish" {
			if err := request(nil, client.Args(func() {})); !errors.Is(err, wamp.InvalidArgument) {
				t.Errorf("%s with strange arguments: %v", name, err)
			}
		}
	}
	called := run(func() error { return requests["call"](map[string]any{"x_a": 1}, client.Args(7)) })
	m := p.expect(wamp.Call)
	if got := p.options(m); got["x_a"] != int64(1) {
		t.Errorf("CALL has %v", got)
	}
	p.send(codec.Message{Type: wamp.Result, Request: m.Request})
	kit.Must(t, <-called)
	closed := run(func() error { return c.Close(context.Background()) })
	p.expect(wamp.Goodbye)
	p.send(codec.Message{Type: wamp.Goodbye, Text: []byte(wamp.GoodbyeAndOut)})
	kit.Must(t, <-closed)
	for name, request := range requests {
		if err := request(nil, client.Payload{}); !errors.Is(err, client.ErrClosed) {
			t.Errorf("%s on a closed client: %v", name, err)
		}
	}
}

// A timeout is sent in milliseconds, rounded up: 0 would mean none.
func TestTimeoutIsRoundedUp(t *testing.T) {
	for timeout, want := range map[time.Duration]any{0: nil, -1: nil, 1: int64(1), time.Millisecond: int64(1), time.Millisecond + 1: int64(2), time.Hour: int64(3_600_000)} {
		c, p, _ := start(t, client.Options{})
		called := run(func() error {
			_, err := c.Call(t.Context(), "a.b", client.CallOptions{Timeout: timeout}, client.Payload{})
			return err
		})
		m := p.expect(wamp.Call)
		if got := p.options(m)["timeout"]; got != want {
			t.Errorf("%v is sent as %v, not %v", timeout, got, want)
		}
		p.send(codec.Message{Type: wamp.Result, Request: m.Request})
		if err := <-called; err != nil && timeout > time.Second {
			t.Error(err)
		}
	}
}

// A body without a valid payload has no arguments.
func TestBodies(t *testing.T) {
	valid, err := codec.NewPayload(wamp.CBOR, []any{1}, map[string]any{"a": 2})
	kit.Must(t, err)
	for name, test := range map[string]struct {
		p      codec.Payload
		args   []any
		kwargs map[string]any
		ok     bool
	}{
		"none":    {codec.Payload{}, nil, nil, true},
		"valid":   {valid, []any{int64(1)}, map[string]any{"a": int64(2)}, true},
		"damaged": {codec.Payload{Serializer: wamp.CBOR, Items: 1, Raw: []byte{0x81}}, nil, nil, false},
	} {
		b := client.Body{Payload: test.p}
		args, kwargs, err := b.Decode()
		if (err == nil) != test.ok || !reflect.DeepEqual(args, test.args) || !reflect.DeepEqual(kwargs, test.kwargs) {
			t.Errorf("%s: %v %v, %v", name, args, kwargs, err)
		}
		if !reflect.DeepEqual(b.Args(), test.args) || !reflect.DeepEqual(b.Kwargs(), test.kwargs) {
			t.Errorf("%s: %v %v", name, b.Args(), b.Kwargs())
		}
	}
}

// The caller gets the URI of a handler's error, and its text unless that is the URI.
func TestErrorsOfContexts(t *testing.T) {
	c, p, _ := start(t, client.Options{})
	var failure error
	registered := run(func() error {
		_, err := c.Register(t.Context(), "a.b", client.RegisterOptions{}, func(context.Context, *client.Invocation) (client.Payload, error) {
			return client.Payload{}, failure
		})
		return err
	})
	p.registered(7)
	kit.Must(t, <-registered)
	for i, test := range []struct {
		err  error
		uri  string
		args []any
	}{
		{context.Canceled, "wamp.error.canceled", []any{"context canceled"}},
		{fmt.Errorf("read: %w", context.DeadlineExceeded), "wamp.error.timeout", []any{"read: context deadline exceeded"}},
		{wamp.Unavailable, "wamp.error.unavailable", nil},
		{fmt.Errorf("busy: %w", wamp.Unavailable), "wamp.error.unavailable", []any{"busy: wamp.error.unavailable"}},
		{errors.New("stuck"), "wamp.error.runtime_error", []any{"stuck"}},
		{client.NewError("com.error.x"), "com.error.x", nil},
		{client.NewError("com.error.x", 7), "com.error.x", []any{int64(7)}},
	} {
		failure = test.err
		p.send(codec.Message{Type: wamp.Invocation, Request: wamp.ID(1 + i), ID: 7})
		m := p.expect(wamp.Error)
		if args, _, _ := m.Payload.Decode(); string(m.Text) != test.uri || !reflect.DeepEqual(args, test.args) {
			t.Errorf("%v is sent as %s %v", test.err, m.Text, args)
		}
	}
	if e := client.NewError("com.error.x", func() {}); len(e.Args()) != 1 {
		t.Errorf("the error about an argument that cannot be encoded is lost: %v", e)
	}
}
