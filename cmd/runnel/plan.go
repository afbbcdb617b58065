package main

import (
	"fmt"
	"slices"
	"strings"

	"runnel/cmd/runnel/internal/config"
)

// plan is the difference between two configurations: what becomes of each part of the node that runs when another
// configuration is to take effect. It is found without a look at what runs, and without any effect on it. apply.go carries
// it out.
type plan struct {
	old, next *config.Config

	realms  difference[config.Realm] // those replaced are only updated
	listens difference[config.Listen]
	lines   difference[config.Serial]
	uplinks difference[config.Uplink]
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
func newPlan(old, next *config.Config) *plan {
	p := &plan{old: old, next: next}
	p.settings()
	p.realms = compare(old.Realms, next.Realms, func(r config.Realm) string { return r.Name }, config.Same[config.Realm])
	p.listens = compare(old.Listens, next.Listens, func(l config.Listen) string { return l.URL }, config.Listen.Same)
	p.lines = compare(old.Serials, next.Serials, func(s config.Serial) string { return s.Name }, config.Same[config.Serial])
	p.uplinks = compare(old.Uplinks, next.Uplinks, func(u config.Uplink) string { return u.Name }, config.Uplink.Same)
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
	next.KeepsNothing, next.Installation = old.KeepsNothing, old.Installation
	if next.Node.Data != old.Node.Data {
		next.Node.Data = old.Node.Data // what runs keeps its directory
		p.say("[node] data: takes effect at the next start")
	}
	limits := next.Limits
	limits.MaxMessage = old.Limits.MaxMessage // listeners and lines have it
	if !config.Same(old.Limits, limits) {
		p.say("[limits]")
	}
	if old.Node.ID != next.Node.ID {
		p.say("[node] id: the node is %s", next.NodeID())
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
		i := slices.IndexFunc(p.old.Listens, func(old config.Listen) bool { return old.URL == l.URL })
		if p.old.Listens[i].Renewed(l) {
			p.renewed = append(p.renewed, fmt.Sprintf("listener %s: another certificate", l.URL))
		}
	}
	for _, u := range p.uplinks.kept {
		i := slices.IndexFunc(p.old.Uplinks, func(old config.Uplink) bool { return old.Name == u.Name })
		if p.old.Uplinks[i].Renewed(u) {
			p.renewed = append(p.renewed, fmt.Sprintf("uplink %s: another certificate, from its next connection on", u.Name))
		}
	}
}

// sayRealm says what is different in a realm.
func (p *plan) sayRealm(old, next config.Realm) {
	if old.Strict != next.Strict {
		p.say("realm %s: strict, for sessions that join from now on", next.Name)
	}
	if !config.Same(old.Histories, next.Histories) {
		p.say("realm %s: histories", next.Name)
	}
	old.Strict, old.Histories = next.Strict, next.Histories
	rotated := config.RotatedSecrets(old, next)
	old.Principals, next.Principals = config.WithoutFiles(old.Principals), config.WithoutFiles(next.Principals)
	if !config.Same(old, next) {
		p.say("realm %s: who may join and what they may do", next.Name)
	}
	if len(rotated) > 0 {
		p.say("realm %s: the secret of %s", next.Name, strings.Join(rotated, ", "))
	}
}
