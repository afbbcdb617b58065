package main

import (
	"context"
	"time"

	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/uplink/spool"
)

// A link that takes the place of another can't begin before that one has given its spool back. So for a moment nobody
// stores what is published, and the router would acknowledge it all the same. A guard stands in: it has durable events
// refused, and whoever publishes knows that he has to do it again.

var errExchanged = client.NewError(wamp.Unavailable.Error(), "the uplink that is to store the event is being changed")

const guardTime = 2 * time.Second // for a session of this process to come or go

// guard refuses the durable events of these links until end is called.
func (n *node) guard(links []*link) (end func()) {
	var guards []*client.Client
	for _, l := range links {
		if g := n.guardOf(l.config); g != nil {
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
func (n *node) guardOf(u Uplink) *client.Client {
	var durable []Share
	for _, s := range u.Exports {
		if s.Topic != nil && s.class(false) == spool.Durable {
			durable = append(durable, s)
		}
	}
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
	for _, s := range durable {
		o := client.SubscribeOptions{Match: wamp.Match(s.Match), Confirm: true}
		if _, err := g.Subscribe(ctx, *s.Topic, o, func(e *client.Event) { e.Confirm(errExchanged) }); err != nil {
			n.log.Debug("durable events are not refused while the uplink changes", "uplink", u.Name, "error", err)
		}
	}
	return g
}
