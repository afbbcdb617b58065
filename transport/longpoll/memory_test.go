package longpoll

import (
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"runnel/edge/budget"
)

// limited serves with a memory limit. used returns the bytes that are charged for a use.
func limited(t *testing.T, limit int64) (r *router, used func(kind string) int64) {
	t.Helper()
	memory := budget.New(limit, slog.New(slog.DiscardHandler))
	return serve(t, Options{Memory: memory}), func(kind string) int64 { return memory.Status().Use[kind] }
}

// TestMemory: a transport is charged for itself and for long messages in both directions, while it holds them.
func TestMemory(t *testing.T) {
	r, used := limited(t, 1<<30)
	c, path := r.open(t, "wamp.2.json")
	charged := func(kind string, want bool) {
		t.Helper()
		if n := used(kind); n > 0 != want {
			t.Errorf("%d bytes are charged for %s", n, kind)
		}
	}
	charged("connections", true)
	long := strings.Repeat("x", 300_000)
	r.want(t, path+"send", long, http.StatusNoContent, "")
	charged("reading", true)
	hear(t, c, long, false)
	r.want(t, path+"send", "[1]", http.StatusNoContent, "")
	hear(t, c, "[1]", false)
	charged("reading", false)

	say(t, c, long)
	charged("outboxes", true)
	if status, answer := r.post(t, path+"receive", ""); status != http.StatusOK || answer != long {
		t.Errorf("answered with %d, %d bytes", status, len(answer))
	}
	charged("outboxes", false)

	r.want(t, path+"send", long, http.StatusNoContent, "")
	say(t, c, long)
	c.Close()
	r.want(t, path+"close", "", http.StatusNoContent, "")
	done(t, c)
	for _, kind := range []string{"connections", "reading", "outboxes"} {
		charged(kind, false)
	}
}

// TestNoMemory: without memory no transport is opened, and no long body is read.
func TestNoMemory(t *testing.T) {
	r, _ := limited(t, connCost-1)
	for range maxNewOfConn + 1 { // no attempt leaves anything behind
		r.want(t, "open", ask, http.StatusServiceUnavailable, "no memory for more connections")
	}
	if n := r.Len(); n != 0 {
		t.Errorf("%d transports are left", n)
	}

	r, used := limited(t, 200<<10)
	_, path := r.open(t, "wamp.2.json")
	if status, answer := r.post(t, path+"send", strings.Repeat("x", 300_000)); status == http.StatusNoContent || !strings.Contains(answer, "memory") {
		t.Errorf("answered with %d %s", status, answer)
	}
	if n := used("reading"); n != 0 {
		t.Errorf("%d bytes are charged", n)
	}
}
