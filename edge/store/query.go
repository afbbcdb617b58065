package store

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"runnel/edge/codec"
	"runnel/edge/wamp"
)

// Query selects events of a history by the arguments of wamp.subscription.get_events
// (advanced/pubsub_event_history.md). The zero value selects all events.
type Query struct {
	Limit int // 0: none

	reverse                    bool
	topic                      string // "": all
	from, after, before, until time.Time
	publication                struct{ from, after, before, until wamp.ID }
}

// Read reads the keyword arguments. keyword returns one of them, or an empty value. Unknown arguments are ignored.
func (q *Query) Read(keyword func(key string) codec.Value) error {
	for _, a := range []struct {
		key  string
		want string
		read func(v codec.Value) bool
	}{
		{"reverse", "a bool", func(v codec.Value) (ok bool) { q.reverse, ok = v.Bool(); return ok }},
		{"limit", "a positive integer", func(v codec.Value) bool { return ReadLimit(v, &q.Limit) }},
		{"topic", "a URI", func(v codec.Value) bool {
			text, ok := v.Text()
			q.topic = string(text)
			return ok && wamp.ValidURI(q.topic, wamp.Exact, false)
		}},
		{"from_time", wantTime, func(v codec.Value) bool { return readTime(v, &q.from) }},
		{"after_time", wantTime, func(v codec.Value) bool { return readTime(v, &q.after) }},
		{"before_time", wantTime, func(v codec.Value) bool { return readTime(v, &q.before) }},
		{"until_time", wantTime, func(v codec.Value) bool { return readTime(v, &q.until) }},
		{"from_publication", wantID, func(v codec.Value) bool { return readID(v, &q.publication.from) }},
		{"after_publication", wantID, func(v codec.Value) bool { return readID(v, &q.publication.after) }},
		{"before_publication", wantID, func(v codec.Value) bool { return readID(v, &q.publication.before) }},
		{"until_publication", wantID, func(v codec.Value) bool { return readID(v, &q.publication.until) }},
	} {
		if v := keyword(a.key); len(v.Raw) > 0 && !a.read(v) {
			return fmt.Errorf("argument %q must be %s", a.key, a.want)
		}
	}
	return nil
}

const (
	wantTime = "a time as in RFC 3339"
	wantID   = "a publication id"
)

// ReadLimit reads a positive number.
func ReadLimit(v codec.Value, into *int) bool {
	n, ok := v.Uint()
	*into = int(min(n, 1<<30))
	return ok && n > 0
}

func readTime(v codec.Value, into *time.Time) bool {
	text, _ := v.Text()
	t, err := time.Parse(time.RFC3339, strings.ToUpper(string(text))) // RFC 3339 allows "t" and "z" in lower case
	*into = t
	return err == nil
}

func readID(v codec.Value, into *wamp.ID) bool {
	id, ok := v.Uint()
	*into = wamp.ID(id)
	return ok && wamp.ValidID(id)
}

// Choose returns the events that the query selects and the caller may receive. It modifies the list.
func (q *Query) Choose(events []*PastEvent, mayHave func(*PastEvent) bool) []*PastEvent {
	events = q.between(events)
	events = slices.DeleteFunc(events, func(e *PastEvent) bool { return !q.admits(e) || !mayHave(e) })
	if q.reverse {
		slices.Reverse(events)
	}
	if q.Limit > 0 && len(events) > q.Limit {
		events = events[:q.Limit]
	}
	return events
}

// between returns the events between the publications that the query names.
func (q *Query) between(events []*PastEvent) []*PastEvent {
	start, end := 0, len(events)
	for _, bound := range []struct {
		id    wamp.ID
		apply func(at int)
	}{
		{q.publication.from, func(at int) { start = max(start, at) }},
		{q.publication.after, func(at int) { start = max(start, at+1) }},
		{q.publication.before, func(at int) { end = min(end, at) }},
		{q.publication.until, func(at int) { end = min(end, at+1) }},
	} {
		if bound.id == 0 {
			continue
		}
		at := slices.IndexFunc(events, func(e *PastEvent) bool { return e.ID == bound.id })
		if at < 0 {
			return nil
		}
		bound.apply(at)
	}
	return events[start:max(start, end)]
}

// admits reports whether e has the topic and the time that the query asks for.
func (q *Query) admits(e *PastEvent) bool {
	t := e.Occurred()
	return (q.topic == "" || string(e.Topic) == q.topic) &&
		(q.from.IsZero() || !t.Before(q.from)) &&
		(q.after.IsZero() || t.After(q.after)) &&
		(q.before.IsZero() || t.Before(q.before)) &&
		(q.until.IsZero() || !t.After(q.until))
}
