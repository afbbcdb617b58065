package wamp

import (
	"errors"
	"testing"

	"runnel/edge/wamp"
)

// A refused meta topic makes the watch stop relying on events, and its acceptance makes it list again.
func TestInbox(t *testing.T) {
	b := newInbox()
	woken := func() bool {
		select {
		case <-b.wake:
			return true
		default:
			return false
		}
	}
	if b.isRefused() || b.takeLost() || woken() {
		t.Error("a new inbox has something to say")
	}
	if b.setRefused(errors.New("refused")); !b.isRefused() || b.takeLost() || !woken() {
		t.Error("a refusal")
	}
	if b.setRefused(nil); b.isRefused() || !woken() || !b.takeLost() || b.takeLost() {
		t.Error("an acceptance means, once, that events were missed")
	}
	for n := range maxMetaEvents + 1 {
		if b.takeLost() {
			t.Fatalf("an event is lost after %d", n)
		}
		b.add(metaEvent{id: wamp.ID(n)})
	}
	if events := b.take(); !b.takeLost() || len(events) != maxMetaEvents || len(b.take()) != 0 {
		t.Errorf("%d events", len(events))
	}
}
