package wamp

import (
	"context"
	"log/slog"
	"testing"

	"runnel/edge/wamp"
)

// If a router has more items than the watch can follow, the interest is unknown: an omitted item must not seem
// unwanted.
func TestMoreThanCanBeFollowed(t *testing.T) {
	for _, more := range []bool{false, true} {
		patterns := []wamp.Pattern{{URI: "com.", Match: wamp.Prefix}}
		w := &watch{
			side: &side{log: slog.New(slog.DiscardHandler)}, census: subscriptions, inbox: newInbox(), knowledge: known,
			catalog: newCatalog(subscriptions, patterns, false),
		}
		w.catalog.complete = true
		n := maxItems
		if more {
			n++
		}
		for id := range n {
			w.inbox.events = append(w.inbox.events, metaEvent{topic: subscriptions.created, details: map[string]any{"id": int64(id + 1), "uri": "com.x", "match": "exact"}})
		}
		want := known
		if more {
			want = denied
		}
		if w.update(context.Background()); w.knowledge != want {
			t.Errorf("with %d subscriptions the knowledge is %d, want %d", n, w.knowledge, want)
		}
	}
}
