package node

import (
	"errors"
	"fmt"
	"slices"

	"runnel/cmd/runnel/internal/config"
	"runnel/edge/wamp"
)

var errNotRunning = errors.New("the router is starting or stopping")

// closedByReload is the message of GOODBYE to sessions whose listener or line ends.
const closedByReload = "the router's configuration has changed"

// apply changes the running node to another configuration and returns the changes. After an error nothing has
// changed: prepare does everything that can fail.
//
//	listeners, serial lines     those that are gone or replaced end, with their sessions
//	limits, the log             take effect
//	realms, uplinks             new ones start; then realms get their new policies; then uplinks that are gone or replaced end
//	listeners, serial lines     new ones start
//
// A part that is the same in both configurations is not touched. Reports need none of the locks that apply holds.
func (n *Node) apply(next *config.Config) ([]string, error) {
	n.changing.Lock()
	defer n.changing.Unlock()
	if !n.running {
		return nil, errNotRunning
	}
	p := Plan(n.config, next)
	r, err := n.prepare(p)
	if err != nil {
		return nil, err
	}
	a := &application{node: n, plan: p, parts: r, done: slices.Clone(p.settings)}
	a.carryOut()
	changes := append(a.done, p.renewed...)
	for _, text := range changes {
		n.log.Info("configuration changed", "change", text)
	}
	return changes, nil
}

// application carries out a reload. None of its steps returns an error: prepare has checked all conditions.
type application struct {
	node  *Node
	plan  *Changes
	parts *prepared
	done  []string // the changes so far, for people
}

func (a *application) say(format string, args ...any) {
	a.done = append(a.done, fmt.Sprintf(format, args...))
}

func (a *application) carryOut() {
	n, next := a.node, a.plan.next
	a.stopListeners()
	a.stopLines()
	n.router.Update(n.routerOptions(next))
	n.changeMemory(next)
	if n.opts.SetLog != nil {
		n.opts.SetLog(next.Log)
	}
	n.mu.Lock()
	n.config = next
	n.mu.Unlock()
	a.addRealms()
	old := a.startLinks()
	a.updateRealms()
	for _, l := range old {
		l.work.stop()
	}
	a.removeRealms()
	a.replaceExporter()
	a.startListenersAndLines()
	a.sayStarted()
	a.replaceHooks()
	a.awaitLinks(old)
}

