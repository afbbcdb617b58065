package client

import (
	"context"
	"maps"
	"slices"

	"runnel/edge/codec"
	"runnel/edge/wamp"
)

// SubscribeOptions say how to subscribe to a topic.
type SubscribeOptions struct {
	Match       wamp.Match
	GetRetained bool           // also deliver the topic's retained event
	Confirm     bool           // acknowledge events to their publishers by Event.Confirm
	Extra       map[string]any // further fields of SUBSCRIBE.Options

	// Persist makes Subscribe return at once, connected or not. The client subscribes as soon as it can, and retries
	// after a refusal. Without Persist, Subscribe returns the first refusal as its error.
	Persist bool

	// Refused is called when the router refuses or revokes a subscription that the client retries: one with Persist, or
	// after a reconnect. The same refusal is reported once. Refused(nil) means that the router has accepted. Refused
	// must not wait for the client. If it is nil, the client logs both.
	Refused func(error)

	dropped func(error) // see Durable.Dropped; nil: the client subscribes again
}

// Subscription is a subscribed topic, from Subscribe to Unsubscribe, across any number of sessions.
type Subscription struct {
	endpointBase
	handler  func(*Event)
	confirms bool
}

// Subscribe subscribes to a topic and returns when the router has accepted. For calls of handle see the package comment.
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
			client: c, pattern: pattern{topic, o.Match}, options: options, messages: subscription, refused: o.Refused, dropped: o.dropped,
		},
		handler: handle, confirms: o.Confirm,
	}
	if err := c.establish(ctx, sub, o.Persist); err != nil {
		return nil, err
	}
	return sub, nil
}

// Unsubscribe ends the subscription. After it returns, handle is not called again; a running call may continue.
func (s *Subscription) Unsubscribe(ctx context.Context) error { return s.client.closeEndpoint(ctx, s) }

// Topic returns the subscribed topic or pattern.
func (s *Subscription) Topic() string { return s.pattern.uri }

// Match returns how Topic is matched.
func (s *Subscription) Match() wamp.Match { return s.pattern.match }

func (s *Subscription) addTo(in *session) {
	if list := in.subscriptions[s.id]; !slices.Contains(list, s) {
		in.subscriptions[s.id] = append(slices.Clip(list), s)
	}
}

// removeFrom reports that the router must be told if this was the session's last subscription to the topic: to the
// router, a session subscribes to a topic only once.
func (s *Subscription) removeFrom(in *session) (tell bool) {
	rest := slices.DeleteFunc(slices.Clone(in.subscriptions[s.id]), func(other *Subscription) bool { return other == s })
	if len(rest) > 0 {
		in.subscriptions[s.id] = rest
		return false
	}
	delete(in.subscriptions, s.id)
	return in.subscribing[s.pattern] == 0
}

// event queues an EVENT for the handlers of its subscription. Events of a subscription that has just ended are ignored.
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
		c := s.newConfirmation(m)
		c.resolve(c.unhandled(false, m.Dict))
	}
}

// Event is a received event. The Event and its bytes are valid until the handler returns.
type Event struct {
	Body
	Subscription *Subscription
	Publication  wamp.ID
	More         bool // further events wait for their handlers

	vote *vote // nil: Confirm has no effect
}

// Topic returns the topic of the event. It differs from the subscribed one if that is a pattern.
func (e *Event) Topic() string {
	if topic := e.text("topic"); topic != "" {
		return topic
	}
	return e.Subscription.pattern.uri
}

// Retained reports whether this is the topic's retained event, and not a new one.
func (e *Event) Retained() bool { return e.flag("retained") }

// Publisher returns the publisher's session id; 0 if it was not disclosed.
func (e *Event) Publisher() wamp.ID { return e.sessionID("publisher") }

// PublisherAuthid returns the publisher's authid; "" if it was not disclosed.
func (e *Event) PublisherAuthid() string { return e.text("publisher_authid") }

// PublisherAuthrole returns the publisher's role; "" if it was not disclosed.
func (e *Event) PublisherAuthrole() string { return e.text("publisher_authrole") }

// Clone returns a copy that the application may keep.
func (e *Event) Clone() *Event {
	clone := *e
	clone.Body = e.Body.Clone()
	return &clone
}
