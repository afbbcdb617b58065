package client_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"runnel/edge/client"
	"runnel/edge/codec"
	"runnel/edge/wamp"
	"runnel/test/kit"
	"runnel/transport/memory"
)

func TestPublish(t *testing.T) {
	c, p, _ := start(t, client.Options{})
	ctx := t.Context()
	kit.Must(t, c.Publish(ctx, "a.b", client.PublishOptions{}, client.Args("x", 1)))
	m := p.expect(wamp.Publish)
	args, kwargs, err := m.Payload.Decode()
	if m.Request != 1 || string(m.Text) != "a.b" || !m.Dict.Empty() || err != nil || len(kwargs) > 0 ||
		!slices.Equal(args, []any{"x", int64(1)}) {
		t.Errorf("PUBLISH %+v: %v %v", m, args, kwargs)
	}

	kit.Must(t, c.Publish(ctx, "a.b", client.PublishOptions{
		IncludeMe: true, DiscloseMe: true, Retain: true, Eligible: []wamp.ID{5}, ExcludeAuthrole: []string{},
		Extra: map[string]any{"ppt_scheme": "x_own"},
	}, client.Kwargs(map[string]any{"k": 2.5})))
	m = p.expect(wamp.Publish)
	o := p.options(m)
	if m.Request != 2 || o["exclude_me"] != false || o["disclose_me"] != true || o["retain"] != true || o["ppt_scheme"] != "x_own" {
		t.Errorf("PUBLISH %d %v", m.Request, o)
	}
	if fmt.Sprint(o["eligible"]) != "[5]" || fmt.Sprint(o["exclude_authrole"]) != "[]" || o["exclude"] != nil {
		t.Errorf("lists: %v", o)
	}
	if _, kwargs, _ := m.Payload.Decode(); kwargs["k"] != 2.5 {
		t.Errorf("kwargs %v", kwargs)
	}

	done := run(func() error { return c.Publish(ctx, "a.b", client.PublishOptions{Acknowledge: true}, client.Payload{}) })
	p.refuse(p.expect(wamp.Publish), wamp.NotAuthorized)
	if err := <-done; !errors.Is(err, wamp.NotAuthorized) {
		t.Errorf("refused publish: %v", err)
	}
}

func TestPublishRefusesWhatCannotBeSent(t *testing.T) {
	c, p, _ := start(t, client.Options{})
	err := c.Publish(t.Context(), "a.b", client.PublishOptions{}, client.Args(make(chan int)))
	if !errors.Is(err, wamp.InvalidArgument) {
		t.Errorf("a channel as an argument: %v", err)
	}
	err = c.Publish(t.Context(), "a.\xff", client.PublishOptions{}, client.Payload{})
	if !errors.Is(err, wamp.InvalidArgument) {
		t.Errorf("a topic that is not UTF-8: %v", err)
	}
	// Neither has used up a request id.
	kit.Must(t, c.Publish(t.Context(), "a.b", client.PublishOptions{}, client.Payload{}))
	if m := p.expect(wamp.Publish); m.Request != 1 {
		t.Errorf("request %d", m.Request)
	}
}

// limited is a connection to a router that accepts at most limit bytes a message.
type limited struct {
	client.Conn
	limit int
}

func (l limited) Transport() *wamp.Transport {
	t := *l.Conn.Transport()
	t.Limit = l.limit
	return &t
}

// joinLimited joins a router that accepts at most limit bytes a message.
func joinLimited(t *testing.T, limit int) (c *client.Client, p *peer) {
	t.Helper()
	n := newNetwork(t)
	joined := run(func() (err error) {
		c, err = client.Connect(context.Background(), client.Options{Realm: "realm1", Dial: func(ctx context.Context) (client.Conn, error) {
			conn, err := n.dial(ctx)
			return limited{conn, limit}, err
		}})
		return err
	})
	p = n.welcome()
	kit.Must(t, <-joined)
	return c, p
}

func TestMessagesBeyondTheRoutersLimitAreNotSent(t *testing.T) {
	c, p := joinLimited(t, 2000)
	defer closeNow(c)
	err := c.Publish(t.Context(), "a.b", client.PublishOptions{}, client.Args(strings.Repeat("x", 2000)))
	if !errors.Is(err, wamp.PayloadSizeExceeded) {
		t.Errorf("a large event: %v", err)
	}
	kit.Must(t, c.Publish(t.Context(), "a.b", client.PublishOptions{}, client.Args(strings.Repeat("x", 1900))))
	p.expect(wamp.Publish)
}

