package client

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"runnel/edge/codec"
	"runnel/edge/wamp"
)

// sink is a connection that accepts everything and counts the writes.
type sink struct {
	Conn
	writes int
	block  chan struct{} // if not nil, a write waits for it
}

func (s *sink) Write(batch []byte, wait bool) (int, error) {
	s.writes++
	if s.block != nil {
		<-s.block
	}
	return len(batch), nil
}

func (s *sink) Transport() *wamp.Transport { return &wamp.Transport{Serializer: wamp.CBOR} }

func TestPublishDoesNotAllocate(t *testing.T) {
	conn := &sink{}
	c := New(Options{})
	s := newSession(c, conn)
	c.install(s)
	raw, err := codec.NewPayload(wamp.CBOR, []any{"x"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	p, ctx := Raw(raw), context.Background()
	if n := testing.AllocsPerRun(1000, func() { c.Publish(ctx, "com.example.topic", PublishOptions{}, p) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
	if conn.writes != 1001 {
		t.Errorf("%d writes for 1001 events", conn.writes)
	}
}

func TestWhatGathersGoesOutInOneWrite(t *testing.T) {
	conn := &sink{block: make(chan struct{})}
	o := newOutgoing(conn, 1<<20, nil)
	send := func() {
		m := &outbound{Message: codec.Message{Type: wamp.Publish}, text: "a.b"}
		if err := o.send(context.Background(), m, immediate); err != nil {
			t.Error(err)
		}
	}
	first := make(chan struct{})
	go func() { send(); close(first) }()
	for { // until the write has started
		o.mu.Lock()
		writing := o.writing
		o.mu.Unlock()
		if writing {
			break
		}
		time.Sleep(time.Millisecond)
	}
	for range 100 {
		send()
	}
	quit := make(chan struct{})
	go o.runWriter(quit)
	close(conn.block)
	<-first
	o.flush(time.Minute)
	close(quit)
	if conn.writes != 2 || o.last != 101 {
		t.Errorf("%d writes for %d events", conn.writes, o.last)
	}
}

func TestSteadyFlowOfEventsDoesNotAllocate(t *testing.T) {
	q := newEventQueue(Options{}.withDefaults())
	raw, err := codec.NewPayload(wamp.CBOR, []any{"x"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	m := &codec.Message{Type: wamp.Event, Publication: 5, Payload: raw}
	to := []*Subscription{{}}
	n := testing.AllocsPerRun(100, func() {
		for range 10 {
			q.put(to, wamp.CBOR, m, nil)
		}
		c := q.take(nil)
		for _, e := range c.events {
			q.handled(e.size())
		}
		q.mu.Lock()
		q.recycle(c)
		q.mu.Unlock()
	})
	if n > 0 || q.size != 0 {
		t.Errorf("%v allocations, %d bytes left", n, q.size)
	}
}

// The bound of the pauses doubles from Min to Max.
func TestBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := Reconnect{Min: 500 * time.Millisecond, Max: time.Minute}.Backoff()
		bound := b.min
		var longest time.Duration
		for range 1000 {
			pause := b.Next()
			if pause < 0 || pause > bound {
				t.Fatalf("a pause of %v under a bound of %v", pause, bound)
			}
			longest = max(longest, pause)
			bound = min(2*bound, b.max)
			time.Sleep(pause)
		}
		if longest < b.max/2 { // of a thousand draws
			t.Errorf("the longest pause is %v", longest)
		}
		b.Reset()
		if pause := b.Next(); pause > b.min {
			t.Errorf("a pause of %v after a reset", pause)
		}
	})
}

// A client reconnects within twice the outage, at a random time.
func TestBackoffFollowsTheOutage(t *testing.T) {
	for _, outage := range []time.Duration{time.Second, 3 * time.Second, time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			first, last := 2*outage, outage
			for range 1000 {
				b := Reconnect{Min: 500 * time.Millisecond, Max: time.Minute}.Backoff()
				start := time.Now()
				for time.Since(start) < outage {
					time.Sleep(b.Next())
				}
				first, last = min(first, time.Since(start)), max(last, time.Since(start))
			}
			if last > 2*outage || last-first < outage/4 {
				t.Errorf("after %v the first of 1000 clients is back at %v, the last at %v", outage, first, last)
			}
		})
	}
}
