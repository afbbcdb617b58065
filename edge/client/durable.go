package client

import (
	"context"
	"errors"
	"maps"
	"time"

	"runnel/edge/wamp"
)

// Durable makes a subscription durable: the router keeps its events while the client is not connected. It works with Runnel
// only. Other routers ignore the option, and the subscription is an ordinary one.
type Durable struct {
	Name    string        // identifies the subscription, together with the client's authid
	From    string        // where a new one begins: "now" (default), "all", a time as in RFC 3339, or a publication id
	Window  int           // how many events may be sent and not acknowledged; 0: the router's default
	AckWait time.Duration // after which an unacknowledged event is delivered again; 0: the router's default

	// MaxAge makes the router drop events that are older. Event.TTL then returns the time that is left. nil: no change; 0:
	// no limit.
	MaxAge *time.Duration

	// Dropped is called when an operator has dropped the subscription, with ErrDropped. The subscription then has ended, and
	// the client does not create it again. nil: the client logs it. It must not call methods that wait for the client.
	Dropped func(error)

	// Renew makes the client create the subscription again if an operator has dropped it. Dropped is not called.
	Renew bool

	// Origin makes the router send Event.Origin. An event that the client rejects delays the later ones.
	Origin bool
}

// ErrDropped means that an operator has dropped the durable subscription at the router, which has ended it.
var ErrDropped = errors.New("the durable subscription was dropped at the router")

// SubscribeDurable subscribes to the events of a durable subscription. The client acknowledges an event when handle returns
// nil. After an error it refuses the event, and the router delivers it again after a while, to this client or another one
// that consumes under the same name. The same happens to events that were not acknowledged when the session ended. So handle
// may get an event twice: Event.Redelivered reports that, and Event.Publication is the same.
func (c *Client) SubscribeDurable(
	ctx context.Context, topic string, o SubscribeOptions, d Durable, handle func(*Event) error,
) (*Subscription, error) {
	return c.SubscribeConfirming(ctx, topic, o, d, func(e *Event) { e.Confirm(handle(e)) })
}

// SubscribeConfirming is SubscribeDurable for a handler that calls Event.Confirm itself, perhaps after it has returned.
func (c *Client) SubscribeConfirming(
	ctx context.Context, topic string, o SubscribeOptions, d Durable, handle func(*Event),
) (*Subscription, error) {
	if d.Name == "" {
		return nil, errors.New("subscribe: a durable subscription needs a name")
	}
	o.Extra = maps.Clone(o.Extra)
	if o.Extra == nil {
		o.Extra = make(map[string]any)
	}
	o.Extra[wamp.KeyDurable] = d.Name
	if d.From != "" {
		o.Extra[wamp.KeyFrom] = d.From
	}
	if d.Window > 0 {
		o.Extra[wamp.KeyWindow] = d.Window
	}
	if d.AckWait > 0 {
		o.Extra[wamp.KeyAckWait] = max(d.AckWait.Milliseconds(), 1)
	}
	if d.MaxAge != nil {
		o.Extra[wamp.KeyMaxAge] = d.MaxAge.Milliseconds()
	}
	if d.Origin {
		o.Extra[wamp.KeyOrigin] = true
	}
	if o.dropped = d.Dropped; d.Renew {
		o.dropped = nil
	} else if o.dropped == nil {
		o.dropped = func(err error) {
			c.opts.Log.Error("durable subscription ended", "uri", topic, "subscription", d.Name, "err", err)
		}
	}
	o.Confirm = true
	return c.Subscribe(ctx, topic, o, handle)
}

// Redelivered reports whether an event of a durable subscription was delivered before.
func (e *Event) Redelivered() bool { return e.flag("redelivered") }

// Gap returns the number of events of a durable subscription that were dropped at this point; 0: unknown. The reason is
// size, count, age, permission, disk or damage. ok is false if this is an event and not a gap.
func (e *Event) Gap() (events uint64, reason string, ok bool) {
	gap, ok := field(e.Details, wamp.KeyGap).Dict()
	if !ok {
		return 0, "", false
	}
	for f := gap.Fields(); f.Next(); {
		switch string(f.Key()) {
		case "events":
			events, _ = f.Value().Uint()
		case "reason":
			text, _ := f.Value().Text()
			reason = string(text)
		}
	}
	return events, reason, true
}
