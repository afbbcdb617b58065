package client

import (
	"context"
	"sync/atomic"

	"runnel/edge/codec"
	"runnel/edge/wamp"
)

// A confirming subscriber (SubscribeOptions.Confirm) takes responsibility for events: a publisher that asked for an
// acknowledgement gets it when the subscriber has confirmed, or hears why it has not. The router marks the EVENTs that it
// waits for with the detail _confirm; they are answered with EVENT_RECEIVED, or with ERROR for EVENT. The router heeds
// SUBSCRIBE.Options._confirm for sessions of its own process only; of another router nothing is ever confirmed.

// Confirm says that the event is taken care of or, with an error, that it can't be: the publisher gets it as *Error or
// wamp.Failure, any other as "wamp.error.runtime_error" with its text. It may be called after the handler has returned
// and by any goroutine; the first call for an event counts. It does not wait. It does nothing where nobody waits for it:
// the subscription was not made with Confirm, the publisher asked for no acknowledgement, or the session has ended.
func (e *Event) Confirm(err error) {
	if e.vote != nil && !e.vote.cast.Swap(true) {
		e.vote.on.resolve(err)
	}
}

// vote is one handler's part of a confirmation.
type vote struct {
	on   *confirmation
	cast atomic.Bool
}

// confirmation is the answer to one EVENT, once all the confirming handlers of its subscription have spoken.
type confirmation struct {
	session     *session
	publication wamp.ID
	outstanding atomic.Int32 // who has not spoken; from the beginning one for deliver itself
}

func (s *session) newConfirmation(m *codec.Message) *confirmation {
	c := &confirmation{session: s, publication: m.Publication}
	c.outstanding.Store(1)
	return c
}

// say takes one of those who have to speak. The first error is the answer.
func (c *confirmation) resolve(err error) {
	if err != nil {
		if c.outstanding.Swap(0) > 0 {
			c.refuse(asError(err))
		}
		return
	}
	for {
		left := c.outstanding.Load()
		if left <= 0 {
			return
		}
		if c.outstanding.CompareAndSwap(left, left-1) {
			if left == 1 {
				c.send(&outbound{Message: codec.Message{Type: wamp.EventReceived, ID: c.publication}})
			}
			return
		}
	}
}

func (c *confirmation) refuse(e *Error) {
	m := outbound{text: e.URI, Message: codec.Message{
		Type: wamp.Error, ErrorType: wamp.Event, Request: c.publication, Dict: e.Details, Payload: e.Payload,
	}}
	if c.send(&m) != nil {
		m.Dict, m.Payload = codec.Dict{}, codec.Payload{} // it was too large, or could not be encoded
		c.send(&m)
	}
}

// send does not wait for room: what can gather is bounded by what the router waits for.
func (c *confirmation) send(m *outbound) error {
	return c.session.out.send(context.Background(), m, control)
}

// handOver gives an event that the router waits for to the handlers of its subscription. Each gets an Event of its own,
// for Confirm may be called when this one is long handled.
func (c *confirmation) deliver(ev Event, subscriptions []*Subscription) {
	for _, sub := range subscriptions {
		if sub.closed() {
			continue
		}
		own := ev
		own.Subscription = sub
		if sub.confirms {
			c.outstanding.Add(1)
			own.vote = &vote{on: c}
		}
		sub.handler(&own)
	}
	c.resolve(nil)
}
