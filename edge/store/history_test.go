package store

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"runnel/edge/budget"
	"runnel/edge/codec"
	"runnel/edge/wamp"
)

var discard = slog.New(slog.DiscardHandler)

// past makes an event with a payload of n bytes.
func past(id wamp.ID, n int) *PastEvent {
	return NewPastEvent(&Event{ID: id, Topic: []byte("com.a"), Payload: codec.Payload{Items: 1, Raw: make([]byte, n)}})
}

func idsOf(h *History) string {
	var ids []wamp.ID
	for _, e := range h.All() {
		ids = append(ids, e.ID)
	}
	return fmt.Sprint(ids)
}

func TestHistoryBounds(t *testing.T) {
	cost := past(1, 100).size
	for _, c := range []struct {
		rule Rule
		want string
	}{
		{Rule{URI: "com.a"}, "[1 2 3 4 5]"},
		{Rule{URI: "com.a", Events: 2}, "[4 5]"},
		{Rule{URI: "com.a", Octets: 3 * cost}, "[3 4 5]"},
		{Rule{URI: "com.a", Octets: 3*cost - 1}, "[4 5]"},
		{Rule{URI: "com.a", Octets: cost}, "[5]"},
		{Rule{URI: "com.a", Octets: cost - 1}, "[]"},
	} {
		h := NewHistory(c.rule, discard, nil)
		for id := range 5 {
			h.Record(past(wamp.ID(id+1), 100), 0)
		}
		bytes := h.Bytes()
		if got := idsOf(h); got != c.want || bytes != len(h.All())*cost {
			t.Errorf("%+v: %s, %d bytes; want %s", c.rule, got, bytes, c.want)
		}
	}
}

func TestHistoryAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHistory(Rule{URI: "com.a", Age: time.Minute}, discard, nil)
		h.Record(past(1, 0), 0)
		time.Sleep(time.Minute)
		h.Record(past(2, 0), 0)
		if got := idsOf(h); got != "[1 2]" {
			t.Error(got)
		}
		time.Sleep(time.Millisecond)
		if got := idsOf(h); got != "[2]" {
			t.Error(got)
		}
		h.SetBounds(Rule{URI: "com.a", Age: time.Second})
		time.Sleep(time.Second)
		if got := idsOf(h); got != "[]" || h.Bytes() != 0 {
			t.Error(got)
		}
	})
}

// An event that is longer than the limit of all events is not kept, and does not displace others. That is logged once.
func TestTooLong(t *testing.T) {
	var log bytes.Buffer
	h := NewHistory(Rule{URI: "com.a", Octets: 3000}, slog.New(slog.NewTextHandler(&log, nil)), nil)
	h.Record(past(1, 0), 0)
	for range 3 {
		h.Record(past(2, 3000), 0)
	}
	if got := idsOf(h); got != "[1]" || strings.Count(log.String(), "\n") != 1 {
		t.Errorf("%s, %s", got, &log)
	}
	h.SetBounds(Rule{URI: "com.a", Octets: 3100})
	h.Record(past(3, 3000), 0)
	if strings.Count(log.String(), "\n") != 2 {
		t.Errorf("after other bounds: %s", &log)
	}
}

// An event that is as long as the limit of all events is kept, whether it is new or comes from the log. A longer one is not.
func TestLongest(t *testing.T) {
	one := NewHistory(Rule{URI: "com.a"}, discard, nil)
	one.Record(past(1, 2000), 0)
	for short, want := range []string{"[1]", "[]"} {
		for what, add := range map[string]func(*History){
			"new": func(h *History) { h.Record(past(1, 2000), 0) }, "from the log": func(h *History) { h.Restore(past(1, 2000), 1) },
		} {
			h := NewHistory(Rule{URI: "com.a", Octets: one.Bytes() - short}, discard, nil)
			if add(h); idsOf(h) != want {
				t.Errorf("%s, %d bytes short: %s, not %s", what, short, idsOf(h), want)
			}
		}
	}
}

// Without memory the oldest events make room. Their memory is given back.
func TestHistoryWithoutMemory(t *testing.T) {
	memory := budget.New(1<<20, discard)
	h := NewHistory(Rule{URI: "com.a", Events: 1e6, Octets: 1 << 30}, discard, memory)
	kept := 0
	for id := range 2000 {
		h.Record(past(wamp.ID(id+1), 1000), 0)
		kept = max(kept, len(h.All()))
	}
	events := h.All()
	if n := len(events); n == 0 || n == 2000 || n != kept || events[n-1].ID != 2000 {
		t.Errorf("%d events are kept, at most %d", n, kept)
	}
	h.Drop()
	h.Record(past(1, 0), 0) // has no effect
	if len(h.All()) != 0 || h.Bytes() != 0 || !memory.Keep(budget.Histories, 1<<19) {
		t.Error("a history that was dropped still uses memory")
	}
}

