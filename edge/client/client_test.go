package client_test

import (
	"context"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"runnel/edge/client"
	"runnel/edge/codec"
	"runnel/edge/wamp"
	"runnel/test/kit"
)

func TestHelloAnnouncesWhatTheClientDoes(t *testing.T) {
	n := newNetwork(t)
	joined := run(func() error {
		c, err := client.Connect(context.Background(), client.Options{
			Dial: n.dial, Realm: "realm1", Authid: "joe", Agent: "runnel/1.2.3", Auth: []client.Auth{client.Ticket("x")},
		})
		if err == nil {
			defer closeNow(c)
			welcome, up := c.Welcome()
			if !up || welcome.Session != 12 || welcome.Authid() != "joe" || welcome.Authrole() != "user" ||
				!welcome.Feature("broker", "event_retention") || welcome.Feature("dealer", "event_retention") {
				t.Errorf("welcome %+v", welcome)
			}
		}
		return err
	})
	p := n.accept()
	hello := p.expect(wamp.Hello)
	if string(hello.Text) != "realm1" {
		t.Errorf("realm %q", hello.Text)
	}
	details := p.options(hello)
	if details["agent"] != "runnel/1.2.3" || details["authid"] != "joe" {
		t.Errorf("details %v", details)
	}
	if methods := details["authmethods"].([]any); len(methods) != 1 || methods[0] != "ticket" {
		t.Errorf("authmethods %v", methods)
	}
	for role, feature := range map[string]string{
		"caller": "progressive_call_results", "callee": "call_canceling", "publisher": "publisher_exclusion",
		"subscriber": "pattern_based_subscription",
	} {
		announced := details["roles"].(map[string]any)[role].(map[string]any)["features"].(map[string]any)
		if announced[feature] != true {
			t.Errorf("%s does not announce %s: %v", role, feature, announced)
		}
	}
	p.send(codec.Message{Type: wamp.Challenge, Text: []byte("ticket")})
	if m := p.expect(wamp.Authenticate); string(m.Text) != "x" {
		t.Errorf("ticket %q", m.Text)
	}
	p.send(codec.Message{Type: wamp.Welcome, ID: 12, Dict: p.dict(map[string]any{
		"authid": "joe", "authrole": "user",
		"roles": map[string]any{"broker": map[string]any{"features": map[string]any{"event_retention": true}}},
	})})
	kit.Must(t, <-joined)
}

// HELLO has no empty details: a router may take an empty list of methods for a client that offers none.
func TestShortestHello(t *testing.T) {
	n := newNetwork(t)
	joined := run(func() error {
		_, err := client.Connect(t.Context(), client.Options{Dial: n.dial, Realm: "realm1"})
		return err
	})
	p := n.accept()
	details := p.options(p.expect(wamp.Hello))
	if keys := slices.Sorted(maps.Keys(details)); !slices.Equal(keys, []string{"agent", "roles"}) {
		t.Errorf("details %v", details)
	}
	p.conn.Close()
	if err := <-joined; err == nil {
		t.Error("joined without WELCOME")
	}
}

func TestConnectSaysWhyTheRouterRefuses(t *testing.T) {
	for _, c := range []struct {
		name   string
		script func(*peer)
		want   string
	}{
		{"ABORT", func(p *peer) {
			p.send(codec.Message{Type: wamp.Abort, Text: []byte(wamp.NoSuchRealm),
				Dict: p.dict(map[string]any{"message": "no realm of that name"})})
		}, "join realm1: the router sent ABORT: wamp.error.no_such_realm: no realm of that name"},
		{"nothing", func(p *peer) { p.conn.Close() }, "join realm1: wait for WELCOME: EOF"},
		{"GOODBYE", func(p *peer) {
			p.send(codec.Message{Type: wamp.Goodbye, Text: []byte(wamp.CloseRealm)})
			p.expect(wamp.Abort)
		}, "join realm1: protocol violation: received GOODBYE before the session was open"},
		{"a challenge not offered", func(p *peer) {
			p.send(codec.Message{Type: wamp.Challenge, Text: []byte("ticket")})
			p.expect(wamp.Abort)
		}, `join realm1: authenticate: the router chose method "ticket", which was not offered`},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := newNetwork(t)
			joined := run(func() error {
				_, err := client.Connect(context.Background(), client.Options{Dial: n.dial, Realm: "realm1"})
				return err
			})
			p := n.accept()
			p.expect(wamp.Hello)
			c.script(p)
			err := <-joined
			if err == nil || err.Error() != c.want {
				t.Errorf("got  %v\nwant %v", err, c.want)
			}
			if client.Refused(err) != (c.name == "ABORT") {
				t.Errorf("Refused is %v", client.Refused(err))
			}
		})
	}
}

func TestJoiningIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		joined := run(func() error {
			_, err := client.Connect(context.Background(), client.Options{
				Dial: n.dial, Realm: "realm1", RequestTimeout: 5 * time.Second,
			})
			return err
		})
		p := n.accept()
		p.expect(wamp.Hello)
		start := time.Now()
		if err := <-joined; !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 5*time.Second {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		p.expectEnd()
	})
}

func TestCloseSaysGoodbye(t *testing.T) {
	c, p, _ := start(t, client.Options{})
	closed := run(func() error { return c.Close(context.Background()) })
	if m := p.expect(wamp.Goodbye); string(m.Text) != wamp.CloseNormal.Error() {
		t.Errorf("reason %s", m.Text)
	}
	p.send(p.event(1, "ignored"), codec.Message{Type: wamp.Goodbye, Text: []byte(wamp.GoodbyeAndOut)})
	kit.Must(t, <-closed)
	p.expectEnd()
	kit.Must(t, c.Err())
	if err := c.Publish(context.Background(), "a.b", client.PublishOptions{}, client.Payload{}); !errors.Is(err, client.ErrClosed) {
		t.Errorf("publish on a closed client: %v", err)
	}
	kit.Must(t, c.Close(context.Background()))
}

func TestClosingIsBounded(t *testing.T) {
	kit.Must(t, client.New(client.Options{}).Close(t.Context())) // never started
	synctest.Test(t, func(t *testing.T) {
		c, p, _ := start(t, client.Options{})
		began := time.Now()
		closed := run(func() error { return c.Close(context.Background()) })
		p.expect(wamp.Goodbye)
		p.expectEnd()
		kit.Must(t, <-closed)
		if d := time.Since(began); d != 30*time.Second {
			t.Errorf("closing took %v", d)
		}
	})
}

func TestRequestsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p, _ := start(t, client.Options{RequestTimeout: 5 * time.Second})
		for want, request := range map[string]func() error{
			"wait for SUBSCRIBED: context deadline exceeded": func() error {
				_, err := c.Subscribe(t.Context(), "a.b", client.SubscribeOptions{}, func(*client.Event) {})
				return err
			},
			"wait for REGISTERED: context deadline exceeded": func() error {
				_, err := c.Register(t.Context(), "a.b", client.RegisterOptions{}, nil)
				return err
			},
			"wait for PUBLISHED: context deadline exceeded": func() error {
				return c.Publish(t.Context(), "a.b", client.PublishOptions{Acknowledge: true}, client.Payload{})
			},
		} {
			began := time.Now()
			if err := request(); err == nil || err.Error() != want || time.Since(began) != 5*time.Second {
				t.Errorf("after %v: %v, want %s", time.Since(began), err, want)
			}
		}
		p.conn.Close()
	})
}

func TestGoodbyeIsAnswered(t *testing.T) {
	c, p, _ := start(t, client.Options{Reconnect: client.Reconnect{Disabled: true}})
	p.send(codec.Message{Type: wamp.Goodbye, Text: []byte(wamp.CloseShutdown)})
	if m := p.expect(wamp.Goodbye); string(m.Text) != wamp.GoodbyeAndOut.Error() {
		t.Errorf("reason %s", m.Text)
	}
	<-c.Done()
	if err := c.Err(); !strings.Contains(err.Error(), "GOODBYE: wamp.close.system_shutdown") {
		t.Errorf("ended with %v", err)
	}
}

func TestAbortEndsTheSession(t *testing.T) {
	c, p, _ := start(t, client.Options{Reconnect: client.Reconnect{Disabled: true}})
	p.send(codec.Message{Type: wamp.Abort, Text: []byte(wamp.ProtocolViolation),
		Dict: p.dict(map[string]any{"message": "no"})})
	<-c.Done()
	p.expectEnd()
	if err := c.Err(); err.Error() != "the router sent ABORT: wamp.error.protocol_violation: no" {
		t.Errorf("ended with %v", err)
	}
}

