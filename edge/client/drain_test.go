package client_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"runnel/edge/client"
	"runnel/edge/codec"
	"runnel/edge/wamp"
	"runnel/test/kit"
)

// Events that the router sent before UNSUBSCRIBE are handled, even if a slow handler delays them.
func TestDrain(t *testing.T) {
	c, p, _ := start(t, client.Options{})
	var heard []any
	begun, proceed := make(chan bool, 10), make(chan bool)
	made := run(func() error {
		_, err := c.Subscribe(t.Context(), "a.b", client.SubscribeOptions{}, func(e *client.Event) {
			begun <- true
			<-proceed
			heard = append(heard, e.Args()...)
		})
		return err
	})
	p.subscribed(7)
	kit.Must(t, <-made)
	p.send(p.event(7, "first"))
	<-begun
	drained := run(func() error { return c.Drain(t.Context()) })
	end := p.expect(wamp.Unsubscribe)
	p.send(p.event(7, "on its way"), codec.Message{Type: wamp.Unsubscribed, Request: end.Request})
	proceed <- true
	proceed <- true
	kit.Must(t, <-drained)
	if !slices.Equal(heard, []any{"first", "on its way"}) {
		t.Errorf("handled: %v", heard)
	}
	kit.Must(t, c.Drain(t.Context()))
	p.send(p.event(7, "too late"))
	kit.Must(t, c.Publish(t.Context(), "a.c", client.PublishOptions{}, client.Payload{}))
	p.expect(wamp.Publish)
}

// Drain ends each subscription once at the router, leaves registrations, and ends unestablished subscriptions without a
// message. The rejected subscription waits for its next attempt, for up to an hour.
func TestDrainOfMany(t *testing.T) {
	patient := client.Options{Reconnect: client.Reconnect{Min: time.Hour, Max: time.Hour}}
	c, p, _ := serve(t, patient, client.RegisterOptions{}, func(ctx context.Context, inv *client.Invocation) (client.Payload, error) {
		return client.Payload{}, nil
	})
	for _, id := range []wamp.ID{7, 7, 8} {
		made := run(func() error {
			_, err := c.Subscribe(t.Context(), "a.b", client.SubscribeOptions{}, func(*client.Event) {})
			return err
		})
		p.subscribed(id)
		kit.Must(t, <-made)
	}
	refused := make(chan error, 9)
	sub, err := c.Subscribe(t.Context(), "a.c", client.SubscribeOptions{
		Persist: true, Refused: func(err error) { refused <- err },
	}, func(*client.Event) {})
	kit.Must(t, err)
	p.refuse(p.expect(wamp.Subscribe), wamp.NotAuthorized)
	<-refused
	drained := run(func() error { return c.Drain(t.Context()) })
	for _, id := range []wamp.ID{7, 8} {
		m := p.expect(wamp.Unsubscribe)
		if m.ID != id {
			t.Errorf("UNSUBSCRIBE %d", m.ID)
		}
		p.send(codec.Message{Type: wamp.Unsubscribed, Request: m.Request})
	}
	kit.Must(t, <-drained)
	kit.Must(t, sub.Unsubscribe(t.Context()))
	p.send(invocation(p, 1, nil))
	p.expect(wamp.Yield)
}

// Drain returns when ctx is done: before UNSUBSCRIBED, and while a handler runs.
func TestDrainIsBounded(t *testing.T) {
	c, p, _ := start(t, client.Options{})
	begun, proceed := make(chan bool, 1), make(chan bool)
	made := run(func() error {
		_, err := c.Subscribe(t.Context(), "a.b", client.SubscribeOptions{}, func(*client.Event) { begun <- true; <-proceed })
		return err
	})
	p.subscribed(7)
	kit.Must(t, <-made)
	p.send(p.event(7))
	<-begun
	ctx, cancel := context.WithCancel(t.Context())
	drained := run(func() error { return c.Drain(ctx) })
	p.expect(wamp.Unsubscribe)
	cancel()
	if err := <-drained; !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "UNSUBSCRIBED") {
		t.Errorf("drained: %v", err)
	}
	if err := c.Drain(ctx); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "handle events") {
		t.Errorf("drained: %v", err)
	}
	close(proceed)
	kit.Must(t, c.Drain(t.Context()))
}
