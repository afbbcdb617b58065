package main

import (
	"errors"
	"slices"

	"runnel/cmd/runnel/internal/config"
	"runnel/edge/wamp"
)

var errNotRunning = errors.New("the router is starting or stopping")

// reloaded is what sessions are told that end because the way they came by does.
const reloaded = "the router's configuration has changed"

// apply makes the running node that of another configuration, and says what has changed. On an error nothing has: whatever
// may fail is done by prepare.
//
//	listeners, serial lines     those that are gone or different end, with their sessions
//	limits, the log             take effect
//	realms, uplinks             new ones begin; then realms get their new policies; then uplinks that are gone or different end
//	listeners, serial lines     new ones begin
//
// A part that is the same in both configurations does not notice. No lock that a look at the node needs is held meanwhile.
func (n *node) apply(next *config.Config) ([]string, error) {
	n.changing.Lock()
	defer n.changing.Unlock()
	if !n.running {
		return nil, errNotRunning
	}
	p := newPlan(n.config, next)
	r, err := n.prepare(p)
	if err != nil {
		return nil, err
	}
	n.carryOut(p, r)
	said := append(p.said, p.renewed...)
	for _, text := range said {
		n.log.Info("configuration changed", "change", text)
	}
	return said, nil
}

func (n *node) carryOut(p *plan, r *prepared) {
	n.endListeners(p, r)
	n.endLines(p)
	n.router.Update(routerOptions(p.next, n.log))
	n.changeMemory(p.next)
	setLog(p.next.Log)
	n.mu.Lock()
	n.config = p.next
	n.mu.Unlock()
	n.addRealms(p)
	old := n.beginLinks(p, r)
	n.updateRealms(p, r)
	for _, l := range old {
		l.work.stop()
	}
	n.removeRealms(p)
	n.changeMetrics(p, r)
	n.begin(p, r)
	n.awaitLinks(p, old)
}

