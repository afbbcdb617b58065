package client

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"runnel/edge/codec"
	"runnel/edge/wamp"
)

// standing is what a client has at the router for longer than a session: a Subscription or a Registration. Its methods
// are called with Client.mu held.
type standing interface {
	base() *stand

	// enter makes s know it by the id that the router gave.
	enter(s *session)

	// leave takes it off s, and reports whether the router must be told.
	leave(s *session) bool
}

// stand is what Subscription and Registration have in common.
type stand struct {
	// Static.
	client  *Client
	pattern pattern
	options map[string]any
	words   *words
	refused func(error)

	gone atomic.Bool // it was ended by this client

	// Guarded by Client.mu.
	listed  bool     // it is in Client.standing
	session *session // where it was made last; nil: nowhere
	asking  *session // where it is being made; nil: nowhere
	id      wamp.ID  // in session
	said    string   // the refusal that was reported last
}

// words are the protocol's messages for one kind of standing.
type words struct {
	make, made, end, ended wamp.Type
	name                   string
}

var (
	subscription = &words{wamp.Subscribe, wamp.Subscribed, wamp.Unsubscribe, wamp.Unsubscribed, "subscription"}
	registration = &words{wamp.Register, wamp.Registered, wamp.Unregister, wamp.Unregistered, "registration"}
)

func (b *stand) base() *stand { return b }

// establish makes st at the router and returns when it has answered or, with persist, at once.
func (c *Client) establish(ctx context.Context, st standing, persist bool) error {
	if persist {
		c.mu.Lock()
		c.list(st)
		c.mu.Unlock()
		wake(c.nudge)
		return nil
	}
	s, err := c.session()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, c.opts.RequestTimeout)
	defer cancel()
	a, err := s.ask(ctx, st, atOnce)
	if err != nil {
		return err
	}
	select {
	case err := <-a.done:
		return err
	case <-ctx.Done():
		c.detach(st) // if the router still makes it, it is ended at once
		return noReply(st.base().words.made, ctx)
	}
}

// list notes what is to be made again in every session. c.mu is held.
func (c *Client) list(st standing) {
	if b := st.base(); !b.listed {
		b.listed = true
		c.standing = append(c.standing, st)
	}
}

// ask sends SUBSCRIBE or REGISTER for st.
func (s *session) ask(ctx context.Context, st standing, u urgency) (*asking, error) {
	b := st.base()
	options, err := codec.NewDict(s.out.serializer, b.options)
	if err != nil {
		return nil, &Error{URI: wamp.InvalidArgument.Error(), cause: err}
	}
	a := &asking{session: s, standing: st, done: make(chan error, 1)}
	a.begin()
	err = s.out.send(ctx, &outbound{
		Message: codec.Message{Type: b.words.make, Dict: options}, text: b.pattern.uri, request: a,
	}, u)
	if err != nil {
		a.finish()
		return nil, err
	}
	return a, nil
}

// asking is the request that makes a standing.
type asking struct {
	session  *session
	standing standing
	done     chan error // room for one
}

func (a *asking) kind() (sent, reply wamp.Type) {
	w := a.standing.base().words
	return w.make, w.made
}

func (a *asking) begin() {
	c, b := a.session.client, a.standing.base()
	c.mu.Lock()
	defer c.mu.Unlock()
	b.asking = a.session
	if b.words == subscription {
		a.session.subscribing[b.pattern]++
	}
}

func (a *asking) finish() {
	c := a.session.client
	c.mu.Lock()
	defer c.mu.Unlock()
	a.finishLocked()
}

func (a *asking) finishLocked() {
	b := a.standing.base()
	b.asking = nil
	if b.words != subscription {
		return
	}
	if a.session.subscribing[b.pattern]--; a.session.subscribing[b.pattern] == 0 {
		delete(a.session.subscribing, b.pattern)
	}
}

// answer makes the standing known before the next message is read, which may be for it.
func (a *asking) answer(m *codec.Message) {
	c, b := a.session.client, a.standing.base()
	c.mu.Lock()
	a.finishLocked()
	b.session, b.id = a.session, m.ID
	a.standing.enter(a.session)
	if b.gone.Load() {
		a.session.tellEnd(a.standing)
	} else {
		c.list(a.standing)
	}
	c.mu.Unlock()
	c.report(a.standing, nil)
	a.done <- nil
}

func (a *asking) fail(err error) {
	a.finish()
	a.done <- err
}

// tellEnd takes a standing off the session and tells the router, without waiting for its answer, which is in the
// returned channel. It returns nil if there is nothing to tell. Client.mu is held, so that what is asked for and ended
// at the same time reaches the router in the order in which the tables here were changed.
func (s *session) tellEnd(st standing) <-chan error {
	if !st.leave(s) {
		return nil
	}
	b := st.base()
	e := &ending{session: s, standing: st, done: make(chan error, 1)}
	m := &outbound{Message: codec.Message{Type: b.words.end, ID: b.id}, request: e}
	if s.out.send(context.Background(), m, control) != nil {
		return nil // the session has ended, and with it what stood in it
	}
	return e.done
}

