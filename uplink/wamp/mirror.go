package wamp

import "runnel/edge/wamp"

// share is a subscription or registration that the link has on one side for a rule.
type share struct {
	rule *rule
	offer
}

// mirror keeps shares on one side for the offers found on the other. Its fields are owned by its watch's run.
type mirror struct {
	rules []*rule
	seen  func(*rule) wamp.Pattern   // the rule's pattern on the side of the watch
	named func(*rule, string) string // the name of an offered URI on the side of the shares
	make  func(share) (end func(), err error)
	made  map[share]func()

	// Until the offers are known, an eager mirror assumes that everything is offered, so that a call over a link that is
	// down is answered. Any other mirror assumes that nothing is offered.
	eager bool
}

// begin makes the shares that exist before the offers are known.
func (m *mirror) begin() error {
	m.made = make(map[share]func())
	return m.set(m.wants(func(r *rule) bool { return r.Static || m.eager }, nil))
}

// follow adapts the shares to the offers that the watch has found.
func (m *mirror) follow(k knowledge, found []offer) {
	if k == unknown && !m.eager {
		return // the shares stay as they are
	}
	want := m.wants(func(r *rule) bool { return r.Static || k != known }, found)
	if k == unknown {
		for s := range m.made {
			want[s] = true
		}
	}
	m.set(want)
}

// wants returns the shares for the offers found. A rule for which static is true has one share, with its own pattern.
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
	if m.eager {
		o.invoke = wamp.Single // imports are registered with one policy, so offers that differ only in theirs have one share
	}
	return share{r, o}
}

// narrow returns the part of an offer within a pattern. If no single pattern describes that part, it is the whole pattern.
func narrow(p wamp.Pattern, o offer) (offer, bool) {
	switch {
	case wamp.Reserved(o.URI) || !p.Overlaps(o.Pattern):
		return o, false
	case !p.Covers(o.Pattern):
		o.Pattern = p
	}
	return o, true
}

// set first creates the missing shares and then ends those that are no longer wanted, so that there is no gap in between.
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