func (n *node) endListeners(p *plan, r *prepared) {
	for _, l := range r.listeners {
		if err := l.Claim(); err != nil {
			n.log.Error("cannot take over the socket's path", "url", l.URL(), "err", err)
		}
	}
	kept := n.listeners[:0:0]
	for _, l := range n.listeners {
		if !l.isOneOf(p.listens.ending()) {
			kept = append(kept, l)
			continue
		}
		l.work.stop() // and its own Run waits for the sessions
		l.Close()
		at := l.URL()
		n.router.CloseSessions(func(t *wamp.Transport) bool { return t.Network != "serial" && t.Listener == at }, wamp.CloseShutdown, reloaded)
		if l.isOneOf(p.listens.gone) {
			p.say("listener %s closed", at)
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.listeners = kept
}

func (n *node) endLines(p *plan) {
	ending, gone := p.lines.ending(), p.lines.gone
	named := func(list []config.Serial, l *line) bool {
		return slices.ContainsFunc(list, func(s config.Serial) bool { return s.Name == l.config.Name })
	}
	kept := n.lines[:0:0]
	for _, l := range n.lines {
		if !named(ending, l) {
			kept = append(kept, l)
			continue
		}
		l.work.stop()
		n.router.CloseSessions(func(t *wamp.Transport) bool { return t.Network == "serial" && t.Listener == l.config.Name }, wamp.CloseShutdown, reloaded)
		l.work.end() // the port is to be free for another line
		if named(gone, l) {
			p.say("serial line %s ended", l.config.Name)
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.lines = kept
}

func (n *node) addRealms(p *plan) {
	for _, m := range p.realms.added {
		n.mu.Lock()
		err := n.addRealm(p.next, m)
		made := n.reporters[len(n.reporters)-1]
		n.mu.Unlock()
		if err != nil { // prepare has checked all that can be wrong with it
			n.log.Error("cannot add the realm", "realm", m.Name, "err", err)
			continue
		}
		n.runReporter(made)
		p.say("realm %s added", m.Name)
	}
}

// updateRealms gives the realms their policies, even if the file is the same: a secret may be another.
func (n *node) updateRealms(p *plan, r *prepared) {
	for _, opts := range r.realms {
		if slices.ContainsFunc(p.realms.added, func(m config.Realm) bool { return m.Name == opts.Name }) {
			continue
		}
		if err := n.router.UpdateRealm(opts); err != nil { // prepare has checked all that can be wrong with it
			n.log.Error("cannot update the realm", "realm", opts.Name, "err", err)
		}
	}
	for _, x := range p.realms.replaced {
		p.sayRealm(x.old, x.next)
	}
}

func (n *node) removeRealms(p *plan) {
	for _, m := range p.realms.gone {
		n.mu.Lock()
		n.reporters = slices.DeleteFunc(n.reporters, func(r *reporter) bool {
			if r.realm == m.Name {
				r.work.stop() // without waiting: it may be what asks for the change
			}
			return r.realm == m.Name
		})
		n.mu.Unlock()
		if err := n.router.RemoveRealm(m.Name); err != nil {
			n.log.Error("cannot remove the realm", "realm", m.Name, "err", err)
		}
		p.say("realm %s removed", m.Name)
	}
}

// beginLinks starts the new links and waits until they store what is exported. It returns those that are to end: a link that
// gives its spool to another stores events until that one does.
func (n *node) beginLinks(p *plan, r *prepared) (ending []*link) {
	kept := n.uplinks[:0:0]
	for _, l := range n.uplinks {
		if slices.ContainsFunc(p.uplinks.ending(), func(u config.Uplink) bool { return u.Name == l.config.Name }) {
			ending = append(ending, l)
		} else {
			kept = append(kept, l)
		}
	}
	for _, l := range r.links {
		if l.from != nil {
			n.linkNamed(l.config.Name).GiveTo(l.from)
			l.spool.Update(l.config.SpoolOptions())
		}
		n.startLink(l)
	}
	n.awaitReady(r.links)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.uplinks = append(kept, r.links...)
	return ending
}

// awaitLinks waits for the end of links, which may take some seconds for the far side.
func (n *node) awaitLinks(p *plan, ending []*link) {
	for _, l := range ending {
		<-l.work.done
	}
	for _, u := range p.uplinks.gone {
		i := slices.IndexFunc(ending, func(l *link) bool { return l.config.Name == u.Name })
		p.say("uplink %s ended%s", u.Name, ending[i].remains())
	}
}

// begin starts the new listeners and lines, and says what has begun.
func (n *node) begin(p *plan, r *prepared) {
	for _, l := range r.listeners {
		n.runListener(l)
	}
	for _, l := range r.lines {
		n.runLine(l)
	}
	n.mu.Lock()
	n.listeners = append(n.listeners, r.listeners...)
	n.lines = append(n.lines, r.lines...)
	n.mu.Unlock()
	for _, l := range r.listeners {
		i := slices.IndexFunc(p.listens.replaced, func(x exchange[config.Listen]) bool { return x.next.URL == l.config.URL })
		if i < 0 {
			p.say("listener %s opened", l.URL())
			continue
		}
		p.say("listener %s opened again%s", l.URL(), p.listens.replaced[i].old.ChangeReason(l.config))
	}
	sayBegun(p, "serial line", p.lines, func(s config.Serial) string { return s.Name }, func(config.Serial, config.Serial) string { return "" })
	sayBegun(p, "uplink", p.uplinks, func(u config.Uplink) string { return u.Name }, config.Uplink.ChangeReason)
}

func sayBegun[T any](p *plan, kind string, d difference[T], name func(T) string, because func(old, next T) string) {
	for _, part := range d.added {
		p.say("%s %s started", kind, name(part))
	}
	for _, x := range d.replaced {
		p.say("%s %s started again%s", kind, name(x.next), because(x.old, x.next))
	}
}
