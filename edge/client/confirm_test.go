package client_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"runnel/edge/client"
	"runnel/edge/codec"
	"runnel/edge/wamp"
	"runnel/test/kit"
)

// outcome holds the arguments of a call of Done.
type outcome struct {
	publication wamp.ID
	err         error
}

// onDone returns a Done that passes its arguments on.
func onDone() (chan outcome, func(wamp.ID, error)) {
	heard := make(chan outcome, 100)
	return heard, func(id wamp.ID, err error) { heard <- outcome{id, err} }
}

func TestPublishWithDone(t *testing.T) {
	c, p, _ := start(t, client.Options{})
	heard, done := onDone()
	for range 3 {
		kit.Must(t, c.Publish(t.Context(), "a.b", client.PublishOptions{Done: done, More: true}, client.Payload{}))
	}
	for i := range 3 {
		m := p.expect(wamp.Publish)
		if m.Request != wamp.ID(i+1) || p.options(m)["acknowledge"] != true {
			t.Fatalf("PUBLISH %d %v", m.Request, p.options(m))
		}
	}
	p.refuse(&codec.Message{Type: wamp.Publish, Request: 2}, wamp.NotAuthorized)
	if o := <-heard; o.publication != 0 || !errors.Is(o.err, wamp.NotAuthorized) {
		t.Errorf("refused: %+v", o)
	}
	p.send(codec.Message{Type: wamp.Published, Request: 1, ID: 77})
	if o := <-heard; o.publication != 77 || o.err != nil {
		t.Errorf("acknowledged: %+v", o)
	}
	p.conn.Close()
	if o := <-heard; !errors.Is(o.err, wamp.NetworkFailure) {
		t.Errorf("the session ended: %+v", o)
	}
	if len(heard) > 0 {
		t.Errorf("Done was called again: %+v", <-heard)
	}
}

func TestPublishWithDoneWaitsForTheWindow(t *testing.T) {
	c, p, _ := start(t, client.Options{Unacknowledged: 2})
	heard, done := onDone()
	publish := func(ctx context.Context) error {
		return c.Publish(ctx, "a.b", client.PublishOptions{Done: done}, client.Payload{})
	}
	kit.Must(t, publish(t.Context()))
	kit.Must(t, publish(t.Context()))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := publish(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("beyond the window: %v", err)
	}
	third := run(func() error { return publish(t.Context()) })
	p.expect(wamp.Publish)
	p.expect(wamp.Publish)
	p.send(codec.Message{Type: wamp.Published, Request: 1, ID: 5})
	<-heard
	kit.Must(t, <-third)
	if m := p.expect(wamp.Publish); m.Request != 3 {
		t.Errorf("request %d", m.Request)
	}
	// A message that was not sent frees its place in the window.
	p.send(codec.Message{Type: wamp.Published, Request: 2, ID: 5})
	<-heard
	for range 5 {
		if err := c.Publish(t.Context(), "a.\xff", client.PublishOptions{Done: done}, client.Payload{}); err == nil {
			t.Fatal("a topic that is no text was sent")
		}
	}
}

