package crash

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/test/kit"
)

// durable declares a durable subscription to all topics of these stories.
const durable = `
  [[realm.durable]]
  name = "archive"
  uri = "crash."
  match = "prefix"
  ack_wait = "5m"
`

// consumer reads the durable subscription, and remembers the publications that it has had.
type consumer struct {
	*testing.T
	ledger *ledger
	at     *tier
	below  *tier

	mu      sync.Mutex
	had     map[wamp.ID]bool
	repeats int
	program int // number of the running one; the earlier ones were killed
	client  *client.Client
}

// begin joins and subscribes. The client stays subscribed while its router is killed and started again.
func (c *consumer) begin() {
	c.Helper()
	c.client = c.at.join()
	c.mu.Lock()
	number := c.program
	c.mu.Unlock()
	how := client.SubscribeOptions{Match: wamp.Prefix, Persist: true}
	take := func(e *client.Event) error { return c.take(e, number) }
	_, err := c.client.SubscribeDurable(c.Context(), "crash.", how, client.Durable{Name: "archive", Window: 64}, take)
	if err != nil {
		c.Fatal(err)
	}
}

// take handles an event, unless its program was killed. The router may notice the end of the last program only after
// the next one has subscribed. It then delivers the events that were in flight later, marked as redelivered.
func (c *consumer) take(e *client.Event, number int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if number != c.program {
		return errors.New("killed")
	}
	if _, reason, ok := e.Gap(); ok {
		c.Errorf("a gap: %s", reason)
		return nil
	}
	if c.had[e.Publication] {
		c.repeats++
		return nil
	}
	c.had[e.Publication] = true
	n, _ := e.Args()[0].(int64)
	c.ledger.receive(e.Topic(), n, e.Redelivered())
	return nil
}

// state describes the durable subscription.
func (c *consumer) state() string {
	result, err := c.at.join().Call(c.Context(), "runnel.durable.ls", client.CallOptions{}, client.Payload{})
	queued, failed := c.below.join().Call(c.Context(), "runnel.queue.ls", client.CallOptions{}, client.Payload{})
	text := fmt.Sprintln(result.Args(), err, queued.Args(), failed, c.ledger)
	for topic := range c.ledger.acked {
		text += fmt.Sprintln(topic, "misses", c.ledger.missing(topic))
	}
	return text
}

// kill kills the consumer. The router sends the events again that the consumer has not acknowledged.
func (c *consumer) kill() {
	c.mu.Lock()
	c.program++
	c.mu.Unlock()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	c.client.Close(ctx)
}

// left waits until the router has noticed that the consumer was killed.
func (c *consumer) left() {
	c.Helper()
	<-c.client.Done()
	asks := c.at.join()
	defer asks.Close(c.Context())
	kit.Eventually(c.T, "the consumer's session ends", func() bool {
		result, err := asks.Call(c.Context(), "runnel.durable.ls", client.CallOptions{}, client.Payload{})
		if err != nil {
			return false
		}
		list := result.Args()[0].([]any)
		return len(list) == 1 && list[0].(map[string]any)["sessions"] == int64(0)
	}, c.state)
}

