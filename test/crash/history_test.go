package crash

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"runnel/edge/client"
	"runnel/edge/wamp"
)

const history = `
  [[realm.history]]
  uri = "crash."
  match = "prefix"
  events = 1000000
  max_size = "64MiB"
`

// past returns the numbers of the events in the router's history, by topic.
func (r *tier) past() map[string][]int64 {
	r.Helper()
	c := r.join()
	defer c.Close(r.Context())
	call := func(procedure string, p client.Payload) []any {
		result, err := c.Call(r.Context(), procedure, client.CallOptions{}, p)
		if err != nil {
			r.Fatal(procedure, err)
		}
		return result.Args()
	}
	sub := call("wamp.subscription.lookup", client.Args("crash.", map[string]any{"match": "prefix"}))[0]
	found, after := make(map[string][]int64), map[string]any{"limit": 1000}
	for {
		list := call("wamp.subscription.get_events", client.Payload{Args: []any{sub}, Kwargs: after})
		for _, one := range list {
			event := one.(map[string]any)
			topic := event["details"].(map[string]any)["topic"].(string)
			found[topic] = append(found[topic], event["args"].([]any)[0].(int64))
			after["after_publication"] = event["publication"]
		}
		if len(list) == 0 {
			return found
		}
	}
}

// A router is killed at any moment. A durable subscription and a history keep the same topics. After each restart, the
// history has all acknowledged events once and in order, although it writes no files of its own.
func TestHistory(t *testing.T) {
	r := tiers(t, "", "centre")[0]
	r.durable = true
	r.grants = func(configuration string) string { return configuration + history }
	r.begin()
	defer r.stop()
	consumer := r.join()
	_, err := consumer.SubscribeDurable(t.Context(), "crash.", client.SubscribeOptions{Match: wamp.Prefix, Persist: true},
		client.Durable{Name: "archive"}, func(*client.Event) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	l := newLedger()
	check := func() {
		t.Helper()
		l.mu.Lock()
		acked := maps.Clone(l.acked)
		l.mu.Unlock()
		found := r.past()
		for topic, want := range acked {
			got := found[topic]
			if !slices.IsSorted(got) || len(slices.Compact(slices.Clone(got))) != len(got) {
				t.Errorf("%s: not in order, or not once: %v", topic, got)
			}
			for _, n := range want {
				if _, ok := slices.BinarySearch(got, n); !ok {
					t.Errorf("%s: %d was acknowledged, and is not in the history", topic, n)
				}
			}
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	var work sync.WaitGroup
	defer work.Wait()
	defer cancel()
	for i := range 4 {
		topic, c := fmt.Sprintf("crash.durable.%d", i), r.join()
		work.Go(func() { l.publish(ctx, c, topic) })
	}
	for range rounds(t) {
		l.awaitAcks(t, 1+rand.IntN(100))
		r.kill()
		r.begin()
		check()
	}
	l.awaitAcks(t, 10)
	cancel()
	work.Wait()
	check()
	t.Log(l)
	own := filepath.Join(r.data(), "realm", "realm1", "history")
	if _, err := os.Stat(filepath.Join(own, "..", "durable", "log")); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(own); !os.IsNotExist(err) {
		t.Errorf("the history has files of its own: %v", err)
	}
}