// ending is the request that ends a standing.
type ending struct {
	session  *session
	standing standing
	done     chan error // room for one
}

func (e *ending) kind() (sent, reply wamp.Type) {
	w := e.standing.base().words
	return w.end, w.ended
}

func (e *ending) answer(*codec.Message) {
	if r, ok := e.standing.(*Registration); ok {
		e.session.client.mu.Lock()
		delete(e.session.registrations, r.id)
		e.session.client.mu.Unlock()
	}
	e.done <- nil
}

func (e *ending) fail(err error) { e.done <- err }

// detach takes a standing off this client, and tells the router if it knows of it. The router's answer is in the returned
// channel, nil if there is none to wait for.
func (c *Client) detach(st standing) <-chan error {
	b := st.base()
	c.mu.Lock()
	defer c.mu.Unlock()
	if b.gone.Swap(true) {
		return nil
	}
	c.standing = slices.DeleteFunc(c.standing, func(other standing) bool { return other == st })
	if b.session == nil || b.session != c.current.Load() {
		return nil
	}
	return b.session.tellEnd(st)
}

// end ends a standing for good and waits until the router knows. A session that ends meanwhile has ended it too.
func (c *Client) end(ctx context.Context, st standing) error {
	done := c.detach(st)
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
		return noReply(st.base().words.ended, ctx)
	}
}

// noReply says what did not come before ctx was done.
func noReply(reply wamp.Type, ctx context.Context) error {
	return fmt.Errorf("wait for %s: %w", reply, ctx.Err())
}

// revoked handles UNSUBSCRIBED and UNREGISTERED by the router's own decision (advanced/pubsub_subscription_revocation.md,
// advanced/rpc_registration_revocation.md). It may change its mind, so they are asked for again like refused ones.
func (s *session) revoked(m *codec.Message) {
	w := subscription
	if m.Type == wamp.Unregistered {
		w = registration
	}
	id, _ := field(m.Dict, w.name).Uint()
	reason, _ := field(m.Dict, "reason").Text()
	err := fmt.Errorf("revoked by the router: %s", reason)
	c := s.client
	c.mu.Lock()
	var lost []standing
	for _, st := range c.standing {
		if b := st.base(); b.words == w && b.session == s && b.id == id {
			st.leave(s)
			b.session = nil
			lost = append(lost, st)
		}
	}
	if w == registration {
		delete(s.registrations, id)
	}
	c.mu.Unlock()
	for _, st := range lost {
		c.report(st, err)
	}
	wake(c.lost)
}

// restore makes all that is not at the router yet, in one batch, and reports whether something was refused.
func (c *Client) restore(ctx context.Context, s *session) (refused bool) {
	ctx, cancel := context.WithTimeout(ctx, c.opts.RequestTimeout)
	defer cancel()
	var asked []*asking
	for _, st := range c.missing(s) {
		a, err := s.ask(ctx, st, gathered)
		if err != nil && !isClosed(s.ended) && ctx.Err() == nil {
			c.report(st, err)
			refused = true
		}
		if err == nil {
			asked = append(asked, a)
		}
	}
	for _, a := range asked {
		select {
		case err := <-a.done:
			if err != nil && c.current.Load() == s {
				c.report(a.standing, err)
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

// missing returns what is not at the router in session s, and not under way to it.
func (c *Client) missing(s *session) (list []standing) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, st := range c.standing {
		if b := st.base(); b.session != s && b.asking != s {
			list = append(list, st)
		}
	}
	return list
}

// keepRestored tries again what the router refused, until the session ends or ctx is done: a router may still hold the
// registration of a session that it does not know to be dead.
func (c *Client) keepRestored(ctx context.Context, s *session, refused bool) {
	pause := c.opts.Reconnect.Backoff()
	for {
		var again <-chan time.Time
		if refused {
			again = time.After(pause.Next())
		}
		select {
		case <-c.nudge:
		case <-c.lost:
			refused = true
			continue
		case <-again:
		case <-c.again:
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

// report tells of a refusal, or with nil of its end, once until that changes.
func (c *Client) report(st standing, err error) {
	b, text := st.base(), ""
	if err != nil {
		text = err.Error()
	}
	c.mu.Lock()
	said := b.said
	b.said = text
	c.mu.Unlock()
	switch {
	case said == text || b.gone.Load():
	case b.refused != nil:
		b.refused(err)
	case err == nil:
		c.opts.Log.Info(b.words.name+" accepted", "uri", b.pattern.uri, "match", b.pattern.match.String())
	default:
		c.opts.Log.Warn(b.words.name+" refused, trying again", "uri", b.pattern.uri, "match", b.pattern.match.String(),
			"error", err)
	}
}

// wake puts a token into a channel that has room for one.
func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
