package node

import (
	"fmt"
	"slices"
	"strings"

	"runnel/cmd/runnel/internal/config"
)

// Changes is the difference between the running configuration and the next one, which a reload applies. It is
// immutable.
type Changes struct {
	next *config.Config // as it will run

	realms   difference[*config.Realm] // a realm that is replaced is updated in place
	listens  difference[*config.Listen]
	lines    difference[*config.Serial]
	uplinks  difference[*config.Uplink]
	webhooks difference[*config.Webhook]
	metrics  bool // the exporter is replaced

	settings []string // the changes of tables that belong to no part, for people
	updated  []string // the changes of realms that are replaced, for people
	renewed  []string // files that unchanged parts read again by themselves, for people
}

// difference describes the changes of the parts of one kind. A part is identified by its name; a listener's name is
// its URL. T is a pointer, so that all kinds share their code.
type difference[T any] struct {
	kept, added, gone []T
	replaced          []exchange[T]
}

// exchange is a part and its replacement.
type exchange[T any] struct{ old, next T }

// Plan compares two checked configurations. It depends on nothing else and changes neither of them.
func Plan(old, next *config.Config) *Changes {
	p := &Changes{next: inherit(old, next)}
	p.realms = compare(pointers(old.Realms), pointers(next.Realms), func(r *config.Realm) string { return r.Name }, func(a, b *config.Realm) bool { return config.Equal(*a, *b) })
	p.listens = compare(pointers(old.Listens), pointers(next.Listens), func(l *config.Listen) string { return l.URL }, func(a, b *config.Listen) bool { return a.Same(*b) })
	p.lines = compare(pointers(old.Serials), pointers(next.Serials), func(s *config.Serial) string { return s.Name }, func(a, b *config.Serial) bool { return config.Equal(*a, *b) })
	p.uplinks = compare(pointers(old.Uplinks), pointers(next.Uplinks), func(u *config.Uplink) string { return u.Name }, func(a, b *config.Uplink) bool { return a.Same(*b) })
	p.webhooks = compare(pointers(old.Webhooks), pointers(next.Webhooks), func(w *config.Webhook) string { return w.Name }, func(a, b *config.Webhook) bool { return config.Equal(*a, *b) })
	p.metrics = old.Metrics.URL != next.Metrics.URL
	p.settings = changedSettings(old, next)
	for _, x := range p.realms.replaced {
		p.updated = append(p.updated, changedRealm(*x.old, *x.next)...)
	}
	p.renewed = append(renewedListeners(old, p.listens.kept), renewedUplinks(old, p.uplinks.kept)...)
	return p
}

// inherit returns next with the facts that only a restart changes: the data directory, its installation id, and
// whether another router uses it.
func inherit(old, next *config.Config) *config.Config {
	c := *next
	c.Node.Data, c.Installation, c.KeepsNothing = old.Node.Data, old.Installation, old.KeepsNothing
	return &c
}

// compare finds the changes of the parts of one kind.
func compare[T any](old, next []T, name func(T) string, same func(T, T) bool) (d difference[T]) {
	before, after := names(old, name), names(next, name)
	for i, part := range next {
		switch at := slices.Index(before, after[i]); {
		case at < 0:
			d.added = append(d.added, part)
		case same(old[at], part):
			d.kept = append(d.kept, part)
		default:
			d.replaced = append(d.replaced, exchange[T]{old[at], part})
		}
	}
	for i, part := range old {
		if !slices.Contains(after, before[i]) {
			d.gone = append(d.gone, part)
		}
	}
	return d
}

func names[T any](parts []T, name func(T) string) []string {
	list := make([]string, len(parts))
	for i, part := range parts {
		list[i] = name(part)
	}
	return list
}

// pointers returns pointers to copies of parts.
func pointers[T any](parts []T) []*T {
	list := make([]*T, len(parts))
	for i, part := range parts {
		list[i] = &part
	}
	return list
}

// starting returns the parts to be made.
func (d difference[T]) starting() []T {
	list := slices.Clone(d.added)
	for _, x := range d.replaced {
		list = append(list, x.next)
	}
	return list
}

// ending returns the parts to be stopped.
func (d difference[T]) ending() []T {
	list := slices.Clone(d.gone)
	for _, x := range d.replaced {
		list = append(list, x.old)
	}
	return list
}

// changedSettings compares the tables that belong to no part.
func changedSettings(old, next *config.Config) (list []string) {
	add := func(changed bool, text string) {
		if changed {
			list = append(list, text)
		}
	}
	limits := next.Limits
	limits.MaxMessage = old.Limits.MaxMessage // a setting of listeners and lines
	add(old.Node.Data != next.Node.Data, "[node] data: takes effect at the next start")
	add(!config.Equal(old.Limits, limits), "[limits]")
	add(old.Node.ID != next.Node.ID, "[node] id: the node is "+next.NodeID())
	add(old.Log.Level != next.Log.Level, "[log] level")
	add(old.Log.Format != next.Log.Format, "[log] format")
	add(old.Metrics.URL != next.Metrics.URL, "[metrics] url")
	add(!slices.Equal(old.Metrics.Hosts, next.Metrics.Hosts), "[metrics] hosts")
	return list
}

// changedRealm lists the changes of a realm.
func changedRealm(old, next config.Realm) (list []string) {
	add := func(changed bool, text string) {
		if changed {
			list = append(list, fmt.Sprintf("realm %s: %s", next.Name, text))
		}
	}
	add(old.Strict != next.Strict, "strict, for sessions that join from now on")
	add(!config.Equal(old.Histories, next.Histories), "histories")
	add(!config.Equal(old.Durables, next.Durables), "durable subscriptions")
	add(old.DurableSize != next.DurableSize, "durable_size: takes effect at the next start")
	old.DurableSize = next.DurableSize
	old.Strict, old.Histories, old.Durables = next.Strict, next.Histories, next.Durables
	rotated := config.RotatedSecrets(old, next)
	old.Principals, next.Principals = config.WithoutFiles(old.Principals), config.WithoutFiles(next.Principals)
	add(!config.Equal(old, next), "who may join and what they may do")
	add(len(rotated) > 0, "the secret of "+strings.Join(rotated, ", "))
	return list
}

// renewedListeners lists the listeners whose certificate files have changed.
func renewedListeners(old *config.Config, kept []*config.Listen) (list []string) {
	for _, l := range kept {
		i := slices.IndexFunc(old.Listens, func(o config.Listen) bool { return o.URL == l.URL })
		if old.Listens[i].Renewed(*l) {
			list = append(list, fmt.Sprintf("listener %s: new certificate", l.URL))
		}
	}
	return list
}

// renewedUplinks lists the uplinks whose certificate files have changed.
func renewedUplinks(old *config.Config, kept []*config.Uplink) (list []string) {
	for _, u := range kept {
		i := slices.IndexFunc(old.Uplinks, func(o config.Uplink) bool { return o.Name == u.Name })
		if old.Uplinks[i].Renewed(*u) {
			list = append(list, fmt.Sprintf("uplink %s: new certificate, from its next connection on", u.Name))
		}
	}
	return list
}
