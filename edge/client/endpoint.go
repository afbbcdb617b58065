package client

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"runnel/edge/codec"
	"runnel/edge/wamp"
)

// endpoint is a Subscription or a Registration. It outlives sessions: the client establishes it again in each one, until
// the application ends it. Its methods are called with Client.mu held.
type endpoint interface {
	base() *endpointBase

	// addTo makes s deliver messages with the endpoint's id to it.
	addTo(s *session)

	// removeFrom is the inverse of addTo. It reports whether the router must be told.
	removeFrom(s *session) (tell bool)
}

// endpointBase is the part that Subscription and Registration have in common.
type endpointBase struct {
	// Static.
	client   *Client
	pattern  pattern
	options  map[string]any
	messages *messages
	refused  func(error)
	dropped  func(error) // ends the endpoint if the router revokes it for wamp.ReasonDropped; may be nil

	lifecycle // changed with Client.mu held

	// Guarded by Client.mu.
	id       wamp.ID // given by the router; valid once it has accepted
	listed   bool    // Client.endpoints has it
	reported string  // the refusal that was reported last; "" if none, or if the router has accepted since
}

// messages are the protocol's messages for one kind of endpoint.
type messages struct {
	establish, established, end, ended wamp.Type

	name string // the kind, and the key of its id in a revocation
}

var (
	subscription = &messages{wamp.Subscribe, wamp.Subscribed, wamp.Unsubscribe, wamp.Unsubscribed, "subscription"}
	registration = &messages{wamp.Register, wamp.Registered, wamp.Unregister, wamp.Unregistered, "registration"}
)

func (b *endpointBase) base() *endpointBase { return b }

// establish requests e from the router and returns the router's answer. With persist it returns at once, and the
// client keeps trying.
func (c *Client) establish(ctx context.Context, e endpoint, persist bool) error {
	if persist {
		c.mu.Lock()
		c.list(e)
		c.mu.Unlock()
		wake(c.added)
		return nil
	}
	s, err := c.session()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, c.opts.RequestTimeout)
	defer cancel()
	r, err := s.establish(ctx, e, immediate)
	if err != nil {
		return err
	}
	select {
	case err := <-r.done:
		return err
	case <-ctx.Done():
		c.withdraw(e)
		return noReply(e.base().messages.established, ctx)
	}
}

// list adds e to the endpoints that are established again in every session. The caller holds c.mu.
func (c *Client) list(e endpoint) {
	if b := e.base(); !b.listed {
		b.listed = true
		c.endpoints = append(c.endpoints, e)
	}
}

// establish sends SUBSCRIBE or REGISTER for e. An error means that the message was not sent.
func (s *session) establish(ctx context.Context, e endpoint, u urgency) (*establishRequest, error) {
	b := e.base()
	options, err := codec.NewDict(s.out.serializer, b.options)
	if err != nil {
		return nil, &Error{URI: wamp.InvalidArgument.Error(), cause: err}
	}
	r := &establishRequest{session: s, endpoint: e, done: make(chan error, 1)}
	r.start()
	err = s.out.send(ctx, &outbound{
		Message: codec.Message{Type: b.messages.establish, Dict: options}, text: b.pattern.uri, request: r,
	}, u)
	if err != nil {
		r.rejected()
		return nil, err
	}
	return r, nil
}

// establishRequest is a SUBSCRIBE or a REGISTER that the router has not answered yet.
type establishRequest struct {
	session  *session
	endpoint endpoint
	done     chan error // room for one: the answer
}

func (r *establishRequest) kind() (sent, reply wamp.Type) {
	m := r.endpoint.base().messages
	return m.establish, m.established
}

func (r *establishRequest) start() {
	c, b := r.session.client, r.endpoint.base()
	c.mu.Lock()
	defer c.mu.Unlock()
	b.request()
	r.count(+1)
}

