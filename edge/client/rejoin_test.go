package client_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"runnel/edge/client"
	"runnel/edge/codec"
	"runnel/edge/wamp"
	"runnel/test/kit"
)

// Rejoin closes the session with GOODBYE and joins without a pause, even if the back-off is long.
func TestRejoin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down := make(chan error, 9)
		c, p, n := start(t, client.Options{
			Reconnect: client.Reconnect{Min: time.Hour, Max: time.Hour}, OnDown: func(err error) { down <- err },
		})
		for range 2 {
			began := time.Now()
			c.Rejoin()
			if m := p.expect(wamp.Goodbye); string(m.Text) != wamp.CloseNormal.Error() {
				t.Errorf("GOODBYE %s", m.Text)
			}
			p.send(codec.Message{Type: wamp.Goodbye, Text: []byte(wamp.GoodbyeAndOut)})
			p = n.welcome()
			if time.Since(began) != 0 {
				t.Errorf("joined after %v", time.Since(began))
			}
			if err := <-down; !errors.Is(err, client.ErrClosed) {
				t.Errorf("OnDown(%v)", err)
			}
			kit.Must(t, c.WaitUp(t.Context()))
			synctest.Wait()
		}
	})
}

// A Rejoin during the last session does not end the next one.
func TestRejoinIsForOneSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c *client.Client
		c, p, n := start(t, client.Options{OnDown: func(error) { c.Rejoin() }})
		p.conn.Close()
		p = n.welcome()
		kit.Must(t, c.WaitUp(t.Context()))
		synctest.Wait()
		sent := run(func() error { return c.Publish(t.Context(), "a.b", client.PublishOptions{}, client.Payload{}) })
		p.expect(wamp.Publish)
		kit.Must(t, <-sent)
	})
}

func TestRevokedRegistrationIsRequestedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refused := make(chan error, 9)
		_, p, r := serve(t, client.Options{}, client.RegisterOptions{
			DiscloseCaller: true, Refused: func(err error) { refused <- err },
		}, func(ctx context.Context, inv *client.Invocation) (client.Payload, error) {
			return client.Payload{}, nil
		})
		if r.Procedure() != "a.b" || r.Match() != wamp.Exact {
			t.Errorf("registration of %s %v", r.Procedure(), r.Match())
		}
		// A subscription of the same id is not concerned.
		p.send(codec.Message{Type: wamp.Unsubscribed, Dict: p.dict(map[string]any{"subscription": 9})})
		p.send(codec.Message{Type: wamp.Unregistered, Dict: p.dict(map[string]any{"registration": 9, "reason": "com.moved"})})
		p.send(invocation(p, 1, nil)) // sent by mistake: the registration no longer exists
		if m := p.expect(wamp.Error); m.ErrorType != wamp.Invocation || string(m.Text) != wamp.NoSuchRegistration.Error() {
			t.Errorf("ERROR %s", m.Text)
		}
		if err := <-refused; err == nil || err.Error() != "revoked by the router: com.moved" {
			t.Errorf("Refused(%v)", err)
		}
		m := p.registered(10)
		if string(m.Text) != "a.b" || p.options(m)["disclose_caller"] != true {
			t.Errorf("REGISTER %s %v", m.Text, p.options(m))
		}
		if err := <-refused; err != nil {
			t.Errorf("Refused(%v) after the router has accepted", err)
		}
		p.send(codec.Message{Type: wamp.Invocation, Request: 2, ID: 10})
		p.expect(wamp.Yield)
	})
}

// Without a Refused function the client logs a refusal and its end, each once.
func TestRefusalsAreLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var text bytes.Buffer
		c, p, _ := start(t, client.Options{Log: slog.New(slog.NewTextHandler(&text, nil))})
		_, err := c.Subscribe(t.Context(), "a.b", client.SubscribeOptions{Persist: true}, func(*client.Event) {})
		kit.Must(t, err)
		for range 3 {
			p.refuse(p.expect(wamp.Subscribe), wamp.NotAuthorized)
		}
		p.subscribed(1)
		synctest.Wait()
		if n := strings.Count(text.String(), "level=WARN"); n != 1 || !strings.Contains(text.String(), "err=wamp.error.not_authorized") {
			t.Errorf("%d warnings: %s", n, text.String())
		}
		if n := strings.Count(text.String(), "level=INFO"); n != 1 || !strings.Contains(text.String(), "uri=a.b match=exact") {
			t.Errorf("%d lines about the end: %s", n, text.String())
		}
	})
}

// Unsubscribe returns the router's ERROR, but a session that ends has ended the subscription.
func TestUnsubscribeAnswers(t *testing.T) {
	for _, refuse := range []bool{true, false} {
		c, p, _ := start(t, client.Options{})
		var sub *client.Subscription
		done := run(func() (err error) {
			sub, err = c.Subscribe(t.Context(), "a.b", client.SubscribeOptions{}, func(*client.Event) {})
			return err
		})
		p.subscribed(1)
		kit.Must(t, <-done)
		done = run(func() error { return sub.Unsubscribe(t.Context()) })
		m := p.expect(wamp.Unsubscribe)
		if refuse {
			p.refuse(m, wamp.NoSuchSubscription)
		} else {
			p.conn.Close()
		}
		if err := <-done; refuse != errors.Is(err, wamp.NoSuchSubscription) || !refuse && err != nil {
			t.Errorf("refused %v: %v", refuse, err)
		}
		kit.Must(t, sub.Unsubscribe(t.Context())) // a second call has nothing to do
	}
}

func TestInvocationTwice(t *testing.T) {
	_, p, _ := serve(t, client.Options{Reconnect: client.Reconnect{Disabled: true}}, client.RegisterOptions{}, func(ctx context.Context, inv *client.Invocation) (client.Payload, error) {
		<-ctx.Done()
		return client.Payload{}, ctx.Err()
	})
	p.send(invocation(p, 1, nil), invocation(p, 1, nil))
	if m := p.expect(wamp.Abort); string(m.Text) != wamp.ProtocolViolation.Error() {
		t.Errorf("ABORT %s", m.Text)
	}
}

// A link sends its node in HELLO and reads those of the router in WELCOME.
func TestNodes(t *testing.T) {
	n := newNetwork(t)
	node := wamp.Node{ID: "gw", Name: "gw", Boot: "b1", Installation: "i1"}
	above := []wamp.Node{{ID: "centre", Boot: "b2"}, {ID: "top", Boot: "b3"}}
	joined := run(func() error {
		c, err := client.Connect(context.Background(), client.Options{Dial: n.dial, Realm: "realm1", Node: node})
		if err != nil {
			return err
		}
		defer closeNow(c)
		w, _ := c.Welcome()
		if got := w.Nodes(); len(got) != 2 || got[0] != above[0] || got[1] != above[1] {
			t.Errorf("nodes %v", got)
		}
		return nil
	})
	p := n.accept()
	if got, ok := wamp.ReadNode(p.options(p.expect(wamp.Hello))["_node"]); !ok || got != node {
		t.Errorf("HELLO names %v", got)
	}
	p.send(codec.Message{Type: wamp.Welcome, ID: 7, Dict: p.dict(map[string]any{
		"roles": map[string]any{}, "_nodes": []any{above[0].Fields(), "nonsense", above[1].Fields()},
	})})
	kit.Must(t, <-joined)
}
