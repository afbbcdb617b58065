package wamp

import (
	"testing"

	"runnel/edge/wamp"
	"runnel/uplink"
)

// An event that several subscriptions of a rule bring crosses once, as long as it is among the last ones.
func TestRecent(t *testing.T) {
	r := &rule{Rule: uplink.Rule{Topic: "com.a"}}
	r.subscribed.Store(1)
	for range 2 {
		if !r.first(7) {
			t.Error("one subscription brings an event once")
		}
	}
	r.subscribed.Store(2)
	for id := wamp.ID(1); id <= recentEvents; id++ {
		if !r.first(id) || r.first(id) {
			t.Fatalf("event %d", id)
		}
	}
	r.subscribed.Store(1) // the last events of the other subscription may still arrive
	if r.first(1) || r.first(recentEvents) || !r.first(recentEvents+1) || !r.first(1) {
		t.Error("the last events are not remembered, or older ones are")
	}
	for range 2 {
		if !r.first(0) {
			t.Error("an event without an id is taken for a repeat")
		}
	}
}