func TestCheckRules(t *testing.T) {
	for _, rules := range [][]Rule{
		{{URI: "com..a"}}, {{URI: ""}}, {{URI: "com.a"}, {URI: "com.a", Events: 3}}, {{URI: "com.a", Events: -1}},
		{{URI: "com.a", Octets: -1}}, {{URI: "com.a", Age: -1}},
	} {
		if CheckRules(rules, false) == nil {
			t.Errorf("%+v: no error", rules)
		}
	}
	rules := []Rule{{URI: "com.A"}, {URI: "com.A", Match: wamp.Prefix}, {URI: "com..a", Match: wamp.Wildcard}}
	if err := CheckRules(rules, false); err != nil {
		t.Error(err)
	}
	if CheckRules(rules, true) == nil {
		t.Error("a strict realm accepts capitals")
	}
}

func TestIsFor(t *testing.T) {
	h := NewHistory(Rule{URI: "com.a"}, discard, nil)
	for _, c := range []struct {
		rule Rule
		want bool
	}{
		{Rule{URI: "com.a", Events: 7}, true}, {Rule{URI: "com.b"}, false}, {Rule{URI: "com.a", Match: wamp.Prefix}, false}, {Rule{Match: wamp.Wildcard}, false},
	} {
		if h.IsFor(c.rule) != c.want {
			t.Errorf("%+v: %v", c.rule, !c.want)
		}
	}
}

// A kept event shares no memory with its message.
func TestEventsAreCopied(t *testing.T) {
	message := []byte("com.a payload")
	e := &Event{ID: 1, Topic: message[:5], Payload: codec.Payload{Items: 1, Raw: message[6:]}}
	kept := NewPastEvent(e)
	r := NewRetained(1<<20, discard, nil)
	r.Keep(e)
	copy(message, "xxxxxxxxxxxxx")
	late := r.Latest("com.a", func(*Event) bool { return true })
	if string(kept.Topic) != "com.a" || string(kept.Payload.Raw) != "payload" || late == nil || string(late.Payload.Raw) != "payload" {
		t.Errorf("%+v, %+v", kept, late)
	}
}

// Retained events beyond the limit are not kept. The first time that is logged, and again after the limit was raised.
func TestRetainedLimit(t *testing.T) {
	var log bytes.Buffer
	memory := budget.New(1<<20, discard)
	r := NewRetained(3000, slog.New(slog.NewTextHandler(&log, nil)), memory)
	event := func(i int) *Event {
		return &Event{Topic: fmt.Appendf(nil, "com.%d", i), Payload: codec.Payload{Items: 1, Raw: make([]byte, 400)}}
	}
	for i := range 10 {
		r.Keep(event(i))
	}
	if topics, bytes := r.Size(); topics != 3 || bytes > 3000 || strings.Count(log.String(), "\n") != 1 {
		t.Errorf("%d topics with %d bytes, log: %s", topics, bytes, &log)
	}
	r.SetLimit(3000)
	r.Keep(event(9))
	if strings.Count(log.String(), "\n") != 1 {
		t.Errorf("the same limit again is logged: %s", &log)
	}
	r.Keep(event(0)) // in place of the old one
	r.Keep(&Event{Topic: []byte("com.1")})
	r.SetLimit(4000)
	for i := range 10 {
		r.Keep(event(i))
	}
	if topics, _ := r.Size(); topics != 4 || strings.Count(log.String(), "\n") != 2 {
		t.Errorf("%d topics, log: %s", topics, &log)
	}
	r.Drop()
	if topics, bytes := r.Size(); topics != 0 || bytes != 0 || len(r.Matching(wamp.Prefix, "")) != 0 {
		t.Errorf("after Drop: %d topics, %d bytes", topics, bytes)
	}
}

// An event that just fits is kept.
func TestRetainedLimitIsReached(t *testing.T) {
	e := &Event{Topic: []byte("com.a"), Payload: codec.Payload{Items: 1, Raw: make([]byte, 400)}}
	for limit, want := range map[int]int{e.size(): 1, e.size() - 1: 0} {
		r := NewRetained(limit, discard, nil)
		r.Keep(e)
		if topics, _ := r.Size(); topics != want {
			t.Errorf("limit %d for an event of %d bytes: %d topics", limit, e.size(), topics)
		}
	}
}

// A record without memory for it is not restored. It clears its topic: the event before it is outdated.
func TestRestoreWithoutMemory(t *testing.T) {
	r := NewRetained(1<<30, discard, budget.New(1<<20, discard))
	list := func(n int) []*retained { return []*retained{{Event: past(1, n).Event, size: n}} }
	if !r.restore("com.a", list(1000)) || !r.restore("com.b", list(1000)) {
		t.Fatal("there is memory")
	}
	if r.restore("com.a", list(4<<20)) {
		t.Error("an event is restored without memory")
	}
	if topics, bytes := r.Size(); topics != 1 || bytes != 1000 {
		t.Errorf("%d topics with %d bytes", topics, bytes)
	}
}
