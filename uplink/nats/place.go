package nats

import (
	"runnel/edge/client"
	"runnel/edge/wamp"
)

// A message carries its way: one client.Hop for each realm and each cluster that it has left. Package uplink/wamp
// does the same.

// place returns the name of the local realm, as the last WELCOME gave it.
func (l *Link) place() client.Hop {
	if known := l.at.Load(); known != nil {
		return *known
	}
	return client.Hop{Node: l.opts.Node}
}

// joined records the realm's name from a new session at the local router.
func (l *Link) joined(w client.Welcome) {
	h := client.Hop{Node: l.opts.Node}
	for f := w.Details.Fields(); f.Next(); {
		if string(f.Key()) == wamp.KeyNode {
			name, _ := f.Value().Text()
			h.Node = string(name)
		}
	}
	if nodes := w.Nodes(); len(nodes) > 0 {
		h.Tag = nodes[0].Tag()
	}
	l.at.Store(&h)
	signal(l.calls.dirty)
	l.readyOnce.Do(func() { close(l.ready) })
}

// wayOut returns the way of a local event, extended by this router. ok is false if the event has already been at the
// cluster, or has crossed too many links.
func (l *Link) wayOut(e *client.Event) (hops []client.Hop, ok bool) {
	return l.extendWay(e.ForwardFor(), client.Hop{Session: e.Publisher(), Authid: e.PublisherAuthid(), Authrole: e.PublisherAuthrole()})
}

// extendWay adds this router to a way. by is the publisher or the caller, as far as it is disclosed.
func (l *Link) extendWay(hops []client.Hop, by client.Hop) ([]client.Hop, bool) {
	here := l.place()
	if len(hops) >= l.opts.MaxHops || visited(hops, here) || visited(hops, l.cluster()) {
		return nil, false
	}
	by.Node, by.Tag = here.Node, here.Tag
	return append(hops, by), true
}

// wayIn returns the way of a message from the cluster, extended by the cluster. ok is false if the message has already
// been here, or has crossed too many links. Streams also send back the link's own events; these are no loop.
func (l *Link) wayIn(hops []client.Hop) ([]client.Hop, bool) {
	here := l.place()
	if n := len(hops); n > 0 && visited(hops[n-1:], here) {
		return nil, false
	}
	if len(hops) >= l.opts.MaxHops || visited(hops, here) {
		l.status.Looped.Add(1)
		return nil, false
	}
	return append(hops, l.cluster()), true
}

// cluster returns the place of the cluster, made from its name or from the URL of its first server.
func (l *Link) cluster() client.Hop {
	if name := l.named.Load(); name != nil {
		return client.Hop{Node: *name}
	}
	return client.Hop{Node: l.opts.Servers[0].URL}
}

// visited reports whether a place is on a way.
func visited(way []client.Hop, at client.Hop) bool {
	for _, h := range way {
		if h.Node == at.Node && (h.Tag == at.Tag || h.Tag == "" || at.Tag == "") {
			return true
		}
	}
	return false
}
