package wamp

import (
	"cmp"

	"runnel/edge/client"
	"runnel/edge/wamp"
)

// DefaultMaxHops is how many links an event or a call may cross, where Options.MaxHops does not say.
const DefaultMaxHops = 8

// What crosses a link carries its way: one client.Hop a link, each naming the place that it left and whom it came from
// there, if he was disclosed. A place is a realm of a router. A router that is a Runnel tells its own in WELCOME; for
// another the link invents a name, by which at least this link knows it again.

// place is the name of one side's realm, as the router of a session says.
type place struct {
	session wamp.ID
	name    string
	tag     string // tells the router from another of the same name
}

// place returns the name of this side's realm; while there is no session, as it was last; none if it was never known.
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

// cross returns the way of what crosses from one side to the other, with this hop. It reports false if that would lead
// to where it has been already, or over more links than it may.
func (l *Link) cross(b *client.Body, by client.Hop, from, to *side) (way []client.Hop, ok bool) {
	left := from.place()
	by.Node, by.Tag = left.name, left.tag
	way = b.ForwardFor()
	if len(way) >= l.opts.MaxHops || l.visited(way, left) || l.visited(way, to.place()) {
		l.loops(left)
		return nil, false
	}
	return append(way, by), true
}

// visited reports whether a place is on the way. Another router of the same name is none that was visited, and is told of:
// what it sends must not seem to have come round.
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
			l.foreign(p.name)
		}
	}
	return false
}

// publisherOf says who published an event, as far as he is disclosed.
func publisherOf(e *client.Event) client.Hop {
	return client.Hop{Session: e.Publisher(), Authid: e.PublisherAuthid(), Authrole: e.PublisherAuthrole()}
}

// callerOf says who has made a call, as far as he is disclosed.
func callerOf(inv *client.Invocation) client.Hop {
	return client.Hop{Session: inv.Caller(), Authid: inv.CallerAuthid(), Authrole: inv.CallerAuthrole()}
}
