package wamp

import (
	"errors"

	"runnel/edge/client"
	"runnel/edge/wamp"
)

// reportAbove reports the routers that the link leads to.
func (l *Link) reportAbove(nodes []wamp.Node) {
	if l.opts.Above != nil {
		l.opts.Above(nodes)
	}
}

func (l *Link) remoteFailed(err error) {
	l.remotes.failed()
	l.status.Ended(err)
	l.noteClash(err)
}

// noteClash reports that the centre rejects the link because another router has this one's id. Only an operator can fix
// that. Exported events wait in the spool.
func (l *Link) noteClash(err error) {
	var refused *client.Error
	if errors.Is(err, wamp.DuplicateNode) && errors.As(err, &refused) && l.status.Clashes(refused.Error(), 0) {
		l.log.Error("another node has the id of this one; the centre refuses the link until one id is changed", "node", l.opts.Identity.ID, "err", err)
	}
}

// countLoop counts a message that has been at a place already, or has crossed too many links. It logs the first one: in a ring
// of routers that is normal, in a tree it means that two nodes have the same id.
func (l *Link) countLoop(left place) {
	if l.status.Looped.Add(1) == 1 {
		l.log.Warn("message dropped: it has passed this realm or too many links; unless the links form a ring, two nodes have the same id",
			"realm", left.name)
	}
}

// reportTwin reports another router with the name of one of the link's sides. The link stays up.
func (l *Link) reportTwin(name string) {
	if text := "events come from another router with the node id of " + name + "; give each its own [node] id"; l.status.Clashes(text, 0) {
		l.log.Error("node id is used twice", "node", name, "err", text)
	}
}
