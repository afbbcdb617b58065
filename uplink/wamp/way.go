package wamp

import (
	"cmp"

	"runnel/edge/client"
	"runnel/edge/wamp"
)

// DefaultMaxHops is the default of Options.MaxHops.
const DefaultMaxHops = 8

// Events and calls that cross a link carry their way: one client.Hop for each link. A hop names the place that was left, and
// the publisher or caller there if that is disclosed. A place is a realm of a router. A Runnel names its place in WELCOME; for
// another router the link makes up a name, which at least this link recognizes.

// place is a realm of a router, as named in a session.
type place struct {
	session wamp.ID
	name    string
	tag     string // distinguishes routers of the same name
}

// place returns this side's place. Without a session it is the last one known, or the zero value.
func (s *side) place() place {
	known := s.at.Load()
	if w, up := s.client.Welcome(); up && (known == nil || known.session != w.Session) {
		known = &place{session: w.Session, name: cmp.Or(nodeOf(w), s.alias)}
		if nodes := w.Nodes(); len(nodes) > 0 {
			known.tag = nodes[0].Tag()
		}
		s.at.Store(known)
	}
	if known == nil {
		return place{}
	}
	return *known
}

func nodeOf(w client.Welcome) string {
	for f := w.Details.Fields(); f.Next(); {
		if string(f.Key()) == wamp.KeyNode {
			name, _ := f.Value().Text()
			return string(name)
		}
	}
	return ""
}

// cross returns the way of a message that crosses from one side to the other, with this hop. ok is false if the message has
// been at either place already, or would cross too many links.
func (l *Link) cross(b *client.Body, by client.Hop, from, to *side) (way []client.Hop, ok bool) {
	left := from.place()
	by.Node, by.Tag = left.name, left.tag
	way = b.ForwardFor()
	if len(way) >= l.opts.MaxHops || l.visited(way, left) || l.visited(way, to.place()) {
		l.countLoop(left)
		return nil, false
	}
	return append(way, by), true
}

// visited reports whether a place is on the way. Another router of the same name is not counted as a loop but
// reported: its messages have not come back from here.
func (l *Link) visited(way []client.Hop, p place) bool {
	if p.name == "" {
		return false
	}
	for _, h := range way {
		switch {
		case h.Node != p.name:
		case h.Tag == p.tag || h.Tag == "" || p.tag == "":
			return true
		default:
			l.reportTwin(p.name)
		}
	}
	return false
}

// publisherOf returns the event's publisher as far as it is disclosed.
func publisherOf(e *client.Event) client.Hop {
	return client.Hop{Session: e.Publisher(), Authid: e.PublisherAuthid(), Authrole: e.PublisherAuthrole()}
}

// callerOf returns the caller as far as it is disclosed.
func callerOf(inv *client.Invocation) client.Hop {
	return client.Hop{Session: inv.Caller(), Authid: inv.CallerAuthid(), Authrole: inv.CallerAuthrole()}
}
