package client_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"runnel/edge/client"
	"runnel/edge/codec"
	"runnel/edge/wamp"
	"runnel/test/kit"
)

func TestCall(t *testing.T) {
	c, p, _ := start(t, client.Options{})
	var result *client.Result
	done := run(func() (err error) {
		result, err = c.Call(t.Context(), "a.b", client.CallOptions{Timeout: 1500 * time.Microsecond * 1000, DiscloseMe: true},
			client.Args(1))
		return err
	})
	m := p.expect(wamp.Call)
	if o := p.options(m); string(m.Text) != "a.b" || o["timeout"] != int64(1500) || o["disclose_me"] != true || o["receive_progress"] != nil {
		t.Errorf("CALL %s %v", m.Text, o)
	}
	p.send(codec.Message{Type: wamp.Result, Request: m.Request, Payload: p.payload("r")})
	kit.Must(t, <-done)
	if result.Args()[0] != "r" {
		t.Errorf("result %v", result.Args())
	}

	done = run(func() error {
		_, err := c.Call(t.Context(), "a.b", client.CallOptions{}, client.Payload{})
		return err
	})
	p.refuse(p.expect(wamp.Call), wamp.NoSuchProcedure)
	if err := <-done; !errors.Is(err, wamp.NoSuchProcedure) {
		t.Errorf("refused call: %v", err)
	}
}

func TestProgressiveResults(t *testing.T) {
	c, p, _ := start(t, client.Options{})
	var got []string
	done := run(func() error {
		result, err := c.Call(t.Context(), "a.b", client.CallOptions{Progress: func(r *client.Result) {
			got = append(got, fmt.Sprint(r.Args()))
		}}, client.Payload{})
		if err == nil {
			got = append(got, fmt.Sprint(result.Args()))
		}
		return err
	})
	m := p.expect(wamp.Call)
	if p.options(m)["receive_progress"] != true {
		t.Errorf("CALL %v", p.options(m))
	}
	progress := p.dict(map[string]any{"progress": true})
	p.send(
		codec.Message{Type: wamp.Result, Request: m.Request, Dict: progress, Payload: p.payload(1)},
		codec.Message{Type: wamp.Result, Request: m.Request, Dict: progress},
		codec.Message{Type: wamp.Result, Request: m.Request, Dict: progress, Payload: p.payload(3)},
		codec.Message{Type: wamp.Result, Request: m.Request, Payload: p.payload("end")},
	)
	kit.Must(t, <-done)
	if s := strings.Join(got, " "); s != "[1] [] [3] [end]" {
		t.Errorf("results %s", s)
	}
}

func TestProgressNobodyTakesEndsTheCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p, _ := start(t, client.Options{EventBuffer: 10 << 10})
		stuck := make(chan struct{})
		done := run(func() error {
			_, err := c.Call(t.Context(), "a.b", client.CallOptions{Progress: func(*client.Result) { <-stuck }}, client.Payload{})
			return err
		})
		m := p.expect(wamp.Call)
		sending := run(func() error {
			for range 20 {
				p.send(codec.Message{Type: wamp.Result, Request: m.Request, Dict: p.dict(map[string]any{"progress": true}),
					Payload: p.payload(strings.Repeat("x", 1000))})
			}
			return nil
		})
		if cancel := p.expect(wamp.Cancel); cancel.Request != m.Request || p.options(cancel)["mode"] != "killnowait" {
			t.Errorf("CANCEL %d %v", cancel.Request, p.options(cancel))
		}
		<-sending
		p.refuse(m, wamp.Canceled) // too late: ignored
		close(stuck)
		if err := <-done; !errors.Is(err, wamp.Canceled) {
			t.Errorf("call ended with %v", err)
		}
	})
}

func TestCancel(t *testing.T) {
	for _, mode := range []wamp.CancelMode{wamp.KillNoWait, wamp.Skip} {
		t.Run(mode.String(), func(t *testing.T) {
			c, p, _ := start(t, client.Options{})
			ctx, cancel := context.WithCancel(t.Context())
			done := run(func() error {
				_, err := c.Call(ctx, "a.b", client.CallOptions{CancelMode: mode}, client.Payload{})
				return err
			})
			call := p.expect(wamp.Call)
			cancel()
			if err := <-done; err != context.Canceled {
				t.Errorf("call ended with %v", err)
			}
			if m := p.expect(wamp.Cancel); m.Request != call.Request || p.options(m)["mode"] != mode.String() {
				t.Errorf("CANCEL %d %v", m.Request, p.options(m))
			}
			p.refuse(call, wamp.Canceled)
			kit.Must(t, c.Publish(t.Context(), "a.b", client.PublishOptions{}, client.Payload{}))
			p.expect(wamp.Publish)
		})
	}
}

