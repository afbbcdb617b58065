package wamp

import (
	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/uplink/spool"
)

// subscribe makes the subscription for a share of a rule.
func (l *Link) subscribe(s share) (end func(), err error) {
	from, forward, extra := &l.local, l.keep, map[string]any{wamp.KeyRetain: true}
	if s.rule.direction == imports {
		from, forward, extra = &l.remote, l.publishLocally, nil
	}
	sub, err := from.client.Subscribe(atOnce, s.URI, client.SubscribeOptions{
		Match: s.Match, Persist: true, Refused: l.refusal(s, from),
		Confirm: s.rule.direction == exports && s.rule.Store == spool.Durable,
		Extra:   extra,
	}, func(e *client.Event) {
		if s.rule.first(e.Publication) {
			forward(s.rule, e)
		} else {
			e.Confirm(nil)
		}
	})
	if err != nil {
		return nil, err
	}
	s.rule.subscribed.Add(1)
	return func() { s.rule.subscribed.Add(-1); sub.Unsubscribe(atOnce) }, nil
}

// publishLocally publishes an imported event in the local realm. The client hands events over one at a time, so the events
// of one publisher keep their order. When the local router is slow, Publish waits, and this slows down the central router.
//
// The event does not disclose its publisher: that would be the link, and a router that refuses disclosure would drop the event
// without an error.
func (l *Link) publishLocally(r *rule, e *client.Event) {
	topic, way, ok := l.admit(r, &l.remote, &l.local, e)
	if !ok {
		return
	}
	to, counts, ctx := &l.local, &l.status.EventsDown, l.running
	o := client.PublishOptions{ForwardFor: way, Extra: passthru(&e.Body), More: e.More, Time: e.Time(), TTL: e.TTL()}
	err := to.client.Publish(ctx, topic, o, client.Raw(e.Payload))
	switch {
	case err == nil:
		counts.Forward()
		return
	case isDown(err):
		to.drop()
	case ctx.Err() == nil:
		to.log.Warn("cannot forward the event", "rule", r.String(), "err", err)
	}
	counts.Drop()
}

// admit returns an event's topic on the other side and its way so far. ok is false if the event does not cross.
func (l *Link) admit(r *rule, from, to *side, e *client.Event) (topic string, way []client.Hop, ok bool) {
	name := e.Topic()
	topic = r.rewrite(name)
	// A wide pattern matches the router's own events, too. Some of them only a router may publish; the others are about one node.
	if wamp.Reserved(topic) || wamp.OfNode(name) && !wamp.OfNode(r.uri) || !l.best(r, name) || r.direction == exports && !l.wanted(r, topic, e) {
		return "", nil, false
	}
	way, ok = l.cross(&e.Body, publisherOf(e), from, to)
	return topic, way, ok
}

// passthru returns the attributes of a payload that only the peers at the ends understand
// (advanced/payload_passthru_mode.md). They cross with the payload. For nearly all messages it returns nil.
func passthru(b *client.Body) (extra map[string]any) {
	if len(b.Details.Raw) == 0 {
		return nil
	}
	for f := b.Details.Fields(); f.Next(); {
		switch key := string(f.Key()); key {
		case "ppt_scheme", "ppt_serializer", "ppt_cipher", "ppt_keyid", "rkey":
			if text, ok := f.Value().Text(); ok {
				if extra == nil {
					extra = make(map[string]any)
				}
				if extra[key] = string(text); key == "rkey" { // of INVOCATION
					extra["runmode"] = wamp.Partition
				}
			}
		}
	}
	return extra
}
