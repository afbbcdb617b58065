package store

import (
	"fmt"
	"log/slog"
	"testing"

	"runnel/edge/codec"
	"runnel/edge/filter"
	"runnel/edge/wamp"
)

// A scan for a pattern finds the right topics. The names are sorted again only after topics were added or removed.
func TestRetainedNames(t *testing.T) {
	r := NewRetained(1<<20, slog.New(slog.DiscardHandler), nil)
	put := func(topic string, items int) {
		e := Event{Topic: []byte(topic)}
		e.Payload.Items = items
		if _, ok := r.keep(&e); !ok {
			t.Fatalf("%s is not kept", topic)
		}
	}
	for _, topic := range []string{"com.b", "com.a", "co", "org", "com.a.x", "con"} {
		put(topic, 1)
	}
	for _, c := range []struct {
		match wamp.Match
		uri   string
		want  string
	}{
		{wamp.Prefix, "com.", "[com.a com.a.x com.b]"},
		{wamp.Prefix, "", "[co com.a com.a.x com.b con org]"},
		{wamp.Prefix, "p", "[]"},
		{wamp.Wildcard, "com.", "[com.a com.b]"},
		{wamp.Exact, "com.a", "[com.a]"},
	} {
		if got := fmt.Sprint(r.Matching(c.match, c.uri)); got != c.want {
			t.Errorf("%v %q matches %s, want %s", c.match, c.uri, got, c.want)
		}
	}
	before := r.names()
	put("com.a", 2)
	if after := r.names(); &after[0] != &before[0] {
		t.Error("the names are sorted again though they are the same")
	}
	put("com.a", 0)
	put("com.c", 1)
	if got := fmt.Sprint(r.names()); got != "[co com.a.x com.b com.c con org]" {
		t.Errorf("the names are %s", got)
	}
}

// A topic keeps the latest event for all, and a few that lists restrict.
func TestRestrictedEventsAreBounded(t *testing.T) {
	r := NewRetained(1<<20, slog.New(slog.DiscardHandler), nil)
	options, err := codec.NewDict(wamp.JSON, map[string]any{"eligible": []any{}})
	if err != nil {
		t.Fatal(err)
	}
	restricted, err := filter.Read(options)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 * maxRestricted {
		e := Event{ID: wamp.ID(i + 1), Topic: []byte("com.a"), Payload: codec.Payload{Items: 1}}
		if i > 0 {
			e.Filter = restricted
		}
		r.Keep(&e)
	}
	list := r.topics["com.a"]
	if len(list) != maxRestricted+1 || list[0].ID != 1 || list[len(list)-1].ID != 3*maxRestricted {
		t.Errorf("%d events are kept for one topic", len(list))
	}
}
