package wamp

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/uplink/spool"
)

// The publisher of an event for which the spool has no room is to retry.
func TestPublisherError(t *testing.T) {
	broken := errors.New("broken")
	for _, c := range []struct {
		err  error
		want error
	}{
		{nil, nil},
		{spool.ErrFull, wamp.Unavailable},
		{fmt.Errorf("put: %w", spool.ErrClosed), wamp.Unavailable},
		{broken, broken},
	} {
		if got := publisherError(c.err); !errors.Is(got, c.want) {
			t.Errorf("%v: %v", c.err, got)
		}
	}
}

// Each event carries its own way to the centre, whatever the way of the event before it.
func TestCrossingKeepsTheWay(t *testing.T) {
	l, _ := newTestLink(t)
	a, b := client.Hop{Node: "a", Tag: "1"}, client.Hop{Node: "b", Session: 5, Authid: "link", Authrole: "edge"}
	for i, way := range [][]client.Hop{{a}, {a}, {b}, {a, b}, {b}, {a}} {
		if got := publishOptions(l.crossing(&client.Body{}, way)).ForwardFor; !slices.Equal(got, way) {
			t.Errorf("event %d has come by %v, the centre is told %v", i, way, got)
		}
	}
}

// The details of an event with the same way as the previous one are not encoded again.
func TestCrossingIsKept(t *testing.T) {
	l, _ := newTestLink(t)
	body, way := new(client.Body), []client.Hop{{Node: "a"}}
	if n := testing.AllocsPerRun(100, func() { l.crossing(body, way) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