func TestCancelKillWaitsForTheCallee(t *testing.T) {
	for _, answer := range []string{"error", "result"} {
		t.Run(answer, func(t *testing.T) {
			c, p, _ := start(t, client.Options{})
			ctx, cancel := context.WithCancel(t.Context())
			var result *client.Result
			done := run(func() (err error) {
				result, err = c.Call(ctx, "a.b", client.CallOptions{CancelMode: wamp.Kill}, client.Payload{})
				return err
			})
			call := p.expect(wamp.Call)
			cancel()
			if m := p.expect(wamp.Cancel); p.options(m)["mode"] != "kill" {
				t.Errorf("CANCEL %v", p.options(m))
			}
			if answer == "result" {
				p.send(codec.Message{Type: wamp.Result, Request: call.Request, Payload: p.payload("late")})
				kit.Must(t, <-done)
				if result.Args()[0] != "late" {
					t.Errorf("result %v", result.Args())
				}
				return
			}
			p.refuse(&codec.Message{Type: wamp.Cancel, Request: call.Request}, wamp.Canceled) // as some routers do
			if err := <-done; !errors.Is(err, wamp.Canceled) || !errors.Is(err, context.Canceled) {
				t.Errorf("call ended with %v", err)
			}
		})
	}
}

func TestCallTimeoutIsKeptWhereTheRouterDoesNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p, _ := start(t, client.Options{})
		done := run(func() error {
			_, err := c.Call(t.Context(), "a.b", client.CallOptions{Timeout: time.Second, Progress: func(*client.Result) {}}, client.Payload{})
			return err
		})
		m := p.expect(wamp.Call)
		began := time.Now()
		time.Sleep(900 * time.Millisecond)
		p.send(codec.Message{Type: wamp.Result, Request: m.Request, Dict: p.dict(map[string]any{"progress": true})})
		if err := <-done; !errors.Is(err, wamp.Timeout) || time.Since(began) != 1900*time.Millisecond {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		p.expect(wamp.Cancel)
	})
}

// serve registers handle for a procedure and returns the router's end.
func serve(t *testing.T, o client.Options, ro client.RegisterOptions, h client.Handler) (*client.Client, *peer, *client.Registration) {
	t.Helper()
	c, p, _ := start(t, o)
	var r *client.Registration
	done := run(func() (err error) {
		r, err = c.Register(t.Context(), "a.b", ro, h)
		return err
	})
	p.registered(9)
	kit.Must(t, <-done)
	return c, p, r
}

func invocation(p *peer, request wamp.ID, details map[string]any, args ...any) codec.Message {
	return codec.Message{Type: wamp.Invocation, Request: request, ID: 9, Dict: p.dict(details), Payload: p.payload(args...)}
}

func TestInvocation(t *testing.T) {
	_, p, r := serve(t, client.Options{}, client.RegisterOptions{Match: wamp.Prefix}, func(ctx context.Context, inv *client.Invocation) (client.Payload, error) {
		if inv.Procedure() != "a.bc" || inv.Caller() != 44 || inv.ReceiveProgress() {
			t.Errorf("invocation of %s by %d", inv.Procedure(), inv.Caller())
		}
		if err := inv.Progress(client.Args("unasked for")); err != nil {
			t.Error(err)
		}
		return client.Raw(inv.Payload), nil
	})
	p.send(invocation(p, 1, map[string]any{"procedure": "a.bc", "caller": 44}, "x", 2))
	m := p.expect(wamp.Yield)
	args, _, _ := m.Payload.Decode()
	if m.Request != 1 || !m.Dict.Empty() || fmt.Sprint(args) != "[x 2]" {
		t.Errorf("YIELD %d %v", m.Request, args)
	}
	done := run(func() error { return r.Unregister(t.Context()) })
	m = p.expect(wamp.Unregister)
	if m.ID != 9 {
		t.Errorf("UNREGISTER %d", m.ID)
	}
	// A pending invocation is still answered. A later one does not reach the handler.
	p.send(invocation(p, 2, map[string]any{"procedure": "a.bc", "caller": 44}), codec.Message{Type: wamp.Unregistered, Request: m.Request})
	p.expect(wamp.Yield)
	kit.Must(t, <-done)
	p.send(invocation(p, 3, nil))
	if m := p.expect(wamp.Error); m.ErrorType != wamp.Invocation || m.Request != 3 || string(m.Text) != wamp.NoSuchRegistration.Error() {
		t.Errorf("ERROR %d %s", m.Request, m.Text)
	}
}

