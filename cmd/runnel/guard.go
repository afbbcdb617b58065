package main

import (
	"context"
	"slices"
	"time"

	"runnel/edge/client"
	"runnel/edge/wamp"
)

// A link that takes the place of another can't begin before that one has given its spool back. So for a moment nobody
// stores what is published, and the router would acknowledge it all the same. A guard stands in: it has durable events
// refused, and whoever publishes knows that he has to do it again. As long as the old link is up, that one answers: it
// leaves its realm here after the one there.

var errExchanged = client.NewError(wamp.Unavailable.Error(), "the uplink that is to store the event is being changed")

const guardTime = 2 * time.Second // for a session of this process to come or go

// guard refuses the durable events of links that take the place of others, until end is called.
func (n *node) guard(links []*link) (end func()) {
	var guards []*client.Client
	for _, l := range links {
		i := slices.IndexFunc(n.uplinks, func(old *link) bool { return old.config.Name == l.config.Name })
		if g := n.guardOf(l.config, n.uplinks[i]); g != nil {
			guards = append(guards, g)
		}
	}
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), guardTime)
		defer cancel()
		for _, g := range guards {
			g.Close(ctx)
		}
	}
}

// guardOf returns the guard of one link; nil if there is nothing to guard, or nowhere: the realm is as new as the link.
func (n *node) guardOf(u Uplink, old *link) *client.Client {
	durable := u.durable()
	if len(durable) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), guardTime)
	defer cancel()
	g, err := client.Connect(ctx, client.Options{Dial: n.within(linkRole, u.Realm), Realm: u.Realm})
	if err != nil {
		n.log.Debug("durable events are not refused while the uplink changes", "uplink", u.Name, "error", err)
		return nil
	}
	refuse := func(e *client.Event) {
		if old.State().Up {
			e.Confirm(nil)
		} else {
			e.Confirm(errExchanged)
		}
	}
	for _, topic := range durable {
		o := client.SubscribeOptions{Match: topic.Match, Confirm: true}
		if _, err := g.Subscribe(ctx, topic.URI, o, refuse); err != nil {
			n.log.Debug("durable events are not refused while the uplink changes", "uplink", u.Name, "error", err)
		}
	}
	return g
}
