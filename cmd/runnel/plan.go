package main

import (
	"fmt"
	"slices"
	"strings"
)

// plan is the difference between two configurations: what becomes of each part of the node that runs when another
// configuration is to take effect. It is found without a look at what runs, and without any effect on it. apply.go carries
// it out.
type plan struct {
	old, next *Config

	realms  difference[Realm] // those replaced are only updated
	listens difference[Listen]
	lines   difference[Serial]
	uplinks difference[Uplink]
	metrics bool // another URL

	renewed []string // what has taken effect without a change of any part
	said    []string // what has changed otherwise, for people
}

// difference is what becomes of the parts of one kind. A part is known by its name: a listener's is its URL.
type difference[T any] struct {
	kept, added, gone []T
	replaced          []exchange[T]
}

// exchange is a part and the one that takes its place.
type exchange[T any] struct{ old, next T }

// newPlan compares two configurations that were checked.
func newPlan(old, next *Config) *plan {
	p := &plan{old: old, next: next}
	p.settings()
	p.realms = compare(old.Realms, next.Realms, func(r Realm) string { return r.Name }, same[Realm])
	p.listens = compare(old.Listens, next.Listens, func(l Listen) string { return l.URL }, Listen.same)
	p.lines = compare(old.Serials, next.Serials, func(s Serial) string { return s.Name }, same[Serial])
	p.uplinks = compare(old.Uplinks, next.Uplinks, func(u Uplink) string { return u.Name }, Uplink.same)
	p.renewals()
	return p
}

// compare finds out what becomes of the parts of one kind.
func compare[T any](old, next []T, name func(T) string, same func(T, T) bool) (d difference[T]) {
	find := func(list []T, part T) int {
		return slices.IndexFunc(list, func(other T) bool { return name(other) == name(part) })
	}
	for _, part := range next {
		switch i := find(old, part); {
		case i < 0:
			d.added = append(d.added, part)
		case same(old[i], part):
			d.kept = append(d.kept, part)
		default:
			d.replaced = append(d.replaced, exchange[T]{old[i], part})
		}
	}
	for _, part := range old {
		if find(next, part) < 0 {
			d.gone = append(d.gone, part)
		}
	}
	return d
}

// settings compares what belongs to no part.
func (p *plan) settings() {
	old, next := p.old, p.next
	next.keepsNothing, next.installation = old.keepsNothing, old.installation
	if next.Node.Data != old.Node.Data {
		next.Node.Data = old.Node.Data // what runs keeps its directory
		p.say("[node] data: takes effect at the next start")
	}
	limits := next.Limits
	limits.MaxMessage = old.Limits.MaxMessage // listeners and lines have it
	if !same(old.Limits, limits) {
		p.say("[limits]")
	}
	if old.Node.ID != next.Node.ID {
		p.say("[node] id: the node is %s", next.nodeID())
	}
	if old.Log.Level != next.Log.Level {
		p.say("[log] level")
	}
	if old.Log.Format != next.Log.Format {
		p.say("[log] format")
	}
	if p.metrics = old.Metrics.URL != next.Metrics.URL; p.metrics {
		p.say("[metrics] url")
	}
}

func (p *plan) say(format string, args ...any) { p.said = append(p.said, fmt.Sprintf(format, args...)) }

// renewals finds the files that the parts that stay look after themselves.
func (p *plan) renewals() {
	for _, l := range p.listens.kept {
		i := slices.IndexFunc(p.old.Listens, func(old Listen) bool { return old.URL == l.URL })
		if p.old.Listens[i].pair != l.pair {
			p.renewed = append(p.renewed, fmt.Sprintf("listener %s: another certificate", l.URL))
		}
	}
	for _, u := range p.uplinks.kept {
		i := slices.IndexFunc(p.old.Uplinks, func(old Uplink) bool { return old.Name == u.Name })
		if p.old.Uplinks[i].pair != u.pair {
			p.renewed = append(p.renewed, fmt.Sprintf("uplink %s: another certificate, from its next connection on", u.Name))
		}
	}
}

// same reports whether a listener need not be opened again. It looks after its certificate itself.
func (l Listen) same(next Listen) bool {
	l.pair = next.pair
	return same(l, next)
}

// same reports whether an uplink need not be made again. It looks after its certificate itself.
func (u Uplink) same(next Uplink) bool {
	u.pair = next.pair
	return same(u, next)
}

// because says why an uplink is made again where its configuration does not show that.
func (u Uplink) because(next Uplink) string {
	var reasons []string
	if u.node != next.node {
		reasons = append(reasons, "the node has another id")
	}
	if u.files != next.files {
		reasons = append(reasons, "a secret, a key or a CA file has changed")
	}
	return listed(reasons)
}

// because says why a listener is opened again where its configuration does not show that.
func (l Listen) because(next Listen) string {
	if l.files != next.files {
		return ": the file of client_ca has changed"
	}
	return ""
}

func listed(reasons []string) string {
	if reasons == nil {
		return ""
	}
	return ": " + strings.Join(reasons, ", ")
}

// sayRealm says what is different in a realm.
func (p *plan) sayRealm(old, next Realm) {
	if old.Strict != next.Strict {
		p.say("realm %s: strict, for sessions that join from now on", next.Name)
	}
	if !same(old.Histories, next.Histories) {
		p.say("realm %s: histories", next.Name)
	}
	old.Strict, old.Histories = next.Strict, next.Histories
	rotated := rotatedSecrets(old, next)
	old.Principals, next.Principals = withoutFiles(old.Principals), withoutFiles(next.Principals)
	if !same(old, next) {
		p.say("realm %s: who may join and what they may do", next.Name)
	}
	if len(rotated) > 0 {
		p.say("realm %s: the secret of %s", next.Name, strings.Join(rotated, ", "))
	}
}

// rotatedSecrets returns the principals whose secret is another although the configuration names it as before.
func rotatedSecrets(old, next Realm) (authids []string) {
	for _, p := range next.Principals {
		i := slices.IndexFunc(old.Principals, func(before Principal) bool { return before.Authid == p.Authid })
		if i < 0 || old.Principals[i].files == p.files {
			continue
		}
		before := old.Principals[i]
		if before.files = p.files; same(before, p) {
			authids = append(authids, p.Authid)
		}
	}
	return authids
}

func withoutFiles(list []Principal) []Principal {
	list = slices.Clone(list)
	for i := range list {
		list[i].files = digest{}
	}
	return list
}