func TestErrorsOfHandlers(t *testing.T) {
	for _, c := range []struct {
		name string
		err  error
		want string
	}{
		{"an Error", client.NewError("com.own", "text", 5), "com.own [text 5]"},
		{"an Error, wrapped", fmt.Errorf("outer: %w", client.NewError("com.own", "text")), "com.own [text]"},
		{"a Failure", wamp.InvalidArgument, "wamp.error.invalid_argument []"},
		{"a Failure, wrapped", fmt.Errorf("third: %w", wamp.InvalidArgument), "wamp.error.invalid_argument [third: wamp.error.invalid_argument]"},
		{"another", errors.New("out of paper"), "wamp.error.runtime_error [out of paper]"},
		{"an Error that can't be encoded", client.NewError("com.own", make(chan int)), "com.own"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, p, _ := serve(t, client.Options{}, client.RegisterOptions{}, func(context.Context, *client.Invocation) (client.Payload, error) {
				return client.Payload{}, c.err
			})
			p.send(invocation(p, 1, nil))
			m := p.expect(wamp.Error)
			args, _, _ := m.Payload.Decode()
			if got := fmt.Sprintf("%s %v", m.Text, args); !strings.HasPrefix(got, c.want) || m.ErrorType != wamp.Invocation {
				t.Errorf("ERROR %s, want %s", got, c.want)
			}
		})
	}
}

func TestResultThatCannotBeSentIsAnError(t *testing.T) {
	_, p, _ := serve(t, client.Options{}, client.RegisterOptions{}, func(context.Context, *client.Invocation) (client.Payload, error) {
		return client.Args(make(chan int)), nil
	})
	p.send(invocation(p, 1, nil))
	if m := p.expect(wamp.Error); string(m.Text) != wamp.InvalidArgument.Error() {
		t.Errorf("ERROR %s", m.Text)
	}
}

func TestProgressiveHandler(t *testing.T) {
	_, p, _ := serve(t, client.Options{}, client.RegisterOptions{}, func(ctx context.Context, inv *client.Invocation) (client.Payload, error) {
		for i := range 3 {
			if err := inv.Progress(client.Args(i)); err != nil {
				return client.Payload{}, err
			}
		}
		return client.Payload{Args: []any{"end"}, Extra: map[string]any{"ppt_scheme": "x_own"}}, nil
	})
	p.send(invocation(p, 1, map[string]any{"receive_progress": true}))
	for i := range 3 {
		m := p.expect(wamp.Yield)
		if args, _, _ := m.Payload.Decode(); p.options(m)["progress"] != true || args[0] != int64(i) {
			t.Errorf("YIELD %v %v", p.options(m), args)
		}
	}
	if m := p.expect(wamp.Yield); p.options(m)["progress"] != nil || p.options(m)["ppt_scheme"] != "x_own" {
		t.Errorf("YIELD %v", p.options(m))
	}
}