func TestPublishTellsTheWay(t *testing.T) {
	c, p, _ := start(t, client.Options{})
	way := []client.Hop{{Session: 5, Authid: "pump", Authrole: "sensor"}, {Session: 6, Authid: "gw", Authrole: "gateway", Node: "gw-1"}}
	at := time.UnixMilli(1_700_000_000_123)
	kit.Must(t, c.Publish(t.Context(), "a.b", client.PublishOptions{
		ForwardFor: way, Origin: &client.Origin{Node: "gw-1/central", Epoch: 1 << 60, Sequence: 9}, Time: at,
	}, client.Payload{}))
	o := p.options(p.expect(wamp.Publish))
	want := "map[_origin:[gw-1/central 1152921504606846976 9] _time:1700000000123 " +
		"forward_for:[map[authid:pump authrole:sensor session:5] map[_node:gw-1 authid:gw authrole:gateway session:6]]]"
	if fmt.Sprint(o) != want {
		t.Errorf("options %v", o)
	}
	run(func() error {
		_, err := c.Call(t.Context(), "a.b", client.CallOptions{ForwardFor: way}, client.Payload{})
		return err
	})
	if o := p.options(p.expect(wamp.Call)); len(o["forward_for"].([]any)) != 2 {
		t.Errorf("options %v", o)
	}

	events := make(chan *client.Event, 1)
	subscribed := run(func() error {
		_, err := c.Subscribe(t.Context(), "a.b", client.SubscribeOptions{}, func(e *client.Event) { events <- e.Clone() })
		return err
	})
	p.subscribed(7)
	kit.Must(t, <-subscribed)
	p.send(codec.Message{Type: wamp.Event, ID: 7, Publication: 99, Dict: p.dict(map[string]any{
		"publisher": 55, "publisher_authid": "gw", "publisher_authrole": "gateway", "_time": at.UnixMilli(),
		"forward_for": []any{map[string]any{"session": 5, "authid": "pump", "authrole": "sensor"},
			map[string]any{"session": 6, "authid": "gw", "authrole": "gateway", "_node": "gw-1"}},
	})})
	e := <-events
	if !slices.Equal(e.ForwardFor(), way) || !e.Time().Equal(at) || e.PublisherAuthid() != "gw" || e.PublisherAuthrole() != "gateway" {
		t.Errorf("way %v, time %v, publisher %s %s", e.ForwardFor(), e.Time(), e.PublisherAuthid(), e.PublisherAuthrole())
	}
	p.send(p.event(7))
	if e := <-events; e.ForwardFor() != nil || !e.Time().IsZero() || e.PublisherAuthid() != "" {
		t.Errorf("way %v, time %v", e.ForwardFor(), e.Time())
	}
}

// confirming subscribes handlers to one topic under id 7. Some of them confirm.
func confirming(t *testing.T, c *client.Client, p *peer, confirm bool, handle func(*client.Event)) *client.Subscription {
	t.Helper()
	var sub *client.Subscription
	subscribed := run(func() (err error) {
		sub, err = c.Subscribe(t.Context(), "a.b", client.SubscribeOptions{Confirm: confirm}, handle)
		return err
	})
	m := p.subscribed(7)
	kit.Must(t, <-subscribed)
	if got := p.options(m)["_confirm"]; got != (any)(true) && confirm || got != nil && !confirm {
		t.Errorf("_confirm is %v", got)
	}
	return sub
}

// awaited returns an EVENT that needs a confirmation.
func (p *peer) awaited(publication wamp.ID) codec.Message {
	e := p.event(7, "x")
	e.Publication, e.Dict = publication, p.dict(map[string]any{"_confirm": true})
	return e
}

func TestConfirm(t *testing.T) {
	c, p, _ := start(t, client.Options{})
	kept := make(chan *client.Event, 10)
	confirming(t, c, p, true, func(e *client.Event) { kept <- e })
	p.send(p.awaited(1), p.awaited(2), p.event(7))
	first, second, third := <-kept, <-kept, <-kept
	third.Confirm(nil) // not requested
	second.Confirm(nil)
	second.Confirm(wamp.Unavailable) // already answered
	if m := p.expect(wamp.EventReceived); m.ID != 2 {
		t.Errorf("confirmed %d", m.ID)
	}
	first.Confirm(client.NewError("com.error.full", "no room"))
	m := p.expect(wamp.Error)
	if args, _, _ := m.Payload.Decode(); m.ErrorType != wamp.Event || m.Request != 1 || string(m.Text) != "com.error.full" || args[0] != "no room" {
		t.Errorf("refused: %+v %v", m, args)
	}
	first.Confirm(nil)
	p.send(p.awaited(3))
	(<-kept).Confirm(nil)
	if m := p.expect(wamp.EventReceived); m.ID != 3 {
		t.Errorf("confirmed %d", m.ID)
	}
}

