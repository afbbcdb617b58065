package client

import (
	"context"
	"fmt"

	"runnel/edge/wamp"
)

// Drain ends all subscriptions without losing an event. It returns when every event that the router sent before it processed
// UNSUBSCRIBE has been handled. (Unsubscribe and Close drop events that still wait for their handler.) The client stays joined,
// and does not subscribe again after a reconnect. If ctx is done first, Drain returns its error, and events may be lost.
func (c *Client) Drain(ctx context.Context) error {
	c.mu.Lock()
	s := c.current.Load()
	ended, answers := c.endSubscriptions(s)
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, sub := range ended {
			sub.close()
			if s != nil {
				delete(s.subscriptions, sub.id)
			}
		}
	}()
	for _, answer := range answers {
		select {
		case <-answer:
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w", wamp.Unsubscribed, ctx.Err())
		}
	}
	select {
	case <-c.events.whenEmpty():
		return nil
	case <-ctx.Done():
		return fmt.Errorf("handle events: %w", ctx.Err())
	}
}

// endSubscriptions removes the subscriptions from c.endpoints and sends UNSUBSCRIBE for those established in s. Their
// EVENTs are still delivered. The caller holds c.mu.
func (c *Client) endSubscriptions(s *session) (ended []*Subscription, answers []<-chan error) {
	var others []endpoint
	told := make(map[wamp.ID]bool)
	for _, e := range c.endpoints {
		sub, ok := e.(*Subscription)
		if !ok {
			others = append(others, e)
			continue
		}
		if !sub.drain() {
			sub.close()
			continue
		}
		ended = append(ended, sub)
		if told[sub.id] {
			continue
		}
		told[sub.id] = true
		if answer := s.sendEnd(sub); answer != nil {
			answers = append(answers, answer)
		}
	}
	c.endpoints = others
	return ended, answers
}

// whenEmpty returns a channel that is closed when no event waits or is being handled.
func (q *eventQueue) whenEmpty() <-chan struct{} {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.empty == nil {
		q.empty = make(chan struct{})
	}
	empty := q.empty
	q.signalEmpty()
	return empty
}

// signalEmpty closes the channel of whenEmpty if the queue is empty. The caller holds mu.
func (q *eventQueue) signalEmpty() {
	if q.empty != nil && (q.size == 0 || q.discard) {
		close(q.empty)
		q.empty = nil
	}
}
