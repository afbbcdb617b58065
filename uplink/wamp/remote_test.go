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

// The link is on the move until the next session begins, or an attempt at it fails.
func TestRemotesOnTheMove(t *testing.T) {
	ended := errors.New("read: closed")
	for _, c := range []struct {
		name string
		then func(r *remotes)
	}{
		{"joined", func(r *remotes) { r.joined() }},
		{"failed", (*remotes).failed},
	} {
		r := remotes{list: []Remote{{URL: "tcp://a"}, {URL: "tcp://b"}}, at: 1}
		if better := r.better(); r.moving() || r.endCause(ended) != ended || len(better) != 1 || better[0].URL != "tcp://a" {
			t.Errorf("on the second route: moving %v, %v, preferred %v", r.moving(), r.endCause(ended), better)
		}
		r.list[0].Dial = func(context.Context) (client.Conn, error) {
			if !r.moving() {
				t.Error("not on the move while the preferred route is dialled")
			}
			return nil, nil
		}
		r.moveTo(0)
		if err := r.endCause(ended); !r.moving() || err.Error() != "going back to tcp://a" {
			t.Errorf("%v, moving %v", err, r.moving())
		}
		r.dial(t.Context())
		if c.then(&r); r.moving() || r.endCause(ended) != ended {
			t.Errorf("%s: still on the move", c.name)
		}
	}
}
