package edge

import (
	"fmt"

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
	if v := c.arg(1); err == nil && isGiven(v) && query.Limit == 0 && !store.ReadLimit(v, &query.Limit) {
		err = refusal{wamp.InvalidArgument, "argument 2, the limit, must be a positive integer"}
	}
	if err != nil || sub.history == nil {
		return nil, err
	}
	mayHave := func(e *store.PastEvent) bool {
		return c.caller.admittedBy(e.Filter) && (!place.guarded.Load() || place.mayReceiveTopic(e.Topic))
	}
	return c.pastEvents(sub, query.Choose(sub.history.All(), mayHave))
}

// readPastQuery reads the keyword arguments.
func (c *metaCall) readPastQuery() (q store.Query, err error) {
	if err := q.Read(c.keyword); err != nil {
		return q, refusal{wamp.InvalidArgument, err.Error()}
	}
	return q, nil
}

// resultHead is the maximum length of a RESULT beside its events, in bytes.
const resultHead = 64

// pastEvents encodes the events for the caller. They must fit into a message that the caller accepts. Several events
// must also fit into three quarters of an outbox; otherwise the answer would end the caller's session.
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