// arrives waits until all acknowledged events of the topics have arrived. It checks their order, and that each arrived
// once. Other events are not stored, so the queue drops many of them while the centre is unreachable. A centre tracks
// 1,024 gaps in the numbers of a link. With more gaps, an event that the link resends may arrive as another
// publication.
func (c *consumer) arrives(topics []string) {
	c.Helper()
	l := c.ledger
	for _, topic := range topics {
		kit.Eventually(c.T, fmt.Sprintf("%v of %s arrive", l.missing(topic), topic), func() bool { return len(l.missing(topic)) == 0 }, c.state)
	}
	if repeats := l.check(c.T, topics...); repeats > 0 {
		c.Errorf("%d events came as two publications", repeats)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.Log(l, c.repeats, " redelivered")
}

// Publishers, a gateway, a centre and its consumer run, and any of them is killed at any moment. Each acknowledged
// event reaches the consumer in order, and once if the consumer remembers its events. If the consumer is killed, only
// redelivered events may arrive later.
func TestDurableSurvivesKills(t *testing.T) {
	for _, c := range []struct {
		name                   string
		edge, centre, consumer bool
	}{{"the gateway", true, false, false}, {"the centre", false, true, false}, {"the consumer", false, false, true}, {"all", true, true, true}} {
		t.Run(c.name, func(t *testing.T) {
			list := tiers(t, "sync = \"5ms\"\nspill_after = \"20ms\"\nmin_free = 0", "edge", "centre")
			edge, centre := list[0], list[1]
			centre.durable = true
			for _, r := range []*tier{centre, edge} {
				r.begin()
				defer r.stop()
			}
			l := newLedger()
			reader := &consumer{T: t, ledger: l, at: centre, below: edge, had: make(map[wamp.ID]bool)}
			reader.begin()
			defer func() { reader.kill() }()
			topics := publishers(t, edge, l, func() {
				for range rounds(t) {
					l.awaitAcks(t, 1+rand.IntN(200))
					if c.edge {
						edge.kill()
					}
					if c.centre {
						centre.kill()
						centre.begin()
					}
					if c.consumer {
						reader.kill()
						if c.centre { // after a restart the router does not mark events as redelivered
							reader.left()
						}
						reader.begin()
					}
					if c.edge {
						edge.begin()
					}
				}
				l.awaitAcks(t, 10)
			})
			reader.arrives(topics)
		})
	}
}

// A consumer that subscribes long after the events have arrived at the centre gets all of them: those from before the centre was
// killed, those from while it was away, and those from after.
func TestDurableConsumerIsLate(t *testing.T) {
	list := tiers(t, "sync = \"5ms\"\nmin_free = 0", "edge", "centre")
	edge, centre := list[0], list[1]
	centre.durable = true
	centre.begin()
	edge.begin()
	defer edge.stop()
	defer func() { centre.stop() }()
	const topic = "crash.durable.x"
	c := edge.join()
	n := int64(0)
	publish := func(more int) {
		t.Helper()
		for range more {
			n++
			if err := edge.publish(c, topic, n); err != nil {
				t.Fatal(err)
			}
		}
	}
	empty := func() {
		t.Helper()
		kit.Eventually(t, "the centre has all", func() bool { return edge.queue(c).events == 0 })
	}
	publish(50)
	empty()
	centre.kill()
	publish(50)
	centre.begin()
	empty() // there is no consumer
	publish(50)
	empty()
	centre.kill()
	centre.begin()
	l := newLedger()
	reader := &consumer{T: t, ledger: l, at: centre, below: edge, had: make(map[wamp.ID]bool)}
	reader.begin()
	defer reader.kill()
	arrived := func() []int64 {
		l.mu.Lock()
		defer l.mu.Unlock()
		return slices.Clone(l.seen[topic])
	}
	kit.Eventually(t, "all events arrive", func() bool { return len(arrived()) >= int(n) })
	if got := arrived(); !slices.Equal(got, to(n)) {
		t.Errorf("%d events came of %d: %v", len(got), n, got)
	}
}

// If the disk of the centre is full, a waiting publisher gets an error, and all other traffic continues. A consumer
// that never returns does not fill the disk.
func TestDurableFullDisk(t *testing.T) {
	r := tiers(t, "", "alone")[0]
	r.durable = true
	r.limit = "64" // blocks of 512 bytes, per file
	r.begin()
	defer func() { r.stop() }()
	c := r.join()
	heard := make(chan int64, 10_000)
	if _, err := c.Subscribe(t.Context(), "crash.x", client.SubscribeOptions{}, func(e *client.Event) { heard <- e.Args()[0].(int64) }); err != nil {
		t.Fatal(err)
	}
	publisher := r.join()
	var stored []int64
	for n := int64(1); n <= 100; n++ {
		err := publisher.Publish(t.Context(), "crash.x", client.PublishOptions{Acknowledge: true}, client.Args(n, string(make([]byte, 1000))))
		if err == nil {
			stored = append(stored, n)
		}
		if got := kit.Receive(t, "the live event", heard); got != n {
			t.Fatalf("%d came, expected %d", got, n)
		}
	}
	if len(stored) < 5 || len(stored) > 90 {
		t.Fatalf("%d events were stored", len(stored))
	}
	r.kill()
	r.limit = ""
	r.begin()
	var mu sync.Mutex
	var got []int64
	gaps := 0
	reader := r.join()
	_, err := reader.SubscribeDurable(t.Context(), "crash.", client.SubscribeOptions{Match: wamp.Prefix}, client.Durable{Name: "archive"}, func(e *client.Event) error {
		mu.Lock()
		defer mu.Unlock()
		if _, _, ok := e.Gap(); ok {
			gaps++
		} else {
			got = append(got, e.Args()[0].(int64))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	kit.Eventually(t, "the stored events arrive", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(got) >= len(stored)
	})
	mu.Lock()
	defer mu.Unlock()
	for _, n := range stored {
		if !slices.Contains(got, n) {
			t.Errorf("event %d was acknowledged, and is missing", n)
		}
	}
	if !slices.IsSorted(got) {
		t.Errorf("the events are not in order: %v", got)
	}
}