func TestManyPublishersKeepTheSequence(t *testing.T) {
	c, p, _ := start(t, client.Options{})
	const publishers, each = 8, 200
	var work sync.WaitGroup
	for i := range publishers {
		work.Go(func() {
			for j := range each {
				o := client.PublishOptions{More: j%3 == 0}
				if err := c.Publish(t.Context(), "a.b", o, client.Args(i, j)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	next := make([]int64, publishers)
	for id := wamp.ID(1); id <= publishers*each; id++ {
		m := p.expect(wamp.Publish)
		args, _, _ := m.Payload.Decode()
		if m.Request != id {
			t.Fatalf("request %d, want %d", m.Request, id)
		}
		if i := args[0].(int64); args[1].(int64) != next[i] {
			t.Fatalf("publisher %d: event %d, want %d", i, args[1], next[i])
		} else {
			next[i]++
		}
	}
	work.Wait()
}

func TestPublishWaitsForRoomAndHonoursItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.opts = memory.Options{Buffer: 4 << 10}
		c, p := n.connect(client.Options{WriteBuffer: 8 << 10})
		ctx, cancel := context.WithCancel(t.Context())
		sent := 0
		full := run(func() error {
			for {
				if err := c.Publish(ctx, "a.b", client.PublishOptions{}, client.Args(strings.Repeat("x", 1000))); err != nil {
					return err
				}
				sent++
			}
		})
		synctest.Wait()
		if sent < 8 || sent > 20 {
			t.Errorf("%d events of 1 kB fit into 12 kB", sent)
		}
		cancel()
		if err := <-full; !errors.Is(err, context.Canceled) {
			t.Errorf("a publish that had to wait: %v", err)
		}
		for range sent {
			p.expect(wamp.Publish)
		}
		kit.Must(t, c.Publish(t.Context(), "a.b", client.PublishOptions{}, client.Args("again")))
		p.expect(wamp.Publish)
	})
}

func TestSubscribe(t *testing.T) {
	c, p, _ := start(t, client.Options{})
	events := make(chan *client.Event, 9)
	var sub *client.Subscription
	done := run(func() (err error) {
		sub, err = c.Subscribe(t.Context(), "a..c", client.SubscribeOptions{Match: wamp.Wildcard, Extra: map[string]any{"x_own": 1}},
			func(e *client.Event) { events <- e.Clone() })
		return err
	})
	m := p.expect(wamp.Subscribe)
	if o := p.options(m); o["match"] != "wildcard" || o["x_own"] != int64(1) || o["get_retained"] != nil {
		t.Errorf("SUBSCRIBE %v", o)
	}
	// The event is read together with SUBSCRIBED.
	event := p.event(3, "x")
	event.Dict = p.dict(map[string]any{"topic": "a.b.c", "publisher": 55, "retained": true})
	p.send(codec.Message{Type: wamp.Subscribed, Request: m.Request, ID: 3}, event)
	kit.Must(t, <-done)
	e := <-events
	if e.Topic() != "a.b.c" || e.Publisher() != 55 || !e.Retained() || e.Publication != 99 || e.Args()[0] != "x" || e.Subscription != sub {
		t.Errorf("event %+v: %v", e, e.Args())
	}
	if sub.Topic() != "a..c" || sub.Match() != wamp.Wildcard {
		t.Errorf("subscription to %s %s", sub.Match(), sub.Topic())
	}
}

func TestSubscribeRefused(t *testing.T) {
	c, p, _ := start(t, client.Options{})
	done := run(func() error {
		_, err := c.Subscribe(t.Context(), "a.b", client.SubscribeOptions{}, func(*client.Event) {})
		return err
	})
	p.send(codec.Message{Type: wamp.Error, ErrorType: wamp.Subscribe, Request: p.expect(wamp.Subscribe).Request,
		Text: []byte("com.own"), Payload: p.payload("because", 7)})
	err := <-done
	var e *client.Error
	if !errors.As(err, &e) || e.URI != "com.own" || err.Error() != "com.own: because" || e.Args()[1] != int64(7) {
		t.Errorf("refused: %v", err)
	}
}

func TestTwoHandlersOfOneTopic(t *testing.T) {
	c, p, _ := start(t, client.Options{})
	var subs []*client.Subscription
	got := make(chan string, 9)
	for _, name := range []string{"first", "second"} {
		done := run(func() error {
			sub, err := c.Subscribe(t.Context(), "a.b", client.SubscribeOptions{}, func(*client.Event) { got <- name })
			subs = append(subs, sub)
			return err
		})
		p.subscribed(3)
		kit.Must(t, <-done)
	}
	p.send(p.event(3))
	if a, b := <-got, <-got; a != "first" || b != "second" {
		t.Errorf("handlers called: %s, %s", a, b)
	}
	// To the router they are one subscription: only the last end is sent.
	kit.Must(t, subs[0].Unsubscribe(t.Context()))
	p.send(p.event(3))
	if a := <-got; a != "second" {
		t.Errorf("handler called: %s", a)
	}
	done := run(func() error { return subs[1].Unsubscribe(t.Context()) })
	m := p.expect(wamp.Unsubscribe)
	p.send(p.event(3), codec.Message{Type: wamp.Unsubscribed, Request: m.Request})
	kit.Must(t, <-done)
	if len(got) > 0 {
		t.Errorf("%s was called after Unsubscribe", <-got)
	}
}

func TestSubscribeGivenUpIsEndedAtTheRouter(t *testing.T) {
	c, p, _ := start(t, client.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	done := run(func() error {
		_, err := c.Subscribe(ctx, "a.b", client.SubscribeOptions{}, func(*client.Event) { t.Error("an event") })
		return err
	})
	m := p.expect(wamp.Subscribe)
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("given up: %v", err)
	}
	p.send(codec.Message{Type: wamp.Subscribed, Request: m.Request, ID: 3}, p.event(3))
	if m := p.expect(wamp.Unsubscribe); m.ID != 3 {
		t.Errorf("UNSUBSCRIBE %d", m.ID)
	}
}

// TestSlowHandler has a handler that blocks while more and more events arrive.
func TestSlowHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p, _ := start(t, client.Options{EventBuffer: 64 << 10, HandlerWait: time.Second})
		stuck := make(chan struct{})
		var got []int64
		done := run(func() error {
			_, err := c.Subscribe(t.Context(), "a.b", client.SubscribeOptions{}, func(e *client.Event) {
				<-stuck
				got = append(got, e.Args()[0].(int64))
			})
			return err
		})
		p.subscribed(3)
		kit.Must(t, <-done)
		const total = 1000
		filler := strings.Repeat("x", 1000)
		began := time.Now()
		for i := range total {
			p.send(p.event(3, i, filler))
		}
		// The read loop has waited once and then dropped events: everything has been read.
		synctest.Wait()
		if waited := time.Since(began); waited != time.Second {
			t.Errorf("reading 1000 events took %v", waited)
		}
		dropped := c.Dropped()
		if dropped == 0 {
			t.Error("nothing was dropped")
		}
		close(stuck)
		synctest.Wait()
		if len(got)+int(dropped) != total {
			t.Errorf("%d events handled, %d dropped", len(got), dropped)
		}
		if !slices.IsSorted(got) || got[0] != 0 || got[len(got)-1] != total-1 {
			t.Errorf("events %v", got)
		}
		p.send(p.event(3, total))
		synctest.Wait()
		if got[len(got)-1] != total {
			t.Error("the queue does not recover")
		}
	})
}

// TestHandlerMayCall has a handler that makes a request while more events wait than the queue holds.
func TestHandlerMayCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p, _ := start(t, client.Options{EventBuffer: 4 << 10})
		handled := make(chan error, 99)
		done := run(func() error {
			_, err := c.Subscribe(t.Context(), "a.b", client.SubscribeOptions{}, func(*client.Event) {
				_, err := c.Call(t.Context(), "a.c", client.CallOptions{}, client.Payload{})
				handled <- err
			})
			return err
		})
		p.subscribed(3)
		kit.Must(t, <-done)
		for range 10 { // beyond the limit, but within the allowance of a pending request
			p.send(p.event(3, strings.Repeat("x", 1000)))
		}
		began := time.Now()
		for range 10 {
			m := p.expect(wamp.Call)
			p.send(codec.Message{Type: wamp.Result, Request: m.Request})
			kit.Must(t, <-handled)
		}
		if time.Since(began) > 0 || c.Dropped() > 0 {
			t.Errorf("it took %v and dropped %d", time.Since(began), c.Dropped())
		}
	})
}
