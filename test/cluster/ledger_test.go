package cluster

import (
	"context"
	"fmt"
	"sort"
	"sync"
	"testing"

	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/test/kit"
)

// ledger records the durable events that were acknowledged to their publishers, and the events that have reached each
// centre.
type ledger struct {
	mu    sync.Mutex
	acked map[string][]int64            // by topic
	seen  map[string]map[string][]int64 // by centre and topic, in the order of arrival
	had   map[string]map[wamp.ID]bool   // publications by centre
	acks  int
	more  chan struct{} // closed and replaced by each acknowledgement
}

func newLedger() *ledger {
	return &ledger{acked: map[string][]int64{}, seen: map[string]map[string][]int64{}, had: map[string]map[wamp.ID]bool{}, more: make(chan struct{})}
}

// read consumes the durable subscription of a centre. An event that is delivered again is the same publication.
func (l *ledger) read(t *testing.T, c *router) {
	t.Helper()
	l.seen[c.name], l.had[c.name] = map[string][]int64{}, map[wamp.ID]bool{}
	how := client.SubscribeOptions{Match: wamp.Prefix, Persist: true}
	_, err := c.client.SubscribeDurable(t.Context(), "cluster.durable.", how, client.Durable{Name: "ledger", Window: 64}, func(e *client.Event) error {
		l.mu.Lock()
		defer l.mu.Unlock()
		if _, reason, ok := e.Gap(); ok {
			t.Errorf("%s: a gap: %s", c.name, reason)
			return nil
		}
		if l.had[c.name][e.Publication] {
			return nil
		}
		l.had[c.name][e.Publication] = true
		n, _ := e.Args()[0].(int64)
		l.seen[c.name][e.Topic()] = append(l.seen[c.name][e.Topic()], n)
		return nil
	})
	kit.Must(t, err)
}

// publish publishes 1, 2, 3 ... to a topic, one at a time, until ctx is done.
func (l *ledger) publish(ctx context.Context, t *testing.T, c *client.Client, topic string) {
	for n := int64(1); ctx.Err() == nil; n++ {
		err := c.Publish(ctx, topic, client.PublishOptions{Acknowledge: true}, client.Args(n, "some more, as there is in life"))
		switch {
		case err == nil:
			l.mu.Lock()
			l.acked[topic] = append(l.acked[topic], n)
			l.acks++
			close(l.more)
			l.more = make(chan struct{})
			l.mu.Unlock()
		case ctx.Err() == nil:
			t.Errorf("%s: %v", topic, err) // the gateway has a spool, and is never killed
			return
		}
	}
}

// has reports whether all centres have had an event of a topic.
func (l *ledger) has(topic string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, seen := range l.seen {
		if len(seen[topic]) == 0 {
			return false
		}
	}
	return true
}

// String returns how many events each centre has had.
func (l *ledger) String() (text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for centre, seen := range l.seen {
		for topic, list := range seen {
			text += fmt.Sprintf("%s: %d of %s; ", centre, len(list), topic)
		}
	}
	return text
}

// await waits until further events were acknowledged.
func (l *ledger) await(t *testing.T, more int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), kit.Patience)
	defer cancel()
	l.mu.Lock()
	want := l.acks + more
	l.mu.Unlock()
	for {
		l.mu.Lock()
		acks, next := l.acks, l.more
		l.mu.Unlock()
		if acks >= want {
			return
		}
		select {
		case <-next:
		case <-ctx.Done():
			t.Fatalf("%d of %d events are acknowledged", acks, want)
		}
	}
}

// sent returns how many events of each topic are acknowledged.
func (l *ledger) sent() map[string]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	sent := map[string]int{}
	for topic, acked := range l.acked {
		sent[topic] = len(acked)
	}
	return sent
}

// missing describes the first acknowledged events that each centre lacks; "": none.
func (l *ledger) missing(sent map[string]int) (text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for centre, seen := range l.seen {
		for topic, acked := range l.acked {
			acked = acked[:sent[topic]]
			has := map[int64]bool{}
			for _, n := range seen[topic] {
				has[n] = true
			}
			var lacks []int64
			for _, n := range acked {
				if !has[n] {
					lacks = append(lacks, n)
				}
			}
			if len(lacks) > 0 {
				text += fmt.Sprintf("%s has %d of %d of %s, without %v; ", centre, len(has), len(acked), topic, lacks[:min(len(lacks), 10)])
			}
		}
	}
	return text
}

// check reports repeated events, and returns the number of events that arrived after a newer one of their publisher.
func (l *ledger) check(t *testing.T) (late int) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for centre, topics := range l.seen {
		for topic, list := range topics {
			if l.acked[topic] == nil {
				continue // see warm
			}
			last := int64(0)
			for _, n := range list {
				if n < last {
					late++
				}
				last = max(last, n)
			}
			sorted := append([]int64{}, list...)
			sort.Slice(sorted, func(i, j int) bool { return sorted[i] < sorted[j] })
			for i := range sorted[:max(len(sorted)-1, 0)] {
				if sorted[i] == sorted[i+1] {
					t.Errorf("%s: event %d of %s came twice", centre, sorted[i], topic)
				}
			}
		}
	}
	return late
}
