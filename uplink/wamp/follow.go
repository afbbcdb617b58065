package wamp

import (
	"slices"

	"runnel/edge/wamp"
)

// makeWatches makes the mirrors and watches for the rules.
func (l *Link) makeWatches() error {
	exported, imported := l.of(exports, "topic"), l.of(imports, "topic")
	if following(exported) {
		l.watch(&l.remote, subscriptions, abroad(exported), overlap(abroad(exported), home(imported)), l.learnInterest)
	}
	var followed, keep []*rule
	for _, r := range imported {
		if r.isKept() {
			keep = append(keep, r)
		} else {
			followed = append(followed, r)
		}
	}
	if err := l.subscribeKept(keep); err != nil {
		return err
	}
	topics := &mirror{rules: followed, seen: (*rule).abroad, named: (*rule).reverse, make: l.subscribe}
	if err := l.mirror(topics, &l.local, subscriptions, overlap(abroad(imported), home(exported))); err != nil {
		return err
	}
	offered, used := l.of(exports, "procedure"), l.of(imports, "procedure")
	out := &mirror{rules: offered, seen: (*rule).home, named: (*rule).rewrite, make: l.register}
	if err := l.mirror(out, &l.local, registrations, overlap(home(offered), abroad(used))); err != nil {
		return err
	}
	in := &mirror{rules: used, seen: (*rule).home, named: (*rule).rewrite, make: l.register, eager: true}
	// Imported procedures are registered from the beginning and in every outage: a link that is down answers with
	// network_failure.
	return l.mirror(in, &l.remote, registrations, overlap(home(used), abroad(offered)))
}

// mirror begins m and makes it follow the offers at one side.
func (l *Link) mirror(m *mirror, at *side, c *census, members bool) error {
	if len(m.rules) == 0 {
		return nil
	}
	if err := m.begin(); err != nil {
		return err
	}
	var patterns []wamp.Pattern
	for _, r := range m.rules {
		patterns = append(patterns, m.seen(r))
	}
	if following(m.rules) {
		l.watch(at, c, patterns, members, m.follow)
	}
	return nil
}

func (l *Link) watch(at *side, c *census, patterns []wamp.Pattern, members bool, found func(knowledge, []offer)) {
	at.watches = append(at.watches, &watch{
		side: at, census: c, patterns: patterns, members: members, found: found, inbox: newInbox(),
	})
}

// following reports whether the central router reports all subscriptions and registrations that the link asks for.
func (l *Link) following() bool {
	silent := func(w *watch) bool { return !w.isKnown.Load() }
	return len(l.remote.watches) > 0 && !slices.ContainsFunc(l.remote.watches, silent)
}
