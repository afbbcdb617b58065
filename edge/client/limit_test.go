package client

import (
	"context"
	"errors"
	"testing"
	"time"

	"runnel/edge/codec"
	"runnel/edge/wamp"
)

// PUBLISH has the limit in ms, at least 1.
func TestTTLOption(t *testing.T) {
	for _, c := range []struct {
		ttl  time.Duration
		want uint64
	}{{time.Minute, 60000}, {time.Nanosecond, 1}, {0, 0}, {-time.Second, 0}} {
		o := PublishOptions{TTL: c.ttl}
		d, err := o.dict(wamp.CBOR)
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := field(d, wamp.KeyTTL).Uint(); got != c.want {
			t.Errorf("%v: %d ms", c.ttl, got)
		}
	}
}

// The wait for the window reduces the limit. An event whose time is over is not published.
func TestTTLWaitsForWindow(t *testing.T) {
	s := &session{window: make(chan struct{}, 1)}
	s.window <- struct{}{}
	o := PublishOptions{TTL: time.Nanosecond}
	released := make(chan error)
	go func() { released <- s.awaitWindow(context.Background(), &o) }()
	<-s.window
	if err := <-released; !errors.Is(err, ErrExpired) || len(s.window) != 0 {
		t.Errorf("%v, %d in the window", err, len(s.window))
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	s.window <- struct{}{}
	if err := s.awaitWindow(ctx, &o); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// An event has its remaining lifetime, and its origin if that is valid.
func TestLimitAndOriginOfEvent(t *testing.T) {
	event := func(details map[string]any) *Event {
		d, err := codec.NewDict(wamp.JSON, details)
		if err != nil {
			t.Fatal(err)
		}
		return &Event{Body: Body{Details: d}}
	}
	e := event(map[string]any{"_ttl": 1500, "_origin": []any{"import-1", 7, 9}})
	if e.TTL() != 1500*time.Millisecond || e.Origin() == nil || *e.Origin() != (Origin{"import-1", 7, 9, ""}) {
		t.Errorf("%v, %v", e.TTL(), e.Origin())
	}
	if e := event(map[string]any{"_ttl": uint64(lastTime)}); e.TTL() <= 0 {
		t.Errorf("%v", e.TTL())
	}
	for _, details := range []map[string]any{
		{}, {"_ttl": "1", "_origin": 1}, {"_origin": []any{}}, {"_origin": []any{"a"}}, {"_origin": []any{"a", 1}}, {"_origin": []any{"a", 1, "2"}}, {"_origin": []any{1, 1, 2}},
	} {
		if e := event(details); e.TTL() != 0 || e.Origin() != nil {
			t.Errorf("%v: %v, %v", details, e.TTL(), e.Origin())
		}
	}
}
