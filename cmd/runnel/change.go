package main

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"syscall"

	"runnel/edge"
	"runnel/edge/wamp"
)

// change is what makes the running node that of another configuration. It is planned first, without any effect on what
// runs, so that a plan that fails changes nothing; then it is carried out:
//
//	uplinks, listeners, serial lines   those that are gone or different end, with their sessions
//	limits, the log                    count from here on
//	realms                             come, go, or get another policy and other histories
//	listeners, serial lines, uplinks   those that are new or different start
//
// A part that is the same in both configurations does not notice.
type change struct {
	config *Config
	realms []edge.RealmOptions // all that there will be
	opened []*listener         // new ones
	later  []Listen            // new ones in the place of others, to be opened when those are closed
	ended  []Listen            // the others
	lines  []*line             // new ones
	links  []*link             // new ones

	said []string // for people
}

func (c *change) say(format string, args ...any) {
	c.said = append(c.said, fmt.Sprintf(format, args...))
}

var errNotRunning = errors.New("the router is starting or stopping")

// apply makes the running node that of the configuration and says what has changed. On an error of the plan nothing has;
// on any other, what it names.
func (n *node) apply(next *Config) ([]string, error) {
	n.changing.Lock()
	defer n.changing.Unlock()
	if !n.running {
		return nil, errNotRunning
	}
	c, err := n.plan(next)
	if err != nil {
		for _, l := range c.opened {
			l.Close()
		}
		for _, l := range c.links {
			l.spool.Close()
		}
		return nil, err
	}
	err = n.carryOut(c)
	for _, text := range c.said {
		n.log.Info("changed", "what", text)
	}
	return c.said, err
}

// plan does what may fail, and what nobody notices.
func (n *node) plan(next *Config) (*change, error) {
	c := &change{config: next}
	n.keepData(c)
	for _, r := range next.Realms {
		opts, err := realmOptions(next, r)
		if err != nil {
			return c, err
		}
		c.realms = append(c.realms, opts)
	}
	for _, u := range next.Uplinks {
		if slices.ContainsFunc(n.uplinks, func(l *link) bool { return l.is(u) }) {
			continue
		}
		open := n.openSpool
		if n.hasLink(u.Name) {
			open = noSpool // until that one has ended
		}
		l, err := n.newLink(u, open)
		if err != nil {
			return c, err
		}
		c.links = append(c.links, l)
	}
	for _, s := range next.Serials {
		if l := n.newLine(next, s); !slices.ContainsFunc(n.lines, func(old *line) bool { return same(old.config, l.config) }) {
			c.lines = append(c.lines, l)
		}
	}
	return c, n.planListeners(c)
}

func (n *node) planListeners(c *change) error {
	for _, l := range c.config.Listens {
		switch i := slices.IndexFunc(n.listeners, func(old *listener) bool { return old.config.URL == l.URL }); {
		case i < 0:
			opened, err := n.listen(c.config, l)
			switch {
			case errors.Is(err, syscall.EADDRINUSE) && n.frees(c.config, l.URL):
				c.later = append(c.later, l)
			case err != nil:
				return err
			case opened != nil:
				c.opened = append(c.opened, opened)
			}
		case !n.listeners[i].is(c.config, l):
			c.later = append(c.later, l)
		}
	}
	return nil
}

// frees reports whether a listener is to be closed that has the port of another one's URL.
func (n *node) frees(next *Config, other string) bool {
	for _, l := range n.listeners {
		if !l.stays(next) && port(l.URL()) != "" && port(l.URL()) == port(other) {
			return true
		}
	}
	return false
}

func port(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return ""
	}
	return u.Port()
}

// stays reports whether the listener is in a configuration, too.
func (l *listener) stays(c *Config) bool {
	return slices.ContainsFunc(c.Listens, func(next Listen) bool { return l.is(c, next) })
}

// is reports whether the listener is the one that a configuration describes.
func (l *listener) is(c *Config, other Listen) bool {
	other.MaxMessage = cmp.Or(other.MaxMessage, c.Limits.MaxMessage)
	return same(l.config, other) && l.files == other.files()
}

func (l *link) is(other Uplink) bool { return same(l.config, other) && l.files == other.files() }

// carryOut makes the change.
func (n *node) carryOut(c *change) error {
	old := n.config
	replacing := n.replacing(c.links)
	defer n.guard(replacing)()
	n.endLinks(c)
	n.endListeners(c)
	n.endLines(c)
	n.changeRouter(old, c)
	err := errors.Join(n.changeRealms(c), n.reopen(c), n.takeOver(c, replacing), n.changeMetrics(c, old.Metrics.URL))
	n.begin(c)
	return err
}

func (n *node) hasLink(name string) bool {
	return slices.ContainsFunc(n.uplinks, func(l *link) bool { return l.config.Name == name })
}

// replacing returns those of the new links that take the place of others, and their spools.
func (n *node) replacing(links []*link) (list []*link) {
	for _, l := range links {
		if n.hasLink(l.config.Name) {
			list = append(list, l)
		}
	}
	return list
}

// takeOver makes the links anew that take the place of others, now that their spools are free.
func (n *node) takeOver(c *change, replacing []*link) (err error) {
	for _, l := range replacing {
		made, failed := n.newLink(l.config, n.openSpool)
		err = errors.Join(err, failed)
		i := slices.Index(c.links, l)
		if failed != nil {
			c.links = slices.Delete(c.links, i, i+1)
			continue
		}
		c.links[i] = made
	}
	return err
}