// answer makes the endpoint known before the next message is read, which may be an EVENT or INVOCATION for it.
func (r *establishRequest) answer(m *codec.Message) {
	c, b := r.session.client, r.endpoint.base()
	c.mu.Lock()
	r.count(-1)
	b.id = m.ID
	r.endpoint.addTo(r.session)
	if b.accept() {
		c.list(r.endpoint)
	} else {
		r.session.remove(r.endpoint)
	}
	c.mu.Unlock()
	c.report(r.endpoint, nil)
	r.done <- nil
}

func (r *establishRequest) fail(err error) {
	r.rejected()
	r.done <- err
}

func (r *establishRequest) rejected() {
	c := r.session.client
	c.mu.Lock()
	defer c.mu.Unlock()
	r.endpoint.base().reject()
	r.count(-1)
}

// count adds n to the number of unanswered SUBSCRIBEs for the pattern (session.subscribing). The caller holds Client.mu.
func (r *establishRequest) count(n int) {
	b, counts := r.endpoint.base(), r.session.subscribing
	if b.messages != subscription {
		return
	}
	if counts[b.pattern] += n; counts[b.pattern] == 0 {
		delete(counts, b.pattern)
	}
}

// remove takes e off the session and tells the router if that is necessary. The router's answer comes through the
// returned channel; nil means that there is none to wait for. Client.mu is held, so that requests to establish and to
// end an endpoint reach the router in the order in which the session's tables changed.
func (s *session) remove(e endpoint) <-chan error {
	if !e.removeFrom(s) {
		return nil
	}
	return s.sendEnd(e)
}

// sendEnd sends UNSUBSCRIBE or UNREGISTER for e. The router's answer comes through the returned channel; nil means that
// the session has ended, and the endpoint with it.
func (s *session) sendEnd(e endpoint) <-chan error {
	b := e.base()
	r := &endRequest{session: s, endpoint: e, done: make(chan error, 1)}
	m := &outbound{Message: codec.Message{Type: b.messages.end, ID: b.id}, request: r}
	if s.out.send(context.Background(), m, control) != nil {
		return nil
	}
	return r.done
}

// endRequest is an UNSUBSCRIBE or an UNREGISTER that the router has not answered yet.
type endRequest struct {
	session  *session
	endpoint endpoint
	done     chan error // room for one: the answer
}

func (r *endRequest) kind() (sent, reply wamp.Type) {
	m := r.endpoint.base().messages
	return m.end, m.ended
}

func (r *endRequest) answer(*codec.Message) {
	if registered, ok := r.endpoint.(*Registration); ok {
		r.session.client.mu.Lock()
		delete(r.session.registrations, registered.id)
		r.session.client.mu.Unlock()
	}
	r.done <- nil
}

func (r *endRequest) fail(err error) { r.done <- err }

// withdraw ends e on this side and tells the router if it has it. The router's answer comes through the returned
// channel; nil means that there is none to wait for.
func (c *Client) withdraw(e endpoint) <-chan error {
	b := e.base()
	c.mu.Lock()
	defer c.mu.Unlock()
	if b.closed() {
		return nil
	}
	c.endpoints = slices.DeleteFunc(c.endpoints, func(other endpoint) bool { return other == e })
	if !b.close() {
		return nil
	}
	return c.current.Load().remove(e)
}

// closeEndpoint ends e for good and waits for the router's answer. If the session ends meanwhile, the endpoint has ended with it.
func (c *Client) closeEndpoint(ctx context.Context, e endpoint) error {
	done := c.withdraw(e)
	if done == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, c.opts.RequestTimeout)
	defer cancel()
	select {
	case err := <-done:
		if errors.Is(err, wamp.NetworkFailure) {
			return nil
		}
		return err
	case <-ctx.Done():
		return noReply(e.base().messages.ended, ctx)
	}
}

// noReply is the error of a request whose reply did not arrive before ctx was done.
func noReply(reply wamp.Type, ctx context.Context) error {
	return fmt.Errorf("wait for %s: %w", reply, ctx.Err())
}
