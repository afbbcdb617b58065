package main

import (
	"fmt"
	"net"
	"slices"

	"runnel/cmd/runnel/internal/config"
	"runnel/edge"
	"runnel/transport"
	"runnel/uplink"
)

// prepared is all that a plan needs and that may fail: sockets are bound, keys read, spools open. Nobody is served yet, and
// what runs has not noticed. apply uses it, or drop gives it back.
type prepared struct {
	realms    []edge.RealmOptions // all that there will be
	listeners []*listener         // new ones, also in the place of others
	lines     []*line             // likewise
	links     []*link             // likewise
	exporter  *exporter           // nil: none, or the one that runs
}

// prepare makes what the plan needs. On an error nothing is left of it.
func (n *node) prepare(p *plan) (*prepared, error) {
	r := &prepared{}
	for _, step := range []func(*plan, *prepared) error{n.prepareRealms, n.prepareListeners, n.prepareMetrics, n.prepareLinks} {
		if err := step(p, r); err != nil {
			r.drop()
			return nil, err
		}
	}
	for _, s := range p.lines.next() {
		r.lines = append(r.lines, n.newLine(s))
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

// next returns the parts that are to be made.
func (d difference[T]) next() []T {
	list := slices.Clone(d.added)
	for _, x := range d.replaced {
		list = append(list, x.next)
	}
	return list
}

// ending returns the parts that are to end.
func (d difference[T]) ending() []T {
	list := slices.Clone(d.gone)
	for _, x := range d.replaced {
		list = append(list, x.old)
	}
	return list
}

func (n *node) prepareRealms(p *plan, r *prepared) error {
	for _, realm := range p.next.Realms {
		opts, err := config.RealmOptions(p.next, realm)
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

func (n *node) prepareListeners(p *plan, r *prepared) error {
	var over []*transport.Listener
	for _, l := range n.listeners {
		if l.isOneOf(p.listens.ending()) {
			over = append(over, l.Listener)
		}
	}
	var sockets []net.Listener // that metrics may have had
	if n.exporter != nil && p.metrics {
		sockets = append(sockets, n.exporter.socket)
	}
	for _, l := range p.listens.next() {
		opened, err := n.listen(l, over, sockets)
		if err != nil {
			return err
		}
		if opened != nil {
			r.listeners = append(r.listeners, opened)
		}
	}
	return nil
}

func (l *listener) isOneOf(list []config.Listen) bool {
	return slices.ContainsFunc(list, func(other config.Listen) bool { return other.URL == l.config.URL })
}

func (n *node) prepareMetrics(p *plan, r *prepared) (err error) {
	if !p.metrics {
		return nil
	}
	var over []net.Listener
	for _, l := range n.listeners {
		if l.isOneOf(p.listens.ending()) {
			over = append(over, l.Socket())
		}
	}
	if n.exporter != nil {
		over = append(over, n.exporter.socket)
	}
	r.exporter, err = n.newExporter(p.next.Metrics.URL, over...)
	return err
}

// prepareLinks makes the new links. One in the place of another has its spool.
func (n *node) prepareLinks(p *plan, r *prepared) error {
	for _, u := range p.uplinks.added {
		if err := r.addLink(n.openLink(p.next, u)); err != nil {
			return err
		}
	}
	for _, x := range p.uplinks.replaced {
		old := n.linkNamed(x.old.Name)
		if x.next.Stores(config.DataDir(p.next) != "") && !old.spool.OnDisk() {
			return fmt.Errorf("uplink %s: its queue is in memory, and events that are to be stored need a directory; restart the router", x.next.Name)
		}
		if err := r.addLink(n.newLink(p.next, x.next, old.spool, uplink.NewHandover())); err != nil {
			return err
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

func (n *node) linkNamed(name string) *link {
	return n.uplinks[slices.IndexFunc(n.uplinks, func(l *link) bool { return l.config.Name == name })]
}

// drop gives back what a link has that never ran.
func (l *link) drop() {
	if l.from == nil {
		l.spool.Close()
	}
}
