package client

import (
	"context"
	"fmt"
	"slices"
	"time"

	"runnel/edge/codec"
	"runnel/edge/wamp"
)

// Each new session starts without subscriptions and registrations. The goroutine that runs the session establishes the
// client's endpoints in one batch, and then retries those that the router refused or revoked.

// revokeEndpoints handles UNSUBSCRIBED and UNREGISTERED that no request asked for: the router has revoked an endpoint
// (advanced/pubsub_subscription_revocation.md, advanced/rpc_registration_revocation.md). The client requests it again
// after a pause, as it does after a refusal. A durable subscription that an operator has dropped ends.
func (s *session) revokeEndpoints(m *codec.Message) {
	kind := subscription
	if m.Type == wamp.Unregistered {
		kind = registration
	}
	id, _ := field(m.Dict, kind.name).Uint()
	reason, _ := field(m.Dict, "reason").Text()
	drops := string(reason) == wamp.ReasonDropped
	err := fmt.Errorf("revoked by the router: %s", reason)
	for _, e := range s.loseEndpoints(kind, id, drops) {
		if b := e.base(); b.closed() {
			b.dropped(ErrDropped)
		} else {
			s.client.report(e, err)
		}
	}
	wake(s.client.revoked)
}

// loseEndpoints takes the endpoints with a revoked id off the session. Several subscriptions may share one id. If the router drops
// them, those that do not want to be requested again end.
func (s *session) loseEndpoints(kind *messages, id wamp.ID, drops bool) (lost []endpoint) {
	c := s.client
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range c.endpoints {
		if b := e.base(); b.messages == kind && b.in(established) && b.id == id {
			e.removeFrom(s)
			b.reset()
			if drops && b.dropped != nil {
				b.close()
			}
			lost = append(lost, e)
		}
	}
	c.endpoints = slices.DeleteFunc(c.endpoints, func(e endpoint) bool { return e.base().in(ended) })
	if kind == registration {
		delete(s.registrations, id)
	}
	return lost
}

// restore requests every endpoint that the router does not have, in one batch. It reports whether the router refused any.
func (c *Client) restore(ctx context.Context, s *session) (refused bool) {
	ctx, cancel := context.WithTimeout(ctx, c.opts.RequestTimeout)
	defer cancel()
	var requests []*establishRequest
	for _, e := range c.missing() {
		r, err := s.establish(ctx, e, batched)
		if err != nil && !isClosed(s.ended) && ctx.Err() == nil {
			c.report(e, err)
			refused = true
		}
		if err == nil {
			requests = append(requests, r)
		}
	}
	for _, r := range requests {
		select {
		case err := <-r.done:
			if err != nil && c.current.Load() == s {
				c.report(r.endpoint, err)
				refused = true
			}
		case <-s.ended:
			return false
		case <-ctx.Done():
			return refused
		}
	}
	return refused
}

// missing returns the endpoints that the router does not have, except those requested already.
func (c *Client) missing() (list []endpoint) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range c.endpoints {
		if e.base().in(absent) {
			list = append(list, e)
		}
	}
	return list
}

// keepRestored retries refused and revoked endpoints and requests new ones, until the session ends, Rejoin is called or
// ctx is done. A refusal may be temporary: the router may still hold a registration for a dead session.
func (c *Client) keepRestored(ctx context.Context, s *session, refused bool) {
	pause := c.opts.Reconnect.Backoff()
	for {
		var retry <-chan time.Time
		if refused {
			retry = time.After(pause.Next())
		}
		select {
		case <-c.added:
		case <-c.revoked:
			refused = true
			continue
		case <-retry:
		case <-c.rejoin:
			c.rejoining = true
			return
		case <-s.ended:
			return
		case <-ctx.Done():
			return
		}
		if refused = c.restore(ctx, s); !refused {
			pause.Reset()
		}
	}
}

// report passes a refusal to the application, or logs it. With nil it reports that the router has accepted after a
// refusal. The same refusal is reported once.
func (c *Client) report(e endpoint, err error) {
	b, text := e.base(), ""
	if err != nil {
		text = err.Error()
	}
	c.mu.Lock()
	before := b.reported
	b.reported = text
	c.mu.Unlock()
	switch {
	case before == text || b.closed():
	case b.refused != nil:
		b.refused(err)
	default:
		c.logAnswer(b, err)
	}
}

func (c *Client) logAnswer(b *endpointBase, err error) {
	log := c.opts.Log.With("uri", b.pattern.uri, "match", b.pattern.match.String(), "request", b.messages.name)
	if err == nil {
		log.Info("request accepted after a refusal")
	} else {
		log.Warn("request refused; retrying", "err", err)
	}
}
