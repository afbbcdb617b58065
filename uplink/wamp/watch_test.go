package wamp

import (
	"context"
	"log/slog"
	"testing"

	"runnel/edge/wamp"
)

// Of more than can be followed nothing is known: what was left out is not to pass for what nobody wants.
func TestMoreThanCanBeFollowed(t *testing.T) {
	for _, more := range []bool{false, true} {
		w := &watch{
			side: &side{log: slog.New(slog.DiscardHandler)}, census: subscriptions, known: known, whole: true,
			patterns: []wamp.Pattern{{URI: "com.", Match: wamp.Prefix}}, items: make(map[wamp.ID]*item),
		}
		n := maxItems
		if more {
			n++
		}
		for id := range n {
			w.news = append(w.news, news{what: subscriptions.created, details: map[string]any{"id": int64(id + 1), "uri": "com.x", "match": "exact"}})
		}
		want := known
		if more {
			want = denied
		}
		if w.digest(context.Background()); w.known != want {
			t.Errorf("with %d subscriptions the knowledge is %d, want %d", n, w.known, want)
		}
	}
}