func (a *application) stopListeners() {
	n := a.node
	ending := a.plan.listens.ending()
	kept := n.listeners[:0:0]
	for _, l := range n.listeners {
		if !l.isOneOf(ending) {
			kept = append(kept, l)
			continue
		}
		l.work.stop() // its Run waits for the sessions
		l.Close()
		url := l.URL()
		n.router.CloseSessions(func(t *wamp.Transport) bool { return t.Network != "serial" && t.Listener == url }, wamp.CloseShutdown, closedByReload)
		if l.isOneOf(a.plan.listens.gone) {
			a.say("listener %s closed", url)
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.listeners = kept
}

func (a *application) stopLines() {
	n := a.node
	ending, gone := a.plan.lines.ending(), a.plan.lines.gone
	isOneOf := func(list []*config.Serial, l *line) bool {
		return slices.ContainsFunc(list, func(s *config.Serial) bool { return s.Name == l.config.Name })
	}
	kept := n.lines[:0:0]
	for _, l := range n.lines {
		if !isOneOf(ending, l) {
			kept = append(kept, l)
			continue
		}
		l.work.stop()
		n.router.CloseSessions(func(t *wamp.Transport) bool { return t.Network == "serial" && t.Listener == l.config.Name }, wamp.CloseShutdown, closedByReload)
		l.work.close() // another line may need the port
		if isOneOf(gone, l) {
			a.say("serial line %s ended", l.config.Name)
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.lines = kept
}

func (a *application) addRealms() {
	n := a.node
	for _, m := range a.plan.realms.added {
		n.mu.Lock()
		err := n.addRealm(a.plan.next, *m)
		made := n.reporters[len(n.reporters)-1]
		n.mu.Unlock()
		if err != nil {
			n.log.Error("cannot add the realm", "realm", m.Name, "err", err)
			continue
		}
		n.startReporter(made)
		a.say("realm %s added", m.Name)
	}
}

// updateRealms gives the realms their policies. Realms with an unchanged configuration get theirs as well, because
// the content of a secret's file may have changed.
func (a *application) updateRealms() {
	for _, opts := range a.parts.realms {
		if slices.ContainsFunc(a.plan.realms.added, func(m *config.Realm) bool { return m.Name == opts.Name }) {
			continue
		}
		if err := a.node.router.UpdateRealm(opts); err != nil {
			a.node.log.Error("cannot update the realm", "realm", opts.Name, "err", err)
		}
	}
	a.node.forgetGuests()
	a.done = append(a.done, a.plan.updated...)
}

func (a *application) removeRealms() {
	n := a.node
	for _, m := range a.plan.realms.gone {
		n.mu.Lock()
		n.reporters = slices.DeleteFunc(n.reporters, func(r *reporter) bool {
			if r.realm == m.Name {
				r.stop()
			}
			return r.realm == m.Name
		})
		n.mu.Unlock()
		if err := n.router.RemoveRealm(m.Name); err != nil {
			n.log.Error("cannot remove the realm", "realm", m.Name, "err", err)
		}
		a.say("realm %s removed", m.Name)
	}
}

// startLinks starts the new links and waits until they store exported events. It returns the links that must end. A
// replaced link stores events until its successor does.
func (a *application) startLinks() (ending []*link) {
	n := a.node
	kept := n.uplinks[:0:0]
	for _, l := range n.uplinks {
		if slices.ContainsFunc(a.plan.uplinks.ending(), func(u *config.Uplink) bool { return u.Name == l.config.Name }) {
			ending = append(ending, l)
		} else {
			kept = append(kept, l)
		}
	}
	for _, l := range a.parts.links {
		if l.from != nil {
			n.linkNamed(l.config.Name).SetHandover(l.from)
			l.spool.Update(l.config.SpoolOptions())
		}
		n.startLink(l)
	}
	n.awaitReady(a.parts.links)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.uplinks = append(kept, a.parts.links...)
	return ending
}

// awaitLinks waits for the end of links. The far side may take some seconds.
func (a *application) awaitLinks(ending []*link) {
	for _, l := range ending {
		<-l.work.done
	}
	for _, u := range a.plan.uplinks.gone {
		i := slices.IndexFunc(ending, func(l *link) bool { return l.config.Name == u.Name })
		a.say("uplink %s ended%s", u.Name, ending[i].remains())
	}
}

func (a *application) replaceExporter() {
	n := a.node
	if !a.plan.metrics {
		return
	}
	if n.exporter != nil {
		n.exporter.work.close()
	}
	if n.exporter = a.parts.exporter; n.exporter != nil {
		n.startExporter()
	}
}

func (a *application) startListenersAndLines() {
	n := a.node
	for _, l := range a.parts.listeners {
		n.startListener(l)
	}
	for _, l := range a.parts.lines {
		n.startLine(l)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.listeners = append(n.listeners, a.parts.listeners...)
	n.lines = append(n.lines, a.parts.lines...)
}

func (a *application) sayStarted() {
	for _, l := range a.parts.listeners {
		i := slices.IndexFunc(a.plan.listens.replaced, func(x exchange[*config.Listen]) bool { return x.next.URL == l.config.URL })
		if i < 0 {
			a.say("listener %s opened", l.URL())
			continue
		}
		a.say("listener %s opened again%s", l.URL(), a.plan.listens.replaced[i].old.ChangeReason(l.config))
	}
	sayStarted(a, "serial line", a.plan.lines, func(s *config.Serial) string { return s.Name }, func(_, _ *config.Serial) string { return "" })
	sayStarted(a, "uplink", a.plan.uplinks, func(u *config.Uplink) string { return u.Name }, func(old, next *config.Uplink) string { return old.ChangeReason(*next) })
}

func sayStarted[T any](a *application, kind string, d difference[T], name func(T) string, reason func(old, next T) string) {
	for _, part := range d.added {
		a.say("%s %s started", kind, name(part))
	}
	for _, x := range d.replaced {
		a.say("%s %s started again%s", kind, name(x.next), reason(x.old, x.next))
	}
}
