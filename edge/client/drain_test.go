package client_test

import (
	"slices"
	"testing"

	"runnel/edge/client"
	"runnel/edge/codec"
	"runnel/edge/wamp"
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
	check(t, <-made)
	p.send(p.event(7, "first"))
	<-begun
	drained := run(func() error { return c.Drain(t.Context()) })
	end := p.expect(wamp.Unsubscribe)
	p.send(p.event(7, "on its way"), codec.Message{Type: wamp.Unsubscribed, Request: end.Request})
	proceed <- true
	proceed <- true
	check(t, <-drained)
	if !slices.Equal(heard, []any{"first", "on its way"}) {
		t.Errorf("handled: %v", heard)
	}
	check(t, c.Drain(t.Context()))
	p.send(p.event(7, "too late"))
	check(t, c.Publish(t.Context(), "a.c", client.PublishOptions{}, client.Payload{}))
	p.expect(wamp.Publish)
}
