package client_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"runnel/edge/client"
	"runnel/edge/codec"
	"runnel/edge/wamp"
	"runnel/test/kit"
)

// SUBSCRIBE has the options of a durable subscription that differ from the router's defaults.
func TestDurableOptions(t *testing.T) {
	c, p, _ := start(t, client.Options{})
	none, limit := time.Duration(0), 1500*time.Millisecond
	extra := map[string]any{"x_a": int64(1)}
	for i, test := range []struct {
		o    client.SubscribeOptions
		d    client.Durable
		want map[string]any // besides _confirm
	}{
		{client.SubscribeOptions{}, client.Durable{Name: "n"}, map[string]any{"_durable": "n"}},
		{client.SubscribeOptions{Extra: extra}, client.Durable{Name: "n", From: "all", Window: 1, AckWait: 1, MaxAge: &none, Origin: true},
			map[string]any{"x_a": int64(1), "_durable": "n", "_from": "all", "_window": int64(1), "_ack_wait": int64(1), "_max_age": int64(0), "_origin": true}},
		{client.SubscribeOptions{}, client.Durable{Name: "n", AckWait: 2500 * time.Microsecond, MaxAge: &limit}, map[string]any{"_durable": "n", "_ack_wait": int64(2), "_max_age": int64(1500)}},
	} {
		subscribed := run(func() error {
			_, err := c.SubscribeDurable(t.Context(), "a.b", test.o, test.d, func(*client.Event) error { return nil })
			return err
		})
		test.want["_confirm"] = true
		if got := p.options(p.subscribed(wamp.ID(1 + i))); !reflect.DeepEqual(got, test.want) {
			t.Errorf("%+v: %v, not %v", test.d, got, test.want)
		}
		kit.Must(t, <-subscribed)
	}
	if len(extra) != 1 {
		t.Errorf("the caller's options have become %v", extra)
	}
	if _, err := c.SubscribeDurable(t.Context(), "a.b", client.SubscribeOptions{}, client.Durable{}, nil); err == nil {
		t.Error("a durable subscription without a name")
	}
}

// durable subscribes durably with subscription id 7.
func durable(t *testing.T, c *client.Client, p *peer, d client.Durable, handle func(*client.Event) error) *client.Subscription {
	t.Helper()
	d.Name = "n"
	var sub *client.Subscription
	subscribed := run(func() (err error) {
		sub, err = c.SubscribeDurable(t.Context(), "a.b", client.SubscribeOptions{}, d, handle)
		return err
	})
	p.subscribed(7)
	kit.Must(t, <-subscribed)
	return sub
}

// The result of the handler is the answer to an event. The event says whether it was delivered before and which gap it reports.
func TestDurableEvents(t *testing.T) {
	c, p, _ := start(t, client.Options{})
	type heard struct {
		again  bool
		events uint64
		reason string
		isGap  bool
	}
	got := make(chan heard, 10)
	durable(t, c, p, client.Durable{}, func(e *client.Event) error {
		events, reason, isGap := e.Gap()
		got <- heard{e.Redelivered(), events, reason, isGap}
		if e.Publication == 2 {
			return wamp.Unavailable
		}
		return nil
	})
	for i, test := range []struct {
		details map[string]any
		want    heard
	}{
		{map[string]any{}, heard{}},
		{map[string]any{"redelivered": true}, heard{again: true}},
		{map[string]any{"redelivered": false, "_gap": 7}, heard{}},
		{map[string]any{"_gap": map[string]any{"events": 9, "reason": "age", "more": true}}, heard{false, 9, "age", true}},
		{map[string]any{"_gap": map[string]any{}}, heard{isGap: true}},
	} {
		m := p.awaited(wamp.ID(1 + i))
		test.details["_confirm"], test.details["_position"] = true, 1+i
		m.Dict = p.dict(test.details)
		p.send(m)
		if h := <-got; h != test.want {
			t.Errorf("%v: %+v", test.details, h)
		}
		if i == 1 {
			if m := p.expect(wamp.Error); m.Request != 2 || string(m.Text) != wamp.Unavailable.Error() {
				t.Errorf("%d is refused with %s", m.Request, m.Text)
			}
		} else if m := p.expect(wamp.EventReceived); m.ID != wamp.ID(1+i) {
			t.Errorf("%d is acknowledged", m.ID)
		}
	}
}