func TestInterrupt(t *testing.T) {
	started, causes := make(chan struct{}), make(chan error, 1)
	_, p, _ := serve(t, client.Options{}, client.RegisterOptions{}, func(ctx context.Context, inv *client.Invocation) (client.Payload, error) {
		started <- struct{}{}
		<-ctx.Done()
		causes <- context.Cause(ctx)
		return client.Payload{}, ctx.Err()
	})
	p.send(invocation(p, 1, nil))
	<-started
	p.send(codec.Message{Type: wamp.Interrupt, Request: 1, Dict: p.dict(map[string]any{"mode": "kill"})})
	var interrupt *client.Interrupt
	if err := <-causes; !errors.As(err, &interrupt) || interrupt.Mode != wamp.Kill {
		t.Errorf("cause %v", err)
	}
	if m := p.expect(wamp.Error); m.Request != 1 || string(m.Text) != wamp.Canceled.Error() {
		t.Errorf("ERROR %d %s", m.Request, m.Text)
	}
	p.send(codec.Message{Type: wamp.Interrupt, Request: 1}) // too late: ignored
	p.send(invocation(p, 2, nil))
	<-started
	p.send(codec.Message{Type: wamp.Interrupt, Request: 2})
	if err := <-causes; !errors.As(err, &interrupt) || interrupt.Mode != wamp.KillNoWait {
		t.Errorf("cause %v", err)
	}
}

// TestInterruptIsHandedOn has a handler that makes a call with its own context, as an uplink does.
func TestInterruptIsHandedOn(t *testing.T) {
	var c *client.Client
	ready := make(chan struct{})
	c, p, _ := serve(t, client.Options{}, client.RegisterOptions{}, func(ctx context.Context, inv *client.Invocation) (client.Payload, error) {
		<-ready
		_, err := c.Call(ctx, "a.c", client.CallOptions{}, client.Payload{})
		return client.Payload{}, err
	})
	close(ready)
	p.send(invocation(p, 1, nil))
	call := p.expect(wamp.Call)
	p.send(codec.Message{Type: wamp.Interrupt, Request: 1, Dict: p.dict(map[string]any{"mode": "kill"})})
	if m := p.expect(wamp.Cancel); p.options(m)["mode"] != "kill" {
		t.Errorf("CANCEL %v", p.options(m))
	}
	p.refuse(call, wamp.Canceled)
	if m := p.expect(wamp.Error); string(m.Text) != wamp.Canceled.Error() {
		t.Errorf("ERROR %s", m.Text)
	}
}

func TestForwardedTimeoutIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, p, _ := serve(t, client.Options{}, client.RegisterOptions{ForwardTimeout: true}, func(ctx context.Context, inv *client.Invocation) (client.Payload, error) {
			time.Sleep(200 * time.Millisecond)
			if err := inv.Progress(client.Payload{}); err != nil {
				t.Error(err)
			}
			<-ctx.Done()
			return client.Args("too late"), nil
		})
		p.send(invocation(p, 1, map[string]any{"timeout": 300, "receive_progress": true}))
		began := time.Now()
		p.expect(wamp.Yield)
		if m := p.expect(wamp.Error); string(m.Text) != wamp.Timeout.Error() || time.Since(began) != 500*time.Millisecond {
			t.Errorf("after %v: ERROR %s", time.Since(began), m.Text)
		}
	})
}

func TestInvocationsBeyondTheBoundWaitInOrder(t *testing.T) {
	release := make(chan struct{})
	_, p, _ := serve(t, client.Options{Invocations: 2, EventBuffer: 3 * 600}, client.RegisterOptions{}, func(ctx context.Context, inv *client.Invocation) (client.Payload, error) {
		<-release
		return client.Raw(inv.Payload), nil
	})
	for i := range wamp.ID(8) {
		p.send(invocation(p, i+1, nil, i))
	}
	// Two run, three wait, three are rejected.
	for range 3 {
		if m := p.expect(wamp.Error); m.Request < 6 || string(m.Text) != wamp.Unavailable.Error() {
			t.Errorf("ERROR %d %s", m.Request, m.Text)
		}
	}
	close(release)
	for range 5 {
		if m := p.expect(wamp.Yield); m.Request > 5 {
			t.Errorf("YIELD %d", m.Request)
		}
	}
}

func TestSessionEndCancelsHandlers(t *testing.T) {
	started, causes := make(chan struct{}), make(chan error, 1)
	_, p, _ := serve(t, client.Options{Reconnect: client.Reconnect{Disabled: true}}, client.RegisterOptions{}, func(ctx context.Context, inv *client.Invocation) (client.Payload, error) {
		close(started)
		<-ctx.Done()
		causes <- context.Cause(ctx)
		return client.Payload{}, ctx.Err()
	})
	p.send(invocation(p, 1, nil))
	<-started
	p.conn.Close()
	if err := <-causes; !errors.Is(err, wamp.NetworkFailure) {
		t.Errorf("cause %v", err)
	}
}
