package uplink_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/test/kit"
	"runnel/uplink"
	"runnel/uplink/spool"
)

func TestMain(m *testing.M) { kit.Leakproof(m) }

// newSpool returns a spool that takes events of all classes.
func newSpool(t *testing.T) *spool.Spool {
	t.Helper()
	s, err := spool.Open(spool.Options{Dir: t.TempDir(), MinFree: -1, Log: slog.New(slog.DiscardHandler)})
	kit.Must(t, err)
	return s
}

// topics returns the topics of the events in a spool.
func topics(s *spool.Spool) (list []string) {
	for _, e := range s.Peek(99) {
		list = append(list, e.Topic)
	}
	return list
}

// export has an exporter store the events below "a." of its local router, unless the previous link has stored them.
func export(t *testing.T, x *uplink.Exporter, class spool.Class, answer func(error) error) {
	t.Helper()
	_, err := x.Local.Subscribe(context.Background(), "a.", client.SubscribeOptions{Match: wamp.Prefix, Confirm: true}, func(e *client.Event) {
		if x.Stored(e.Publication) {
			e.Confirm(nil)
			return
		}
		x.Put(e, spool.Event{Class: class, Topic: e.Topic(), Payload: e.Payload, Expires: uplink.Expiry(e)}, func() {}, answer)
	})
	kit.Must(t, err)
}

func same(err error) error { return err }

// The publisher gets the outcome of the event as the link words it.
func TestExportIsConfirmed(t *testing.T) {
	refused := client.NewError("com.example.refused")
	closed := newSpool(t)
	closed.Close()
	for _, c := range []struct {
		what   string
		spool  *spool.Spool
		answer func(error) error
		want   error
	}{
		{"stored", newSpool(t), same, nil},
		{"stored, and refused by the link", newSpool(t), func(error) error { return refused }, refused},
		{"not stored", closed, func(err error) error {
			if !errors.Is(err, spool.ErrClosed) {
				t.Errorf("the link gets %v", err)
			}
			return refused
		}, refused},
		{"not stored, which does not matter", closed, func(error) error { return nil }, nil},
	} {
		t.Run(c.what, func(t *testing.T) {
			s := newSite(t)
			x := &uplink.Exporter{Spool: c.spool, Local: s.join(), Log: slog.New(slog.DiscardHandler)}
			x.Await()
			if c.spool != closed {
				x.RunSpool()
				defer x.Close()
			}
			export(t, x, spool.Durable, c.answer)
			err := s.join().Publish(t.Context(), "a.b", client.PublishOptions{Acknowledge: true}, client.Payload{})
			if got := (*client.Error)(nil); (err != nil) != (c.want != nil) || err != nil && (!errors.As(err, &got) || got.URI != refused.URI) {
				t.Errorf("the publisher gets %v, want %v", err, c.want)
			}
			x.Stop()
			x.Finish()
		})
	}
}

// The link waits for room in the spool before it stores an event.
func TestExportWaitsForRoom(t *testing.T) {
	s := newSite(t)
	x := &uplink.Exporter{Spool: newSpool(t), Local: s.join(), Log: slog.New(slog.DiscardHandler)}
	x.RunSpool()
	defer x.Close()
	before := []string{"not asked"}
	x.Put(&client.Event{}, spool.Event{Topic: "a"}, func() { before = topics(x.Spool) }, same)
	if after := topics(x.Spool); len(before) > 0 || !slices.Equal(after, []string{"a"}) {
		t.Errorf("the spool has %q during the wait and %q after it", before, after)
	}
}

