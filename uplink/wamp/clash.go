package wamp

import (
	"errors"

	"runnel/edge/client"
	"runnel/edge/wamp"
)

// leadsTo says which routers the link leads to.
func (l *Link) leadsTo(nodes []wamp.Node) {
	if l.opts.Above != nil {
		l.opts.Above(nodes)
	}
}

func (l *Link) remoteFailed(err error) {
	l.status.Ended(err)
	l.noteClash(err)
}

// noteClash looks whether the centre refuses the link because another router has this one's id. That ends only when an
// operator does something about it; what is exported waits in the spool.
func (l *Link) noteClash(err error) {
	var refused *client.Error
	if errors.Is(err, wamp.DuplicateNode) && errors.As(err, &refused) && l.status.Clashes(refused.Error(), 0) {
		l.log.Error("another node has the id of this one; the centre refuses the link until one of them is changed", "node", l.opts.Identity.ID, "err", err)
	}
}

// loops counts what has come round, or too far. The first is worth a line in the log: in a ring of routers it is the normal
// thing, in a tree it means that two nodes have the same id and can't be told apart.
func (l *Link) loops(left place) {
	if l.status.Looped.Add(1) == 1 {
		l.log.Warn("message dropped, it has passed this realm or too many links; unless the links form a ring, two nodes have the same id",
			"realm", left.name)
	}
}

// foreign tells of a router that has the name of one of the link's sides. The link goes on.
func (l *Link) foreign(name string) {
	if text := "events come from another router with the node id of " + name + "; give each its own [node] id"; l.status.Clashes(text, 0) {
		l.log.Error("node id is used twice", "node", name, "err", text)
	}
}
