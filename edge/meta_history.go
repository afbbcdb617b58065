package edge

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"runnel/edge/auth"
	"runnel/edge/codec"
	"runnel/edge/store"
	"runnel/edge/wamp"
)

// wamp.subscription.get_events(subscription, limit) returns the events of a history, each as one positional result: a dict
// of timestamp, subscription, publication, details, args and kwargs (advanced/pubsub_event_history.md). The keyword
// arguments are those of that section. The router decides the questions that the section leaves open:
//
//   - limit may also be positional, as in Crossbar.io. The keyword argument takes precedence.
//   - If a *_publication is not in the history, or no longer, it has no place in the order, and the result is empty.
//   - limit is applied last: it counts the events that the caller gets. Without reverse these are the oldest.
//   - A subscription without a history has no events.
//   - A caller gets only events that it might have received, by authid, authrole and its permission to subscribe to the
//     topic. The publisher gets its own events, whatever exclude_me was, because exclude_me is about sessions.
//   - If the result is too long for one message, the call fails, and the error says so. The caller can use limit.
//   - Times have a precision of one millisecond, like timestamp. Events are in order even if the clock was set back.

// pastQuery holds the keyword arguments of get_events.
type pastQuery struct {
	reverse                    bool
	limit                      int    // 0: none
	topic                      string // "": all
	from, after, before, until time.Time
	publication                struct{ from, after, before, until wamp.ID }
}

func (c *metaCall) subscriptionGetEvents() ([]any, error) {
	sub, err := c.subscription()
	if err != nil {
		return nil, err
	}
	// The caller needs the permissions of a subscriber.
	grant, err := c.caller.permittedPattern(c.turn, question{auth.Subscribe, sub.match, sub.uri}, codec.Dict{})
	if err != nil {
		return nil, err
	}
	place := &seat{session: c.caller}
	place.guarded.Store(grant.partly)
	place.granted.Store(grant.asked)
	query, err := c.readPastQuery()
	if v := c.arg(1); err == nil && isGiven(v) && query.limit == 0 && !readLimit(v, &query.limit) {
		err = refusal{wamp.InvalidArgument, "argument 2, the limit, must be a positive integer"}
	}
	if err != nil || sub.history == nil {
		return nil, err
	}
	mayHave := func(e *store.PastEvent) bool {
		return c.caller.admittedBy(e.Filter) && (!place.guarded.Load() || place.sees(e.Topic))
	}
	return c.pastEvents(sub, query.choose(sub.history.All(), mayHave))
}

// readPastQuery reads the keyword arguments. Unknown arguments and null are ignored.
func (c *metaCall) readPastQuery() (q pastQuery, err error) {
	for _, a := range []struct {
		key  string
		want string
		read func(v codec.Value) bool
	}{
		{"reverse", "a bool", func(v codec.Value) (ok bool) { q.reverse, ok = v.Bool(); return ok }},
		{"limit", "a positive integer", func(v codec.Value) bool { return readLimit(v, &q.limit) }},
		{"topic", "a URI", func(v codec.Value) (ok bool) {
			q.topic, ok = textOf(v)
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
		if v := c.keyword(a.key); isGiven(v) && !a.read(v) {
			return q, refusal{wamp.InvalidArgument, fmt.Sprintf("argument %q must be %s", a.key, a.want)}
		}
	}
	return q, nil
}

const (
	wantTime = "a time as in RFC 3339"
	wantID   = "a publication id"
)

func readLimit(v codec.Value, into *int) bool {
	n, ok := v.Uint()
	*into = int(min(n, 1<<30))
	return ok && n > 0
}

func readTime(v codec.Value, into *time.Time) bool {
	text, _ := textOf(v)
	t, err := time.Parse(time.RFC3339, strings.ToUpper(text)) // RFC 3339 allows "t" and "z" in lower case
	*into = t
	return err == nil
}

func readID(v codec.Value, into *wamp.ID) (ok bool) {
	*into, ok = idOf(v)
	return ok
}

// choose returns the events that the query asks for and the caller may have. It modifies the list.
func (q *pastQuery) choose(events []*store.PastEvent, mayHave func(*store.PastEvent) bool) []*store.PastEvent {
	events = q.between(events)
	events = slices.DeleteFunc(events, func(e *store.PastEvent) bool { return !q.admits(e) || !mayHave(e) })
	if q.reverse {
		slices.Reverse(events)
	}
	if q.limit > 0 && len(events) > q.limit {
		events = events[:q.limit]
	}
	return events
}

// between returns the events between the publications that the query names.
func (q *pastQuery) between(events []*store.PastEvent) []*store.PastEvent {
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
		at := slices.IndexFunc(events, func(e *store.PastEvent) bool { return e.ID == bound.id })
		if at < 0 {
			return nil
		}
		bound.apply(at)
	}
	return events[start:max(start, end)]
}

// admits reports whether e has the topic and the time that the query asks for.
func (q *pastQuery) admits(e *store.PastEvent) bool {
	t := e.Occurred()
	return (q.topic == "" || string(e.Topic) == q.topic) &&
		(q.from.IsZero() || !t.Before(q.from)) &&
		(q.after.IsZero() || t.After(q.after)) &&
		(q.before.IsZero() || t.Before(q.before)) &&
		(q.until.IsZero() || !t.After(q.until))
}

// resultHead is the maximum length of a RESULT beside its events, in bytes.
const resultHead = 64

// pastEvents encodes the events for the caller. They must fit into a message that the caller accepts. Several events must
// also fit into three quarters of what an outbox may hold; otherwise the answer would end the caller's session.
func (c *metaCall) pastEvents(sub *subscription, events []*store.PastEvent) ([]any, error) {
	s := c.caller
	limit := s.conn.Transport().Limit
	list := make([]any, 0, len(events))
	total := resultHead
	for _, e := range events {
		raw, err := c.pastEvent(sub, e)
		if err != nil {
			return nil, refusal{wamp.InvalidArgument, err.Error()}
		}
		total += len(raw) + 1
		if limit > 0 && total > limit || len(list) > 0 && total > s.out.hard/4*3 {
			return nil, refusal{wamp.PayloadSizeExceeded, fmt.Sprintf(
				"%d events are too long for one message; %d of them fit: ask for fewer with the argument \"limit\"", len(events), len(list))}
		}
		list = append(list, codec.Value{Serializer: s.serializer, Raw: raw})
	}
	return list, nil
}

// pastEvent encodes one event for the caller.
func (c *metaCall) pastEvent(sub *subscription, e *store.PastEvent) ([]byte, error) {
	args, kwargs, err := e.Payload.Split()
	if err != nil {
		return nil, err
	}
	event := map[string]any{
		"timestamp":    timestamp(e.At),
		"subscription": sub.id,
		"publication":  e.ID,
		"details":      c.turn.eventDetails(c.caller.serializer, sub, e.Current(), false),
		"args":         []any{},
		"kwargs":       map[string]any{},
	}
	if args.Raw != nil {
		event["args"] = args
	}
	if kwargs.Raw != nil {
		event["kwargs"] = kwargs
	}
	return codec.AppendValue(nil, c.caller.serializer, event)
}