func (n *node) endLinks(c *change) {
	kept := n.uplinks[:0:0]
	for _, l := range n.uplinks {
		if slices.ContainsFunc(c.config.Uplinks, l.is) {
			kept = append(kept, l)
			continue
		}
		l.work.end()
		if !slices.ContainsFunc(c.links, func(next *link) bool { return next.config.Name == l.config.Name }) {
			c.say("uplink %s ended", l.config.Name)
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.uplinks = kept
}

// reloaded is what sessions are told that end because the way they came by does.
const reloaded = "the router's configuration has changed"

func (n *node) endListeners(c *change) {
	kept := n.listeners[:0:0]
	for _, l := range n.listeners {
		if l.stays(c.config) {
			kept = append(kept, l)
			continue
		}
		l.work.stop() // and its own Run waits for the sessions
		l.Close()
		at := l.URL()
		n.router.End(func(t *wamp.Transport) bool { return t.Network != "serial" && t.Listener == at }, wamp.CloseShutdown, reloaded)
		c.ended = append(c.ended, l.config)
		if !slices.ContainsFunc(c.later, func(next Listen) bool { return next.URL == l.config.URL }) {
			c.say("listener %s closed", at)
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.listeners = kept
}

func (n *node) endLines(c *change) {
	kept := n.lines[:0:0]
	for _, l := range n.lines {
		if slices.ContainsFunc(c.config.Serials, func(next Serial) bool { return same(l.config, n.newLine(c.config, next).config) }) {
			kept = append(kept, l)
			continue
		}
		l.work.stop()
		n.router.End(func(t *wamp.Transport) bool { return t.Network == "serial" && t.Listener == l.config.Name }, wamp.CloseShutdown, reloaded)
		l.work.end() // the port is to be free for another line
		if !slices.ContainsFunc(c.lines, func(next *line) bool { return next.config.Name == l.config.Name }) {
			c.say("serial line %s ended", l.config.Name)
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.lines = kept
}

func (n *node) changeRealms(c *change) (err error) {
	n.mu.Lock()
	old := n.config.Realms
	n.config = c.config
	n.mu.Unlock()
	for _, r := range old {
		if !slices.ContainsFunc(c.config.Realms, func(next Realm) bool { return next.Name == r.Name }) {
			err = errors.Join(err, n.removeRealm(r.Name))
			c.say("realm %s removed", r.Name)
		}
	}
	for i, r := range c.config.Realms {
		was := slices.IndexFunc(old, func(before Realm) bool { return before.Name == r.Name })
		if was < 0 {
			err = errors.Join(err, n.openRealm(c.config, r))
			c.say("realm %s added", r.Name)
			continue
		}
		err = errors.Join(err, n.router.UpdateRealm(c.realms[i])) // even if the file is the same: a secret may be another
		c.sayRealm(old[was], r)
	}
	return err
}

func (n *node) removeRealm(name string) error {
	n.mu.Lock()
	n.reporters = slices.DeleteFunc(n.reporters, func(r *reporter) bool {
		if r.realm == name {
			r.work.stop() // without waiting: it may be what asks for the change
		}
		return r.realm == name
	})
	n.mu.Unlock()
	return n.router.RemoveRealm(name)
}

func (n *node) openRealm(c *Config, r Realm) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := n.addRealm(c, r); err != nil {
		return err
	}
	n.runReporter(n.reporters[len(n.reporters)-1])
	return nil
}

// reopen opens the listeners that take the place of others. If one can't be, the one before it comes back.
func (n *node) reopen(c *change) (err error) {
	for _, l := range c.later {
		opened, failed := n.listen(c.config, l)
		err = errors.Join(err, failed)
		before := slices.IndexFunc(c.ended, func(old Listen) bool { return old.URL == l.URL })
		if failed != nil && before >= 0 {
			opened, failed = n.listen(c.config, c.ended[before])
			err = errors.Join(err, failed)
		}
		if opened != nil {
			c.opened = append(c.opened, opened)
		}
	}
	return err
}

// begin starts what is new.
func (n *node) begin(c *change) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, l := range c.opened {
		n.runListener(l)
		c.say("listener %s opened", l.URL())
	}
	for _, l := range c.lines {
		n.runLine(l)
		c.say("serial line %s started", l.config.Name)
	}
	for _, u := range c.links {
		n.runLink(u)
		c.say("uplink %s started", u.config.Name)
	}
	n.listeners = append(n.listeners, c.opened...)
	n.lines = append(n.lines, c.lines...)
	n.uplinks = append(n.uplinks, c.links...)
}

// keepData has what is on disk stay where it is: what runs keeps its directory.
func (n *node) keepData(c *change) {
	c.config.keepsNothing = n.config.keepsNothing
	if c.config.Node.Data != n.config.Node.Data {
		c.config.Node.Data = n.config.Node.Data
		c.say("[node] data: counts from the next start")
	}
}

// changeRouter sets what counts for the router as a whole, and for the log.
func (n *node) changeRouter(old *Config, c *change) {
	next := c.config
	n.router.Update(routerOptions(next, n.log))
	limits := next.Limits
	limits.MaxMessage = old.Limits.MaxMessage // listeners and lines have it
	if !same(old.Limits, limits) {
		c.say("[limits]")
	}
	if old.Node.ID != next.Node.ID {
		c.say("[node] id")
	}
	setLog(next.Log)
	if old.Log.Level != next.Log.Level {
		c.say("[log] level")
	}
	if old.Log.Format != next.Log.Format {
		c.say("[log] format")
	}
}

// sayRealm says what is different in a realm.
func (c *change) sayRealm(old, next Realm) {
	if old.Strict != next.Strict {
		c.say("realm %s: strict, for sessions that join from now on", next.Name)
	}
	if !same(old.Histories, next.Histories) {
		c.say("realm %s: histories", next.Name)
	}
	old.Strict, old.Histories = next.Strict, next.Histories
	if !same(old, next) {
		c.say("realm %s: who may join and what they may do", next.Name)
	}
}
