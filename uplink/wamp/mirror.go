package wamp

import "runnel/edge/wamp"

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
	return m.set(m.wants(func(r *rule) bool { return r.Static || !m.timid }, nil))
}

// follow is what a watch calls.
func (m *mirror) follow(k knowledge, found []offer) {
	if k == unknown && m.timid {
		return // as it was
	}
	want := m.wants(func(r *rule) bool { return r.Static || k != known }, found)
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
