package mqtt

import "runnel/edge/wamp"

// group is a shared subscription (4.8.2): each message goes to one of its members.
type group struct{ realm, name, filter string }

// members are the connections that take part in a shared subscription. Every member gets each event, and only the chosen one
// passes it on. Guarded by Broker.mu.
type members struct {
	broker *Broker
	key    group
	list   []*Conn
}

// gather adds c to the group of a shared filter.
func (b *Broker) gather(c *Conn, f *filter) *members {
	b.mu.Lock()
	defer b.mu.Unlock()
	key := group{c.owner.Realm, f.share, f.topic}
	g := b.groups[key]
	if g == nil {
		g = &members{broker: b, key: key}
		b.groups[key] = g
	}
	g.list = append(g.list, c)
	return g
}

// removeFromGroup removes c from the group of a shared filter.
func (b *Broker) removeFromGroup(c *Conn, f *filter) {
	g := f.group
	if g == nil {
		return
	}
	f.group = nil
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range g.list {
		if g.list[i] == c {
			g.list = append(g.list[:i], g.list[i+1:]...)
			break
		}
	}
	if len(g.list) == 0 && b.groups[g.key] == g {
		delete(b.groups, g.key)
	}
}

// chooses reports whether c is the member that passes on a publication. Publication ids are random, so the members have equal
// shares.
func (g *members) chooses(c *Conn, publication wamp.ID) bool {
	g.broker.mu.Lock()
	defer g.broker.mu.Unlock()
	return len(g.list) > 0 && g.list[publication%wamp.ID(len(g.list))] == c
}

// forget removes a connection that has ended from all groups.
func (b *Broker) forget(c *Conn) {
	c.mu.Lock()
	for _, f := range c.filters {
		b.removeFromGroup(c, f)
	}
	c.mu.Unlock()
	b.keep(c)
	b.release(c)
}
