package uplink

import (
	"context"
	"slices"

	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/uplink/spool"
)

// What crosses is what somebody on the other side wants:
//
//	exported topics      all are heard here; those that nobody at the centre subscribes to do not cross (wanted)
//	imported topics      what is subscribed to here, is there (mirror)
//	procedures           what is registered where they are, is on the other side (mirror)
//
// A rule that is Static crosses as it stands, and so does every rule whose router does not tell.

// interest is which of the exported topics somebody at the centre wants. It is immutable.
type interest struct {
	exact    map[string]bool
	prefixes map[string]bool
	lengths  []int // of prefixes
	rest     []wamp.Pattern
}

func newInterest(found []offer) *interest {
	i := &interest{exact: make(map[string]bool), prefixes: make(map[string]bool)}
	for _, o := range found {
		switch o.Match {
		case wamp.Exact:
			i.exact[o.URI] = true
		case wamp.Prefix:
			i.prefixes[o.URI] = true
			if n := len(o.URI); !slices.Contains(i.lengths, n) {
				i.lengths = append(i.lengths, n)
			}
		default:
			i.rest = append(i.rest, o.Pattern)
		}
	}
	return i
}

// in reports whether somebody wants the topic.
func (i *interest) in(topic string) bool {
	if i.exact[topic] {
		return true
	}
	for _, n := range i.lengths {
		if n <= len(topic) && i.prefixes[topic[:n]] {
			return true
		}
	}
	return slices.ContainsFunc(i.rest, func(p wamp.Pattern) bool { return p.Matches(topic) })
}

// wanted reports whether an event of an export has to cross, by the name that its topic has at the centre. What is not
// known is wanted: while the link is down, nobody knows who will be there. What is durable, or retained at the centre, is
// for those as well who come later.
func (l *Link) wanted(r *rule, topic string, e *client.Event) bool {
	known := l.interest.Load()
	if r.static || r.store == spool.Durable || known == nil || known.in(topic) {
		return true
	}
	retained, _ := e.Detail(wamp.KeyRetain).Bool()
	return retained
}

func (l *Link) learnInterest(k knowledge, found []offer) {
	if k != known {
		l.interest.Store(nil)
		return
	}
	l.interest.Store(newInterest(found))
}

// share is what stands on one side for a rule.
type share struct {
	rule *rule
	offer
}

// mirror keeps on one side what its rules want of what was found on the other. Its fields are owned by its watch's run.
type mirror struct {
	rules []*rule
	seen  func(*rule) wamp.Pattern   // what the rule is called where the watch looks
	named func(*rule, string) string // what a URI found there is called where it is made
	make  func(share) (end func(), e error)
	made  map[share]func()

	// timid takes what is not known for what is not there, as long as nothing is known; else it is wanted, so that who
	// calls over a link that is down hears that.
	timid bool
}

// begin makes what stands before anything is known.
func (m *mirror) begin() error {
	m.made = make(map[share]func())
	return m.set(m.wants(func(r *rule) bool { return r.static || !m.timid }, nil))
}

// follow is what a watch calls.
func (m *mirror) follow(k knowledge, found []offer) {
	if k == unknown && m.timid {
		return // as it was
	}
	want := m.wants(func(r *rule) bool { return r.static || k != known }, found)
	if k == unknown {
		for s := range m.made {
			want[s] = true // and more
		}
	}
	m.set(want)
}

// wants returns what the rules want, given what was found; a static rule wants its own pattern.
func (m *mirror) wants(static func(*rule) bool, found []offer) map[share]bool {
	want := make(map[share]bool)
	for _, r := range m.rules {
		if static(r) {
			want[m.share(r, offer{Pattern: m.seen(r)})] = true
			continue
		}
		for _, o := range found {
			if o, ok := narrow(m.seen(r), o); ok {
				want[m.share(r, o)] = true
			}
		}
	}
	return want
}

func (m *mirror) share(r *rule, o offer) share {
	o.URI = m.named(r, o.URI)
	return share{r, o}
}

// narrow returns what of an offer lies within a pattern, or the pattern where that can't be said in one.
func narrow(p wamp.Pattern, o offer) (offer, bool) {
	switch {
	case wamp.Reserved(o.URI) || !p.Overlaps(o.Pattern):
		return o, false
	case !p.Covers(o.Pattern):
		o.Pattern = p
	}
	return o, true
}

// set makes what is missing and then ends what is too much, so that nothing is missing in between.
func (m *mirror) set(want map[share]bool) error {
	for s := range want {
		if m.made[s] != nil {
			continue
		}
		end, err := m.make(s)
		if err != nil {
			return err
		}
		m.made[s] = end
	}
	for s, end := range m.made {
		if !want[s] {
			end()
			delete(m.made, s)
		}
	}
	return nil
}

// at once is a context for requests whose answer nobody waits for.
var atOnce = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

