package edge

import (
	"runnel/edge/wamp"
)

func (s *subscription) details() map[string]any {
	return map[string]any{"id": s.id, "created": timestamp(s.created), "uri": s.uri, "match": s.match.String()}
}

// announceSubscribe publishes the meta events of a new seat; created says that the subscription is new. Like other routers,
// it publishes nothing about subscriptions below "wamp.".
func (r *realm) announceSubscribe(t *turn, s *session, sub *subscription, created bool) {
	if wamp.Reserved(sub.uri) {
		return
	}
	if created {
		r.announce(t, "wamp.subscription.on_create", s.id, sub.details())
	}
	r.announce(t, "wamp.subscription.on_subscribe", s.id, sub.id)
}

// announceUnsubscribe publishes the meta events of a seat that was removed; deleted says that the subscription is gone.
func (r *realm) announceUnsubscribe(t *turn, s *session, sub *subscription, deleted bool) {
	if wamp.Reserved(sub.uri) {
		return
	}
	r.announce(t, "wamp.subscription.on_unsubscribe", s.id, sub.id)
	if deleted {
		r.announce(t, "wamp.subscription.on_delete", s.id, sub.id)
	}
}

func (c *metaCall) subscriptionList() ([]any, error) {
	wanted, err := c.overlaps()
	if err != nil {
		return nil, err
	}
	if wanted != nil {
		return overlapping(wanted, func(s *subscription) wamp.Pattern { return wamp.Pattern{URI: s.uri, Match: s.match} },
			c.subscriptionDetails, c.realm.topics.Load())
	}
	return []any{lists(func(s *subscription) (wamp.Match, wamp.ID) { return s.match, s.id }, c.realm.topics.Load())}, nil
}

func (c *metaCall) subscriptionLookup() ([]any, error) {
	topic, err := c.text(0)
	if err != nil {
		return nil, err
	}
	match, err := c.match(1)
	if err != nil {
		return nil, err
	}
	if sub, ok := c.realm.topics.Load().Get(match, topic); ok {
		return []any{sub.id}, nil
	}
	return []any{nil}, nil
}

func (c *metaCall) subscriptionMatch() ([]any, error) {
	topic, err := c.text(0)
	if err != nil {
		return nil, err
	}
	var list []any
	for _, sub := range c.realm.topics.Load().Match([]byte(topic), nil) {
		list = append(list, sub.id)
	}
	if list == nil {
		return []any{nil}, nil
	}
	return []any{list}, nil
}

// subscription returns the subscription whose id is the call's first argument.
func (c *metaCall) subscription() (*subscription, error) {
	id, err := c.id(0)
	if err != nil {
		return nil, err
	}
	var found *subscription
	c.realm.topics.Load().All(func(s *subscription) bool {
		if s.id == id {
			found = s
		}
		return found == nil
	})
	if found == nil {
		return nil, wamp.NoSuchSubscription
	}
	return found, nil
}

func (c *metaCall) subscriptionGet() ([]any, error) {
	sub, err := c.subscription()
	if err != nil {
		return nil, err
	}
	return []any{sub.details()}, nil
}

func (c *metaCall) subscriptionListSubscribers() ([]any, error) {
	sub, err := c.subscription()
	if err != nil {
		return nil, err
	}
	list := []any{}
	for _, chunk := range sub.seats {
		for _, seat := range chunk {
			list = append(list, seat.session.id)
		}
	}
	return []any{list}, nil
}

func (c *metaCall) subscriptionCountSubscribers() ([]any, error) {
	sub, err := c.subscription()
	if err != nil {
		return nil, err
	}
	n := 0
	for _, chunk := range sub.seats {
		n += len(chunk)
	}
	return []any{n}, nil
}
