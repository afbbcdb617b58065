package wamp

import (
	"errors"
	"math"
	"reflect"
	"testing"

	"runnel/edge/client"
	"runnel/edge/codec"
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

// A meta event names a session, and an item by its id or by its details. Fewer arguments are no meta event; an id that is none is 0.
func TestReceiveMetaEvents(t *testing.T) {
	for _, c := range []struct {
		args []any
		want []metaEvent
	}{
		{[]any{7, 8}, []metaEvent{{topic: "t", session: 7, id: 8}}},
		{[]any{7, map[string]any{"id": 9, "uri": "a"}}, []metaEvent{{topic: "t", session: 7, id: 9, details: map[string]any{"id": int64(9), "uri": "a"}}}},
		{[]any{uint64(math.MaxUint64), -1, 5}, []metaEvent{{topic: "t", session: math.MaxUint64}}},
		{[]any{"7", nil}, []metaEvent{{topic: "t"}}},
		{[]any{7}, nil},
		{nil, nil},
	} {
		p, err := codec.NewPayload(wamp.JSON, c.args, nil)
		if err != nil {
			t.Fatal(err)
		}
		b := newInbox()
		b.receive("t", &client.Event{Body: client.Body{Payload: p}})
		if got := b.take(); !reflect.DeepEqual(got, c.want) || (len(b.wake) > 0) != (c.want != nil) {
			t.Errorf("%v: %+v", c.args, got)
		}
	}
}