func TestConfirmOfSeveralHandlers(t *testing.T) {
	c, p, _ := start(t, client.Options{})
	a, b := make(chan *client.Event, 10), make(chan *client.Event, 10)
	confirming(t, c, p, true, func(e *client.Event) { a <- e })
	sub := confirming(t, c, p, true, func(e *client.Event) { b <- e })
	confirming(t, c, p, false, func(e *client.Event) { e.Confirm(wamp.Unavailable) }) // without Confirm in its options
	p.send(p.awaited(1))
	(<-a).Confirm(nil)
	e := <-b
	p.send(p.awaited(2))
	(<-a).Confirm(wamp.Unavailable)
	if m := p.expect(wamp.Error); m.Request != 2 {
		t.Errorf("refused %d", m.Request)
	}
	(<-b).Confirm(nil)
	e.Confirm(nil)
	if m := p.expect(wamp.EventReceived); m.ID != 1 {
		t.Errorf("confirmed %d", m.ID)
	}
	// The client does not wait for an ended subscription.
	kit.Must(t, sub.Unsubscribe(t.Context()))
	p.send(p.awaited(3))
	(<-a).Confirm(nil)
	if m := p.expect(wamp.EventReceived); m.ID != 3 {
		t.Errorf("confirmed %d", m.ID)
	}
	// An event for a subscription that has just ended is confirmed at once.
	last := p.awaited(4)
	last.ID = 8
	p.send(last)
	if m := p.expect(wamp.EventReceived); m.ID != 4 {
		t.Errorf("confirmed %d", m.ID)
	}
}

// The first handler's error is the only answer, even if a later handler confirms the event.
func TestConfirmAfterARefusal(t *testing.T) {
	c, p, _ := start(t, client.Options{})
	confirming(t, c, p, true, func(e *client.Event) {
		if e.Publication == 1 {
			e.Confirm(wamp.Unavailable)
		}
		e.Confirm(nil)
	})
	confirming(t, c, p, true, func(e *client.Event) { e.Confirm(nil) })
	p.send(p.awaited(1), p.awaited(2))
	if m := p.expect(wamp.Error); m.Request != 1 {
		t.Errorf("refused %d", m.Request)
	}
	if m := p.expect(wamp.EventReceived); m.ID != 2 {
		t.Errorf("confirmed %d", m.ID)
	}
}

func TestConfirmAfterTheSession(t *testing.T) {
	c, p, n := start(t, client.Options{Reconnect: client.Reconnect{Min: 1, Max: 1}})
	kept := make(chan *client.Event, 10)
	confirming(t, c, p, true, func(e *client.Event) { kept <- e })
	p.send(p.awaited(1))
	e := <-kept
	p.conn.Close()
	next := n.welcome()
	if m := next.subscribed(7); next.options(m)["_confirm"] != true {
		t.Error("it is not asked for in the next session")
	}
	e.Confirm(nil) // of the previous session
	next.send(next.awaited(2))
	(<-kept).Confirm(nil)
	if m := next.expect(wamp.EventReceived); m.ID != 2 {
		t.Errorf("confirmed %d", m.ID)
	}
}

func TestDroppedEventsAreNotConfirmed(t *testing.T) {
	c, p, _ := start(t, client.Options{EventBuffer: 40 << 10, HandlerWait: time.Millisecond})
	hold := make(chan struct{})
	confirming(t, c, p, true, func(e *client.Event) {
		<-hold
		e.Confirm(nil)
	})
	long := p.payload(make([]byte, 10<<10))
	for i := range 20 {
		m := p.awaited(wamp.ID(i + 1))
		m.Payload = long
		p.send(m)
	}
	m := p.expect(wamp.Error)
	if m.ErrorType != wamp.Event || string(m.Text) != wamp.Unavailable.Error() {
		t.Errorf("ERROR for %s: %s", m.ErrorType, m.Text)
	}
	close(hold)
	answered := 1
	for answered < 20 {
		data, _, err := p.conn.ReadMessage()
		kit.Must(t, err)
		if typ := codec.TypeOf(p.s, data); typ != wamp.Error && typ != wamp.EventReceived {
			t.Fatalf("got %s", typ)
		}
		answered++
	}
}

// An error that is too large for the router is sent without its payload.
func TestConfirmWithALargeError(t *testing.T) {
	c, p := joinLimited(t, 2000)
	defer closeNow(c)
	confirming(t, c, p, true, func(e *client.Event) {
		e.Confirm(client.NewError("com.error.full", strings.Repeat("x", 3000)))
	})
	p.send(p.awaited(1))
	if m := p.expect(wamp.Error); string(m.Text) != "com.error.full" || m.Request != 1 || m.Payload.Items != 0 {
		t.Errorf("ERROR %s %+v", m.Text, m.Payload)
	}
}