func TestViolationsAreAborted(t *testing.T) {
	for name, m := range map[string]codec.Message{
		"WELCOME":          {Type: wamp.Welcome, ID: 5},
		"CHALLENGE":        {Type: wamp.Challenge, Text: []byte("ticket")},
		"PUBLISH":          {Type: wamp.Publish, Request: 1, Text: []byte("a.b")},
		"RESULT":           {Type: wamp.Result, Request: 1000},
		"ERROR":            {Type: wamp.Error, ErrorType: wamp.Call, Request: 1000, Text: []byte("a.b")},
		"ERROR INVOCATION": {Type: wamp.Error, ErrorType: wamp.Invocation, Request: 1, Text: []byte("a.b")},
	} {
		t.Run(name, func(t *testing.T) {
			c, p, _ := start(t, client.Options{Reconnect: client.Reconnect{Disabled: true}})
			p.send(m)
			abort := p.expect(wamp.Abort)
			if string(abort.Text) != wamp.ProtocolViolation.Error() || p.options(abort)["message"] == "" {
				t.Errorf("ABORT %s %v", abort.Text, p.options(abort))
			}
			<-c.Done()
			p.expectEnd()
		})
	}
}

func TestBrokenMessageIsAborted(t *testing.T) {
	c, p, _ := start(t, client.Options{Reconnect: client.Reconnect{Disabled: true}})
	p.conn.Write([]byte{0, 0, 0, 2, 0x81, 0xff}, true)
	p.expect(wamp.Abort)
	<-c.Done()
}

func TestExtensionsAreIgnored(t *testing.T) {
	c, p, _ := start(t, client.Options{})
	p.conn.Write([]byte{0, 0, 0, 5, 0x82, 0x19, 0x01, 0x2c, 0x01}, true) // [300, 1]
	done := run(func() error {
		return c.Publish(context.Background(), "a.b", client.PublishOptions{Acknowledge: true}, client.Payload{})
	})
	m := p.expect(wamp.Publish)
	p.send(codec.Message{Type: wamp.Published, Request: m.Request, ID: 3})
	kit.Must(t, <-done)
}

func TestReconnectRestores(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ups, downs := make(chan client.Welcome, 9), make(chan error, 9)
		c, p, n := start(t, client.Options{
			OnUp:   func(w client.Welcome) { ups <- w },
			OnDown: func(err error) { downs <- err },
		})
		<-ups
		events := make(chan any, 9)
		var sub *client.Subscription
		subscribed := run(func() (err error) {
			sub, err = c.Subscribe(t.Context(), "com.", client.SubscribeOptions{Match: wamp.Prefix, GetRetained: true},
				func(e *client.Event) { events <- e.Args()[0] })
			return err
		})
		p.subscribed(100)
		kit.Must(t, <-subscribed)
		registered := run(func() error {
			_, err := c.Register(t.Context(), "com.add", client.RegisterOptions{Invoke: wamp.RoundRobin},
				func(context.Context, *client.Invocation) (client.Payload, error) { return client.Args("sum"), nil })
			return err
		})
		p.registered(200)
		kit.Must(t, <-registered)

		called := run(func() error {
			_, err := c.Call(t.Context(), "com.slow", client.CallOptions{}, client.Payload{})
			return err
		})
		p.expect(wamp.Call)
		p.conn.Close()
		if err := <-called; !errors.Is(err, wamp.NetworkFailure) || !errors.Is(err, io.EOF) {
			t.Errorf("a call under way ended with %v", err)
		}
		<-downs
		err := c.Publish(t.Context(), "com.x", client.PublishOptions{}, client.Payload{})
		if !errors.Is(err, wamp.NetworkFailure) || err.Error() != "wamp.error.network_failure: not connected to the router" {
			t.Errorf("publish while down: %v", err)
		}
		if _, up := c.Welcome(); up {
			t.Error("it seems to be connected")
		}
		waited := run(func() error { return c.WaitUp(t.Context()) })

		p = n.welcome()
		kit.Must(t, <-waited)
		m := p.subscribed(101)
		if o := p.options(m); m.Request != 1 || string(m.Text) != "com." || o["match"] != "prefix" || o["get_retained"] != true {
			t.Errorf("SUBSCRIBE %d %s %v", m.Request, m.Text, o)
		}
		m = p.registered(201)
		if o := p.options(m); string(m.Text) != "com.add" || o["invoke"] != "roundrobin" {
			t.Errorf("REGISTER %s %v", m.Text, o)
		}
		<-ups
		p.send(p.event(101, "new"), codec.Message{Type: wamp.Invocation, Request: 1, ID: 201})
		if got := <-events; got != "new" {
			t.Errorf("event %v", got)
		}
		if m := p.expect(wamp.Yield); m.Request != 1 {
			t.Errorf("YIELD %d", m.Request)
		}
		unsubscribed := run(func() error { return sub.Unsubscribe(t.Context()) })
		m = p.expect(wamp.Unsubscribe)
		if m.ID != 101 {
			t.Errorf("UNSUBSCRIBE %d", m.ID)
		}
		p.send(codec.Message{Type: wamp.Unsubscribed, Request: m.Request})
		kit.Must(t, <-unsubscribed)

		p.conn.Close()
		<-downs
		p = n.welcome()
		p.registered(202)
		<-ups
	})
}

func TestRefusedRestoreIsReportedOnceAndTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		up := make(chan client.Welcome, 9)
		c, p, n := start(t, client.Options{OnUp: func(w client.Welcome) { up <- w }})
		<-up
		refused := make(chan error, 9)
		events := make(chan any, 9)
		subscribed := run(func() error {
			_, err := c.Subscribe(t.Context(), "a.b", client.SubscribeOptions{Refused: func(err error) { refused <- err }},
				func(e *client.Event) { events <- e.Args()[0] })
			return err
		})
		p.subscribed(1)
		kit.Must(t, <-subscribed)
		p.conn.Close()

		p = n.welcome()
		p.refuse(p.expect(wamp.Subscribe), wamp.NotAuthorized)
		<-up
		if err := <-refused; !errors.Is(err, wamp.NotAuthorized) {
			t.Errorf("refused with %v", err)
		}
		p.refuse(p.expect(wamp.Subscribe), wamp.NotAuthorized)
		p.subscribed(2)
		p.send(p.event(2, "x"))
		<-events
		if err := <-refused; err != nil || len(refused) > 0 {
			t.Errorf("reported again: %v", err)
		}
	})
}

func TestRevokedSubscriptionIsAskedForAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p, _ := start(t, client.Options{})
		refused, events := make(chan error, 9), make(chan any, 9)
		subscribed := run(func() error {
			_, err := c.Subscribe(t.Context(), "a.b", client.SubscribeOptions{Refused: func(err error) { refused <- err }},
				func(e *client.Event) { events <- e.Args()[0] })
			return err
		})
		p.subscribed(1)
		kit.Must(t, <-subscribed)
		p.send(codec.Message{Type: wamp.Unsubscribed, Dict: p.dict(map[string]any{"subscription": 1, "reason": "too.much"})})
		if err := <-refused; err.Error() != "revoked by the router: too.much" {
			t.Errorf("reported %v", err)
		}
		p.subscribed(5)
		p.send(p.event(1, "old"), p.event(5, "new"))
		if got := <-events; got != "new" {
			t.Errorf("event %v", got)
		}
	})
}

func TestPersistWaitsForTheRouter(t *testing.T) {
	n := newNetwork(t)
	c := client.New(client.Options{Dial: n.dial, Realm: "realm1"})
	events := make(chan any, 1)
	_, err := c.Subscribe(t.Context(), "a.b", client.SubscribeOptions{Persist: true}, func(e *client.Event) { events <- e.Args()[0] })
	kit.Must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := run(func() error { return c.Run(ctx) })
	p := n.welcome()
	p.subscribed(4)
	p.send(p.event(4, "x"))
	<-events
	_, err = c.Register(t.Context(), "a.c", client.RegisterOptions{Persist: true}, nil)
	kit.Must(t, err)
	p.registered(5)
	cancel()
	p.expect(wamp.Goodbye)
	p.send(codec.Message{Type: wamp.Goodbye, Text: []byte(wamp.GoodbyeAndOut)})
	kit.Must(t, <-ended)
}

func TestBackoffGrowsAndEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var attempts []time.Time
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		c := client.New(client.Options{Realm: "realm1", Dial: func(context.Context) (client.Conn, error) {
			attempts = append(attempts, time.Now())
			return nil, errors.New("connection refused")
		}})
		kit.Must(t, c.Run(ctx))
		// The pauses are 30 s on average: about 120 attempts. Fewer than 20 or more than 1000 are practically
		// impossible.
		if n := len(attempts); n < 70 || n > 400 {
			t.Errorf("%d attempts in an hour", n)
		}
		for i := 1; i < len(attempts); i++ {
			bound := min(500*time.Millisecond<<min(i-1, 20), time.Minute)
			if pause := attempts[i].Sub(attempts[i-1]); pause > bound {
				t.Errorf("pause %d is %v", i, pause)
			}
		}
	})
}

func TestFirstFailureEndsAClientThatDoesNotReconnect(t *testing.T) {
	away := errors.New("connection refused")
	c := client.New(client.Options{
		Realm: "realm1", Reconnect: client.Reconnect{Disabled: true},
		Dial: func(context.Context) (client.Conn, error) { return nil, away },
	})
	if err := c.Run(t.Context()); !errors.Is(err, away) {
		t.Errorf("ended with %v", err)
	}
	if err := c.WaitUp(t.Context()); !errors.Is(err, wamp.NetworkFailure) {
		t.Errorf("waiting for a client that has ended: %v", err)
	}
}
