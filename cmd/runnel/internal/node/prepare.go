package node

import (
	"fmt"
	"net"
	"slices"

	"runnel/cmd/runnel/internal/config"
	"runnel/edge"
	"runnel/transport"
	"runnel/uplink"
)

// prepared holds everything that a reload needs and whose creation may fail: bound sockets, keys, open spools. It
// serves no peer yet, and the running parts have not changed. apply uses it, or drop releases it.
type prepared struct {
	realms    []edge.RealmOptions // of all realms of the next configuration
	listeners []*listener         // those that start
	lines     []*line             // those that start
	links     []*link             // those that start
	hooks     []*hook             // those that start
	exporter  *exporter           // the starting one; nil if there is none
}

// prepare makes the parts that the changes need. After an error it has released all of them. Its caller holds
// n.changing.
func (n *Node) prepare(p *Changes) (*prepared, error) {
	r := &prepared{}
	for _, step := range []func(*Changes, *prepared) error{n.prepareRealms, n.prepareListeners, n.prepareMetrics, n.prepareLines, n.prepareLinks, n.prepareHooks, claimPaths} {
		if err := step(p, r); err != nil {
			r.drop()
			return nil, err
		}
	}
	return r, nil
}

func (r *prepared) drop() {
	for _, l := range r.listeners {
		l.Close()
	}
	if r.exporter != nil {
		r.exporter.socket.Close()
	}
	for _, l := range r.links {
		l.drop()
	}
}

func (n *Node) prepareRealms(p *Changes, r *prepared) error {
	for _, realm := range p.next.Realms {
		opts, err := n.realmOptions(p.next, realm)
		if err == nil {
			err = n.router.CheckRealm(opts)
		}
		if err != nil {
			return err
		}
		r.realms = append(r.realms, opts)
	}
	return nil
}

func (n *Node) prepareListeners(p *Changes, r *prepared) error {
	var replaced []*transport.Listener
	for _, l := range n.listeners {
		if l.isOneOf(p.listens.ending()) {
			replaced = append(replaced, l.Listener)
		}
	}
	var sockets []net.Listener // the exporter's, whose address a listener may take
	if n.exporter != nil && p.metrics {
		sockets = append(sockets, n.exporter.socket)
	}
	for _, l := range p.listens.starting() {
		opened, err := n.listen(*l, replaced, sockets)
		if err != nil {
			return err
		}
		r.listeners = append(r.listeners, opened...)
	}
	return nil
}

func (n *Node) prepareMetrics(p *Changes, r *prepared) (err error) {
	if !p.metrics {
		return nil
	}
	var replaced []net.Listener
	for _, l := range n.listeners {
		if l.isOneOf(p.listens.ending()) {
			replaced = append(replaced, l.Socket())
		}
	}
	if n.exporter != nil {
		replaced = append(replaced, n.exporter.socket)
	}
	r.exporter, err = n.newExporter(p.next.Metrics.URL, replaced...)
	return err
}

func (n *Node) prepareLines(p *Changes, r *prepared) error {
	for _, s := range p.lines.starting() {
		l, err := n.newLine(*s)
		if err != nil {
			return err
		}
		r.lines = append(r.lines, l)
	}
	return nil
}

// prepareLinks makes the new links. A link that replaces another takes over its spool.
func (n *Node) prepareLinks(p *Changes, r *prepared) error {
	for _, u := range p.uplinks.added {
		if err := r.addLink(n.openLink(p.next, *u)); err != nil {
			return err
		}
	}
	for _, x := range p.uplinks.replaced {
		old := n.linkNamed(x.old.Name)
		if x.next.Stores(config.DataDir(p.next) != "") && !old.spool.OnDisk() {
			return fmt.Errorf("uplink %s: its queue is in memory, and stored events need a directory; restart the router", x.next.Name)
		}
		if err := r.addLink(n.newLink(p.next, *x.next, old.spool, uplink.NewHandover())); err != nil {
			return err
		}
	}
	return nil
}

// claimPaths gives the new Unix sockets the paths of those that they replace. It is the last step, because a path
// cannot be returned.
func claimPaths(_ *Changes, r *prepared) error {
	for _, l := range r.listeners {
		if err := l.Claim(); err != nil {
			return fmt.Errorf("listen on %s: take over the path: %w", l.URL(), err)
		}
	}
	return nil
}

func (r *prepared) addLink(l *link, err error) error {
	if err == nil {
		r.links = append(r.links, l)
	}
	return err
}

func (n *Node) linkNamed(name string) *link {
	return n.uplinks[slices.IndexFunc(n.uplinks, func(l *link) bool { return l.config.Name == name })]
}
