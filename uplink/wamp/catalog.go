package wamp

import (
	"slices"

	"runnel/edge/wamp"
)

// catalog lists a router's subscriptions, or registrations, that overlap the link's rules. It is a plain table: the
// watch fills it from the router's answers and events.
type catalog struct {
	// Static after construction.
	census   *census
	patterns []wamp.Pattern // only items that overlap one of these are kept
	members  bool           // subscribers or callees are followed, because the link may be one of them

	items    map[wamp.ID]*item
	full     bool             // there was more than maxItems
	complete bool             // the router has listed all in one answer: it is a Runnel, and reports every change
	unlisted []wamp.ID        // others have entered these, which were not reported before
	ignored  map[wamp.ID]bool // asked for, and not kept
}

// item is a subscription or a registration at the router.
type item struct {
	offer
	always  bool             // it is wanted whether it has members or not
	members map[wamp.ID]bool // nil: they are not followed
}

// offer is a subscription or registration of others.
type offer struct {
	wamp.Pattern
	invoke wamp.Invoke
}

const maxItems = 20_000

func newCatalog(c *census, patterns []wamp.Pattern, members bool) *catalog {
	return &catalog{
		census: c, patterns: patterns, members: members,
		items: make(map[wamp.ID]*item), ignored: make(map[wamp.ID]bool),
	}
}

// apply applies a meta event. An event reports the current state, not a change, so it does no harm if the list already had it.
func (c *catalog) apply(e metaEvent) {
	it := c.items[e.id]
	switch e.topic {
	case c.census.created:
		c.add(e.details)
		if it = c.items[e.id]; it != nil {
			c.addMember(e, it)
		}
	case c.census.entered:
		c.addMember(e, it)
	case c.census.deleted:
		delete(c.items, e.id)
	case c.census.left:
		if it != nil && it.members != nil {
			delete(it.members, e.session)
		}
	}
}

// addMember records a new member. Some routers do not report to a session what it has created itself. If other sessions
// join such an item, the watch must ask for it.
func (c *catalog) addMember(e metaEvent, it *item) {
	switch {
	case it != nil && it.members != nil:
		it.members[e.session] = true
	case it == nil && !c.complete && !c.ignored[e.id]:
		c.unlisted = append(c.unlisted, e.id)
	}
}

// add adds the item that details describe, if it overlaps the link's rules.
func (c *catalog) add(details map[string]any) {
	p, ok := patternOf(details)
	id := idOf(details["id"])
	if !ok || id == 0 || !c.overlaps(p) || c.items[id] != nil {
		return
	}
	if len(c.items) >= maxItems {
		c.full = true
		return
	}
	it := &item{offer: offer{Pattern: p}}
	invoke, _ := details["invoke"].(string)
	it.invoke, _ = wamp.ParseInvoke(invoke)
	it.always, _ = details["history"].(bool)
	if c.members {
		it.members = make(map[wamp.ID]bool)
		list, _ := details["members"].([]any)
		for _, m := range list {
			it.members[idOf(m)] = true
		}
	}
	c.items[id] = it
}

// ignore records ids whose details were fetched but are not kept.
func (c *catalog) ignore(ids []wamp.ID) {
	for _, id := range ids {
		if c.items[id] == nil && len(c.ignored) < maxItems {
			c.ignored[id] = true
		}
	}
}

func (c *catalog) overlaps(p wamp.Pattern) bool { return slices.ContainsFunc(c.patterns, p.Overlaps) }

// offers returns the items that sessions other than own have entered.
func (c *catalog) offers(own wamp.ID) (list []offer) {
	for _, it := range c.items {
		if it.wanted(own) {
			list = append(list, it.offer)
		}
	}
	return list
}

func (i *item) wanted(own wamp.ID) bool {
	n := len(i.members)
	if i.members[own] {
		n--
	}
	return i.always || i.members == nil || n > 0
}

// patternOf returns the pattern that the details of a subscription or registration name.
func patternOf(details map[string]any) (p wamp.Pattern, ok bool) {
	uri, _ := details["uri"].(string)
	policy, _ := details["match"].(string)
	match, ok := wamp.ParseMatch(policy)
	return wamp.Pattern{URI: uri, Match: match}, ok
}

// idOf returns an id from a payload; 0: it is not an id.
func idOf(v any) wamp.ID {
	switch id := v.(type) {
	case int64:
		return wamp.ID(max(id, 0))
	case uint64:
		return id
	}
	return 0
}
