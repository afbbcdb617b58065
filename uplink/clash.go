package uplink

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
	l.status.failed(err)
	l.noteClash(err)
}

// noteClash looks whether the centre refuses the link because another router has this one's id. That ends only when an
// operator does something about it; what is exported waits in the spool.
func (l *Link) noteClash(err error) {
	var refused *client.Error
	if errors.Is(err, wamp.DuplicateNode) && errors.As(err, &refused) && l.status.clashes(refused.Error()) {
		l.log.Error("another node has the id of this one; events are kept until one of them has another", "node", l.opts.Identity.ID, "err", err)
	}
}

// foreign tells of a router that has the name of one of the link's sides. The link goes on.
func (l *Link) foreign(name string) {
	if text := "events come from another router with the node id of " + name + "; give each its own [node] id"; l.status.clashes(text) {
		l.log.Error("node id is used twice", "place", name, "err", text)
	}
}
