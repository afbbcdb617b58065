package edge

import (
	"runnel/edge/wamp"
)

func (s *subscription) pattern() wamp.Pattern { return wamp.Pattern{URI: s.uri, Match: s.match} }

func (s *subscription) identity() wamp.ID { return s.id }

func (s *subscription) count() (n int) {
	for _, chunk := range s.seats {
		n += len(chunk)
	}
	return n
}

func (s *subscription) members() []any {
	list := []any{}
	for _, chunk := range s.seats {
		for _, seat := range chunk {
			list = append(list, seat.session.id)
		}
	}
	return list
}

func (s *subscription) details() map[string]any {
	return map[string]any{"id": s.id, "created": timestamp(s.created), "uri": s.uri, "match": s.match.String()}
}

// announceSubscribe publishes the meta events of a new seat; created says that the subscription is new. Like other routers,
// it publishes nothing about subscriptions below "wamp.".
func (r *realm) announceSubscribe(t *turn, s *session, sub *subscription, created bool) {
	if wamp.Reserved(sub.uri) {
		return
	}
	if created && r.watched("wamp.subscription.on_create") {
		r.announce(t, "wamp.subscription.on_create", s.id, sub.details())
	}
	r.announce(t, "wamp.subscription.on_subscribe", s.id, sub.id)
}

// announceUnsubscribe publishes the meta events of a removed seat; deleted means that the subscription was deleted, too.
func (r *realm) announceUnsubscribe(t *turn, s *session, sub *subscription, deleted bool) {
	if wamp.Reserved(sub.uri) {
		return
	}
	r.announce(t, "wamp.subscription.on_unsubscribe", s.id, sub.id)
	if deleted {
		r.announce(t, "wamp.subscription.on_delete", s.id, sub.id)
	}
}

// subscriptionList answers wamp.subscription.list. The detail "history" marks a subscription that needs no subscribers.
func (c *metaCall) subscriptionList() ([]any, error) {
	details := func(s *subscription) map[string]any {
		d := s.details()
		if s.history != nil || s.durables > 0 {
			d["history"] = true
		}
		return d
	}
	return listing(c, details, &c.realm.topics)
}

func (c *metaCall) subscriptionLookup() ([]any, error) {
	p, err := c.pattern()
	if err != nil {
		return nil, err
	}
	if sub, ok := c.realm.topics.Get(p.Match, p.URI); ok {
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
	for _, sub := range c.realm.topics.Match([]byte(topic), nil) {
		list = append(list, sub.id)
	}
	if list == nil {
		return []any{nil}, nil
	}
	return []any{list}, nil
}

// subscription returns the subscription whose id is the call's first argument.
func (c *metaCall) subscription() (*subscription, error) {
	return byID(c, wamp.NoSuchSubscription, &c.realm.topics)
}