// An event that no handler gets stays at the router if the subscription is durable.
func TestDurableEventWithoutHandler(t *testing.T) {
	c, p, _ := start(t, client.Options{})
	hold, entered := make(chan struct{}), make(chan struct{}, 10)
	sub := durable(t, c, p, client.Durable{}, func(*client.Event) error {
		entered <- struct{}{}
		<-hold
		return nil
	})
	position := func(id wamp.ID) codec.Message {
		m := p.awaited(id)
		m.Dict = p.dict(map[string]any{"_confirm": true, "_position": id})
		return m
	}
	p.send(position(1), position(2))
	<-entered
	ended := run(func() error { return sub.Unsubscribe(t.Context()) })
	p.send(codec.Message{Type: wamp.Unsubscribed, Request: p.expect(wamp.Unsubscribe).Request})
	kit.Must(t, <-ended)
	close(hold)
	// The refusal does not wait for the handler if the second event is read after the end of the subscription.
	answers := map[wamp.Type]wamp.ID{}
	for range 2 {
		data, _, err := p.conn.ReadMessage()
		kit.Must(t, err)
		var m codec.Message
		kit.Must(t, codec.Parse(p.s, data, &m))
		answers[m.Type] = m.ID + m.Request
	}
	if answers[wamp.EventReceived] != 1 || answers[wamp.Error] != 2 {
		t.Errorf("the answers are %v", answers)
	}
}

// A durable subscription that an operator has dropped ends. The client says so, unless it subscribes again.
func TestDurableIsDropped(t *testing.T) {
	dropped := codec.Message{Type: wamp.Unsubscribed}
	for name, test := range map[string]struct {
		d      func(heard chan error) client.Durable
		reason string
		again  bool // the client subscribes again
		heard  bool // Dropped is called
		logged bool
	}{
		"Dropped": {func(heard chan error) client.Durable {
			return client.Durable{Dropped: func(err error) { heard <- err }}
		}, wamp.ReasonDropped, false, true, false},
		"no Dropped": {func(chan error) client.Durable { return client.Durable{} }, wamp.ReasonDropped, false, false, true},
		"Renew": {func(heard chan error) client.Durable {
			return client.Durable{Renew: true, Dropped: func(err error) { heard <- err }}
		}, wamp.ReasonDropped, true, false, false},
		"other reasons": {func(heard chan error) client.Durable {
			return client.Durable{Dropped: func(err error) { heard <- err }}
		}, "com.reason", true, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				c, p, _ := start(t, client.Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
				heard := make(chan error, 10)
				sub := durable(t, c, p, test.d(heard), func(*client.Event) error { return nil })
				m := dropped
				m.Dict = p.dict(map[string]any{"subscription": 7, "reason": test.reason})
				p.send(m)
				synctest.Wait()
				if got := len(heard) > 0; got != test.heard || got && !errors.Is(<-heard, client.ErrDropped) {
					t.Errorf("Dropped is called: %v", got)
				}
				if got := strings.Contains(log.String(), "durable subscription ended"); got != test.logged {
					t.Errorf("log: %s", log.String())
				}
				if test.again {
					if got := p.options(p.subscribed(8)); got["_durable"] != "n" {
						t.Errorf("it subscribes again with %v", got)
					}
					return
				}
				// Nothing is left to end at the router.
				kit.Must(t, sub.Unsubscribe(context.Background()))
				published := run(func() error { return c.Publish(t.Context(), "a.c", client.PublishOptions{}, client.Payload{}) })
				p.expect(wamp.Publish)
				kit.Must(t, <-published)
			})
		})
	}
}

// WELCOME says whether the realm has durable subscriptions, and whether the role may create them.
func TestWelcomeOfDurableRealm(t *testing.T) {
	for name, test := range map[string]struct {
		details    map[string]any
		known, may bool
	}{"no": {nil, false, false}, "may": {map[string]any{"_durable": true}, true, true}, "may not": {map[string]any{"_durable": false}, true, false}, "other": {map[string]any{"_durable": 1}, false, false}} {
		n := newNetwork(t)
		joined := run(func() error {
			c, err := client.Connect(t.Context(), client.Options{Dial: n.dial, Realm: "realm1", Brief: name == "may"})
			if err == nil {
				defer closeNow(c)
				w, _ := c.Welcome()
				if known, may := w.Durable(); known != test.known || may != test.may {
					t.Errorf("%s: known %v, may %v", name, known, may)
				}
			}
			return err
		})
		p := n.accept()
		if brief := p.options(p.expect(wamp.Hello))["_brief"]; (brief == true) != (name == "may") {
			t.Errorf("%s: _brief is %v", name, brief)
		}
		p.send(codec.Message{Type: wamp.Welcome, ID: 7, Dict: p.dict(test.details)})
		kit.Must(t, <-joined)
	}
}
