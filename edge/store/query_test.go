package store

import (
	"strings"
	"testing"
	"time"

	"runnel/edge/codec"
	"runnel/edge/wamp"
)

// query reads the keyword arguments.
func query(t *testing.T, arguments map[string]any) (q Query, err error) {
	t.Helper()
	dict, failure := codec.NewDict(wamp.CBOR, arguments)
	if failure != nil {
		t.Fatal(failure)
	}
	return q, q.Read(func(key string) (v codec.Value) {
		for f := dict.Fields(); f.Next(); {
			if string(f.Key()) == key {
				v = f.Value()
			}
		}
		return v
	})
}

// TestQuery asks for some of five events, a to e. They occur at intervals of a second; c has a topic of its own.
func TestQuery(t *testing.T) {
	begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	at := func(seconds int) string { return begin.Add(time.Duration(seconds) * time.Second).Format(time.RFC3339) }
	for _, c := range []struct {
		name      string
		arguments map[string]any
		want      string
	}{
		{"all", nil, "a b c d e"},
		{"limit", map[string]any{"limit": 2}, "a b"},
		{"limit of all", map[string]any{"limit": 5}, "a b c d e"},
		{"limit in reverse", map[string]any{"limit": 2, "reverse": true}, "e d"},
		{"topic", map[string]any{"topic": "com.other"}, "c"},
		{"from time", map[string]any{"from_time": at(3)}, "d e"},
		{"after time", map[string]any{"after_time": at(3)}, "e"},
		{"before time", map[string]any{"before_time": at(1)}, "a"},
		{"until time", map[string]any{"until_time": at(1)}, "a b"},
		{"time in lower case", map[string]any{"from_time": strings.ToLower(at(4))}, "e"},
		{"from publication", map[string]any{"from_publication": 4}, "d e"},
		{"after publication", map[string]any{"after_publication": 4}, "e"},
		{"before publication", map[string]any{"before_publication": 2}, "a"},
		{"until publication", map[string]any{"until_publication": 2}, "a b"},
		{"between publications", map[string]any{"after_publication": 1, "before_publication": 4}, "b c"},
		{"the same publication", map[string]any{"from_publication": 3, "until_publication": 3}, "c"},
		{"no range", map[string]any{"after_publication": 4, "before_publication": 2}, ""},
		{"unknown publication", map[string]any{"from_publication": 9}, ""},
		{"several", map[string]any{"topic": "com.a", "from_time": at(1), "until_publication": 4}, "b d"},
		{"unknown argument", map[string]any{"colour": 1}, "a b c d e"},
	} {
		q, err := query(t, c.arguments)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		var events []*PastEvent
		for i := range 5 {
			e := &Event{ID: wamp.ID(i + 1), Topic: []byte("com.a")}
			if i == 2 {
				e.Topic = []byte("com.other")
			}
			events = append(events, RestorePast(e, begin.Add(time.Duration(i)*time.Second), time.Time{}))
		}
		var got []string
		for _, e := range q.Choose(events, func(*PastEvent) bool { return true }) {
			got = append(got, string(rune('a'+e.ID-1)))
		}
		if list := strings.Join(got, " "); list != c.want {
			t.Errorf("%s: %q, want %q", c.name, list, c.want)
		}
	}
}

// TestLimitCountsAllowedEvents: events that the caller may not have do not use up the limit.
func TestLimitCountsAllowedEvents(t *testing.T) {
	var events []*PastEvent
	for id := range wamp.ID(6) {
		events = append(events, RestorePast(&Event{ID: id, Topic: []byte("com.a")}, time.Now(), time.Time{}))
	}
	q := Query{Limit: 2}
	got := q.Choose(events, func(e *PastEvent) bool { return e.ID%2 == 1 })
	if len(got) != 2 || got[0].ID != 1 || got[1].ID != 3 {
		t.Errorf("%v", got)
	}
}

func TestInvalidQuery(t *testing.T) {
	for _, c := range []struct {
		key     string
		invalid []any
		want    string
	}{
		{"reverse", []any{1, "true"}, "a bool"},
		{"limit", []any{0, -1, "1", 1.5}, "a positive integer"},
		{"topic", []any{1, "", "com..a", "com.#"}, "a URI"},
		{"from_time", []any{1, "", "yesterday"}, wantTime},
		{"after_time", []any{"2026-01-01"}, wantTime},
		{"before_time", []any{"2026-01-01 00:00:00"}, wantTime},
		{"until_time", []any{"2026-01-01T00:00:00"}, wantTime},
		{"from_publication", []any{0, -1, "1", 1<<53 + 1}, wantID},
		{"after_publication", []any{0}, wantID},
		{"before_publication", []any{0}, wantID},
		{"until_publication", []any{0}, wantID},
	} {
		for _, v := range c.invalid {
			if _, err := query(t, map[string]any{c.key: v}); err == nil || !strings.Contains(err.Error(), c.key) || !strings.HasSuffix(err.Error(), c.want) {
				t.Errorf("%s %v: %v", c.key, v, err)
			}
		}
	}
}
