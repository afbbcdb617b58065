package client

import (
	"context"
	"maps"
	"slices"

	"runnel/edge/codec"
	"runnel/edge/wamp"
)

// SubscribeOptions say what to subscribe to and how.
type SubscribeOptions struct {
	Match       wamp.Match
	GetRetained bool           // also deliver the event that the router retains for the topic
	Confirm     bool           // publishers that want to know hear of their event when Event.Confirm was called, not before
	Extra       map[string]any // further fields of SUBSCRIBE.Options

	// Persist makes Subscribe return at once, connected or not: the client subscribes when it can, and tries again what
	// is refused. Without it a first refusal is Subscribe's error.
	Persist bool

	// Refused is called when the router refuses a subscription that the client keeps trying to make: with Persist, or
	// after a reconnect; a refusal like the one before is not reported again. It is called with nil when the router has
	// agreed after all. It must not wait for the client. By default both are logged.
	Refused func(error)
}

// Subscription is interest in a topic, from Subscribe to Unsubscribe, over any number of sessions.
type Subscription struct {
	endpointBase
	handler  func(*Event)
	confirms bool
}

// Subscribe asks for a topic's events and returns when the router has agreed. The package's comment says how handle is
// called.
func (c *Client) Subscribe(
	ctx context.Context, topic string, o SubscribeOptions, handle func(*Event),
) (*Subscription, error) {
	options := maps.Clone(o.Extra)
	if options == nil {
		options = make(map[string]any)
	}
	if o.Match != wamp.Exact {
		options["match"] = o.Match.String()
	}
	if o.GetRetained {
		options["get_retained"] = true
	}
	if o.Confirm {
		options[wamp.KeyConfirm] = true
		c.confirming.Store(true)
	}
	sub := &Subscription{
		endpointBase: endpointBase{
			client: c, pattern: pattern{topic, o.Match}, options: options, messages: subscription, refused: o.Refused,
		},
		handler: handle, confirms: o.Confirm,
	}
	if err := c.establish(ctx, sub, o.Persist); err != nil {
		return nil, err
	}
	return sub, nil
}

// Unsubscribe ends the subscription. The handler is not called after it has returned, unless it runs already.
func (s *Subscription) Unsubscribe(ctx context.Context) error { return s.client.end(ctx, s) }

// Topic returns the topic or pattern subscribed to.
func (s *Subscription) Topic() string { return s.pattern.uri }

// Match returns how Topic is matched.
func (s *Subscription) Match() wamp.Match { return s.pattern.match }

func (s *Subscription) addTo(in *session) {
	if list := in.subscriptions[s.id]; !slices.Contains(list, s) {
		in.subscriptions[s.id] = append(slices.Clip(list), s)
	}
}

// leave says that the router is to be told only when nobody else here is interested: it counts the subscriptions of a
// session to the same topic as one.
func (s *Subscription) removeFrom(in *session) (tell bool) {
	rest := slices.DeleteFunc(slices.Clone(in.subscriptions[s.id]), func(other *Subscription) bool { return other == s })
	if len(rest) > 0 {
		in.subscriptions[s.id] = rest
		return false
	}
	delete(in.subscriptions, s.id)
	return in.subscribing[s.pattern] == 0
}

// event queues an EVENT for the handlers of its subscription. One that is just being ended has none any more.
func (s *session) event(m *codec.Message) {
	s.client.mu.Lock()
	list := s.subscriptions[m.ID]
	s.client.mu.Unlock()
	waiting := false
	if s.client.confirming.Load() {
		waiting, _ = field(m.Dict, wamp.KeyConfirm).Bool()
	}
	switch {
	case len(list) > 0:
		var c *confirmation
		if waiting {
			c = s.newConfirmation(m)
		}
		s.client.events.put(list, s.out.serializer, m, c)
	case waiting:
		s.newConfirmation(m).resolve(nil)
	}
}

// Event is an event as a handler gets it. It and its bytes are the handler's until that returns.
type Event struct {
	Body
	Subscription *Subscription
	Publication  wamp.ID
	More         bool // further events are waiting for their handlers

	vote *vote // nil: Confirm has nothing to say
}

// Topic returns the topic published to, which for a pattern is not the one subscribed to.
func (e *Event) Topic() string {
	if topic := e.text("topic"); topic != "" {
		return topic
	}
	return e.Subscription.pattern.uri
}

// Retained reports whether the event is not new but the one that the router keeps for the topic.
func (e *Event) Retained() bool { return e.flag("retained") }

// Publisher returns the publisher's session; 0 if it was not disclosed.
func (e *Event) Publisher() wamp.ID { return e.sessionID("publisher") }

// PublisherAuthid returns the publisher's authid; "" if it was not disclosed.
func (e *Event) PublisherAuthid() string { return e.text("publisher_authid") }

// PublisherAuthrole returns the publisher's role; "" if it was not disclosed.
func (e *Event) PublisherAuthrole() string { return e.text("publisher_authrole") }

// Clone returns a copy that may be kept.
func (e *Event) Clone() *Event {
	clone := *e
	clone.Body = e.Body.Clone()
	return &clone
}
