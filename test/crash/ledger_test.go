package crash

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	"runnel/edge/client"
	"runnel/test/kit"
)

// ledger records which events were acknowledged to publishers, and which ones the subscriber received.
type ledger struct {
	mu     sync.Mutex
	acked  map[string][]int64        // by topic: events whose PUBLISHED arrived
	seen   map[string][]int64        // by topic, in the order of arrival
	late   map[string]map[int64]bool // by topic: events that may arrive after newer ones
	acks   int
	notice chan struct{} // closed and replaced by each acknowledgement
}

func newLedger() *ledger {
	return &ledger{acked: make(map[string][]int64), seen: make(map[string][]int64), late: make(map[string]map[int64]bool), notice: make(chan struct{})}
}

// watch subscribes to all topics.
func (l *ledger) watch(t *testing.T, c *client.Client) {
	t.Helper()
	_, err := c.Subscribe(t.Context(), "crash.", client.SubscribeOptions{Match: 1}, func(e *client.Event) {
		n, _ := e.Args()[0].(int64)
		l.receive(e.Topic(), n, false)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// publish publishes 1, 2, 3 ... to a topic, one at a time, until ctx is done. A failed event is not published again,
// because it may have been routed.
func (l *ledger) publish(ctx context.Context, c *client.Client, topic string) {
	for n := int64(1); ctx.Err() == nil; n++ {
		err := c.Publish(ctx, topic, client.PublishOptions{Acknowledge: true}, client.Args(n, "some more, as there is in life"))
		if err != nil {
			c.WaitUp(ctx)
			continue
		}
		l.acknowledge(topic, n)
	}
}

// acknowledge records that an event was acknowledged.
func (l *ledger) acknowledge(topic string, n int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.acked[topic] = append(l.acked[topic], n)
	l.acks++
	close(l.notice)
	l.notice = make(chan struct{})
}

// awaitAcks waits until the given number of further events have been acknowledged.
func (l *ledger) awaitAcks(t *testing.T, more int) {
	t.Helper()
	l.mu.Lock()
	want := l.acks + more
	l.mu.Unlock()
	l.awaitTotal(t, want)
}

// awaitTotal waits until the given number of events have been acknowledged since the beginning.
func (l *ledger) awaitTotal(t *testing.T, want int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), kit.Patience)
	defer cancel()
	for {
		l.mu.Lock()
		notice, acks := l.notice, l.acks
		l.mu.Unlock()
		if acks >= want {
			return
		}
		select {
		case <-notice:
		case <-ctx.Done():
			t.Fatalf("%d of %d events are acknowledged", acks, want)
		}
	}
}

// missing returns the events of a topic that were acknowledged and not received.
func (l *ledger) missing(topic string) (list []int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	seen := make(map[int64]bool)
	for _, n := range l.seen[topic] {
		seen[n] = true
	}
	for _, n := range l.acked[topic] {
		if !seen[n] {
			list = append(list, n)
		}
	}
	return list
}

// receive records that an event has arrived. A late event may arrive after newer ones.
func (l *ledger) receive(topic string, n int64, late bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seen[topic] = append(l.seen[topic], n)
	if !late {
		return
	}
	if l.late[topic] == nil {
		l.late[topic] = make(map[int64]bool)
	}
	l.late[topic][n] = true
}

// check verifies the order, and returns the number of duplicates; of these topics only, if there are any.
func (l *ledger) check(t *testing.T, topics ...string) (repeats int) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for topic, list := range l.seen {
		seen := make(map[int64]bool)
		last := int64(0)
		for i, n := range list {
			if seen[n] {
				if len(topics) == 0 || slices.Contains(topics, topic) {
					repeats++
				}
				continue
			}
			seen[n] = true
			if n < last && !l.late[topic][n] {
				t.Errorf("%s: %d came after %d: %v", topic, n, last, list[max(0, i-10):min(len(list), i+10)])
			}
			last = max(last, n)
		}
	}
	return repeats
}

func (l *ledger) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	text := ""
	for topic, list := range l.acked {
		text += fmt.Sprintf("%s: %d acknowledged, %d came; ", topic, len(list), len(l.seen[topic]))
	}
	return text
}