// A time limit of an event becomes a point in time.
func TestExpiry(t *testing.T) {
	s := newSite(t)
	x := &uplink.Exporter{Spool: newSpool(t), Local: s.join(), Log: slog.New(slog.DiscardHandler)}
	x.RunSpool()
	defer x.Close()
	export(t, x, spool.Memory, same)
	program, start := s.join(), time.Now().Truncate(time.Millisecond)
	for topic, ttl := range map[string]time.Duration{"a.none": 0, "a.hour": time.Hour} {
		kit.Must(t, program.Publish(t.Context(), topic, client.PublishOptions{Acknowledge: true, TTL: ttl}, client.Payload{}))
	}
	for _, e := range x.Spool.Peek(9) {
		end := time.Now().Add(time.Hour)
		if limited := e.Topic == "a.hour"; e.Expires.IsZero() == limited || limited && (e.Expires.Before(start.Add(time.Hour-time.Second)) || e.Expires.After(end)) {
			t.Errorf("%s expires at %v", e.Topic, e.Expires)
		}
	}
}

// The end of a link loses none of the events that the local router has sent.
func TestFinishStoresAll(t *testing.T) {
	s := newSite(t)
	x := &uplink.Exporter{Spool: newSpool(t), Local: s.join(), Log: slog.New(slog.DiscardHandler)}
	x.RunSpool()
	defer x.Close()
	answers := make(chan error, 99)
	export(t, x, spool.Durable, func(err error) error { answers <- err; return err })
	program := s.join()
	var want []string
	for i := range 20 {
		topic := fmt.Sprintf("a.%d", i)
		want = append(want, topic)
		kit.Must(t, program.Publish(t.Context(), topic, client.PublishOptions{}, client.Payload{}))
	}
	_, err := program.Call(t.Context(), "wamp.session.count", client.CallOptions{}, client.Payload{}) // the router has sent the events
	kit.Must(t, err)
	x.Stop()
	x.Finish()
	if len(answers) != len(want) || !slices.Equal(topics(x.Spool), want) {
		t.Errorf("%d answers; %q", len(answers), topics(x.Spool))
	}
}

// A link that replaces another one takes over its spool, and stores each event that the other one has not stored.
func TestSpoolIsHandedOver(t *testing.T) {
	s, h := newSite(t), uplink.NewHandover()
	first := &uplink.Exporter{Spool: newSpool(t), Local: s.join(), Log: slog.New(slog.DiscardHandler)}
	second := &uplink.Exporter{Spool: first.Spool, Local: s.join(), Log: first.Log, From: h}
	program := s.join()
	publish := func(topic string) <-chan error {
		done := make(chan error, 1)
		go func() {
			done <- program.Publish(context.Background(), topic, client.PublishOptions{Acknowledge: true}, client.Payload{})
		}()
		return done
	}
	first.Await()
	first.RunSpool()
	export(t, first, spool.Memory, same)
	kit.Must(t, kit.Receive(t, "the first event", publish("a.1")))

	first.SetHandover(h)
	export(t, second, spool.Memory, same)
	both := publish("a.2") // both links get it; the second waits for the first
	kit.Eventually(t, "the first link stores the event", func() bool { return len(topics(first.Spool)) == 2 })
	first.Stop()
	kit.Must(t, kit.Receive(t, "the event that both get", both))
	kit.Must(t, kit.Receive(t, "an event after the end", publish("a.3")))
	taken := make(chan struct{}, 1)
	go func() {
		second.Await()
		taken <- struct{}{}
	}()
	first.Finish()
	if len(taken) > 0 {
		t.Error("the second link does not wait for the first")
	}
	first.Close()
	kit.Receive(t, "the end of the first link", taken)
	second.RunSpool()
	kit.Must(t, kit.Receive(t, "a later event", publish("a.4")))
	if got := topics(second.Spool); !slices.Equal(got, []string{"a.1", "a.2", "a.3", "a.4"}) {
		t.Errorf("the spool has %q", got)
	}
	second.Stop()
	second.Finish()
	second.Close()
	closed := make(chan error, 1)
	second.Spool.Put(spool.Event{Topic: "a.5"}, func(err error) { closed <- err })
	if err := kit.Receive(t, "the answer", closed); !errors.Is(err, spool.ErrClosed) {
		t.Errorf("the spool runs on: %v", err)
	}
}