// watches makes what follows the rules' interest.
func (l *Link) watches() error {
	exported, imported := l.of(exports, "topic"), l.of(imports, "topic")
	if following(exported) {
		l.watch(&l.remote, subscriptions, abroad(exported), overlap(abroad(exported), home(imported)), l.learnInterest)
	}
	topics := &mirror{rules: imported, seen: (*rule).abroad, named: (*rule).reverse, make: l.subscribe, timid: true}
	if err := l.mirror(topics, &l.local, subscriptions, overlap(abroad(imported), home(exported))); err != nil {
		return err
	}
	offered, used := l.of(exports, "procedure"), l.of(imports, "procedure")
	out := &mirror{rules: offered, seen: (*rule).home, named: (*rule).rewrite, make: l.register, timid: true}
	if err := l.mirror(out, &l.local, registrations, overlap(home(offered), abroad(used))); err != nil {
		return err
	}
	in := &mirror{rules: used, seen: (*rule).home, named: (*rule).rewrite, make: l.register}
	// What is imported is registered from the beginning and in every outage: a link that is down answers with
	// network_failure.
	return l.mirror(in, &l.remote, registrations, overlap(home(used), abroad(offered)))
}

// mirror begins m and has it follow what is at one side.
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
		side: at, census: c, patterns: patterns, members: members, found: found, wake: make(chan struct{}, 1),
	})
}

// following reports whether the central router tells what the link asks for.
func (l *Link) following() bool {
	silent := func(w *watch) bool { return !w.tells.Load() }
	return len(l.remote.watches) > 0 && !slices.ContainsFunc(l.remote.watches, silent)
}

func following(rules []*rule) bool {
	return slices.ContainsFunc(rules, func(r *rule) bool { return !r.static })
}

func (l *Link) of(d direction, kind string) (list []*rule) {
	for _, r := range l.rules {
		if r.direction == d && r.kind == kind {
			list = append(list, r)
		}
	}
	return list
}

func home(rules []*rule) (list []wamp.Pattern) {
	for _, r := range rules {
		list = append(list, r.home())
	}
	return list
}

func abroad(rules []*rule) (list []wamp.Pattern) {
	for _, r := range rules {
		list = append(list, r.abroad())
	}
	return list
}

func overlap(one, other []wamp.Pattern) bool {
	return slices.ContainsFunc(one, func(p wamp.Pattern) bool { return slices.ContainsFunc(other, p.Overlaps) })
}

// subscribe makes the subscription that brings a rule's events.
func (l *Link) subscribe(s share) (end func(), err error) {
	from, forward, told := &l.local, l.keep, map[string]any{wamp.KeyRetain: true}
	if s.rule.direction == imports {
		from, forward, told = &l.remote, l.bring, nil
	}
	sub, err := from.client.Subscribe(atOnce, s.URI, client.SubscribeOptions{
		Match: s.Match, Persist: true, Refused: l.refusal(s, from),
		Confirm: s.rule.direction == exports && s.rule.store == spool.Durable,
		Extra:   told,
	}, func(e *client.Event) {
		if s.rule.first(e.Publication) {
			forward(s.rule, e)
		} else {
			e.Confirm(nil)
		}
	})
	if err != nil {
		return nil, err
	}
	s.rule.subscribed.Add(1)
	return func() { s.rule.subscribed.Add(-1); sub.Unsubscribe(atOnce) }, nil
}

// recent is the publications that have come last: one that several subscriptions of a rule match comes as often, and is
// to cross once.
type recent struct {
	ids  map[wamp.ID]bool
	ring []wamp.ID
	next int
}

const recentEvents = 1024

// first reports whether a publication has not come yet. Only the goroutine that hands over events calls it.
func (r *rule) first(id wamp.ID) bool {
	if r.subscribed.Load() < 2 && r.recent.ids == nil || id == 0 {
		return true
	}
	return r.recent.add(id)
}

func (r *recent) add(id wamp.ID) bool {
	if r.ids == nil {
		r.ids, r.ring = make(map[wamp.ID]bool), make([]wamp.ID, recentEvents)
	}
	if r.ids[id] {
		return false
	}
	delete(r.ids, r.ring[r.next])
	r.ids[id], r.ring[r.next] = true, id
	r.next = (r.next + 1) % len(r.ring)
	return true
}

// best reports whether of all rules of its direction this is the one that a topic goes by: exact, else the longest prefix,
// else a wildcard. So a rule can be an exception to another, and no event crosses twice.
func (l *Link) best(r *rule, topic string) bool {
	for _, other := range l.rules {
		if other != r && other.direction == r.direction && other.kind == r.kind && other.home().Matches(topic) && other.before(r) {
			return false
		}
	}
	return true
}

func (r *rule) before(other *rule) bool {
	if c := r.home().CompareSpecificity(other.home()); c != 0 {
		return c < 0
	}
	return r.number < other.number
}
