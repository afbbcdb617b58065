package wamp

import (
	"context"
	"errors"
	"testing"

	"runnel/edge/client"
)

func TestRemotesAreTriedInOrder(t *testing.T) {
	var r remotes
	for _, url := range []string{"tcp://a", "tcp://b", "tcp://c"} {
		r.list = append(r.list, Remote{URL: url, Dial: func(context.Context) (client.Conn, error) { return nil, errors.New(url) }})
	}
	attempt := func(want string) {
		t.Helper()
		if _, err := r.dial(t.Context()); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	attempt("tcp://a")
	attempt("tcp://b")
	if url := r.joined(); url != "tcp://b" {
		t.Errorf("joined by %s", url)
	}
	for _, url := range []string{"tcp://a", "tcp://b", "tcp://c", "tcp://a"} {
		attempt(url)
	}
}
