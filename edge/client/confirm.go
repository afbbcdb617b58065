package client

import (
	"context"
	"sync/atomic"

	"runnel/edge/codec"
	"runnel/edge/wamp"
)

// A confirming subscriber (SubscribeOptions.Confirm) takes responsibility for events. A publisher that requests an
// acknowledgement gets it once the subscriber has confirmed the event, or gets the subscriber's error. The router marks
// such EVENTs with the detail _confirm. The client answers them with EVENT_RECEIVED, or with ERROR for EVENT. The
// router accepts SUBSCRIBE.Options._confirm only from sessions of its own process. Other routers never mark an EVENT.

// Confirm reports that the event was handled or, with an error, that it was not. The publisher receives an *Error or a
// wamp.Failure as it is, and any other error as "wamp.error.runtime_error" with its text. Any goroutine may call Confirm, also
// after the handler has returned. It does not block, and only the first call for an event takes effect. It has no effect if the
// subscription was made without Confirm, if the publisher requested no acknowledgement, or if the session has ended.
func (e *Event) Confirm(err error) {
	if e.vote != nil && !e.vote.cast.Swap(true) {
		e.vote.on.resolve(err)
	}
}

// vote is one handler's part in a confirmation.
type vote struct {
	on   *confirmation
	cast atomic.Bool
}

// confirmation is the answer to one EVENT. It is sent when all confirming handlers of the subscription have voted.
type confirmation struct {
	session     *session
	publication wamp.ID
	outstanding atomic.Int32 // missing votes, plus one until deliver has returned
}

func (s *session) newConfirmation(m *codec.Message) *confirmation {
	c := &confirmation{session: s, publication: m.Publication}
	c.outstanding.Store(1)
	return c
}

// afterRefusal is the number of outstanding votes after an error. Votes of later handlers do not make it positive.
const afterRefusal = -1 << 30

// resolve takes one vote. The first error is the answer.
func (c *confirmation) resolve(err error) {
	if err != nil {
		if c.outstanding.Swap(afterRefusal) > 0 {
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
		m.Dict, m.Payload = codec.Dict{}, codec.Payload{} // the error was too large, or could not be encoded
		c.send(&m)
	}
}

// send does not wait for room: the router limits the number of events that wait for confirmation.
func (c *confirmation) send(m *outbound) error {
	return c.session.out.send(context.Background(), m, control)
}

// deliver calls the handlers of the subscription. Each gets its own Event, because it may keep the Event to call Confirm later.
func (c *confirmation) deliver(ev Event, subscriptions []*Subscription) {
	handled := false
	for _, sub := range subscriptions {
		if sub.closed() {
			continue
		}
		handled = true
		own := ev
		own.Subscription = sub
		if sub.confirms {
			c.outstanding.Add(1)
			own.vote = &vote{on: c}
		}
		sub.handler(&own)
	}
	c.resolve(c.unhandled(handled, ev.Details))
}

// unhandled returns the answer to an event whose subscription may have just ended. It refuses an unhandled event of a
// durable subscription, so that the event stays at the router.
func (c *confirmation) unhandled(handled bool, details codec.Dict) error {
	if durable := field(details, wamp.KeyPosition); !handled && len(durable.Raw) > 0 {
		return errNotHandled
	}
	return nil
}
