package wamp

import (
	"slices"
	"testing"

	"runnel/edge/wamp"
)

// A catalog follows the meta events of a router, omits the link's own seats, and records the queries that it needs.
func TestCatalog(t *testing.T) {
	const own, other, third = wamp.ID(7), wamp.ID(8), wamp.ID(9)
	c := newCatalog(subscriptions, []wamp.Pattern{{URI: "com.", Match: wamp.Prefix}}, true)
	details := func(id int64, uri string, members ...any) map[string]any {
		return map[string]any{"id": id, "uri": uri, "match": "exact", "members": members}
	}
	wants := func(when string, want ...string) {
		t.Helper()
		var got []string
		for _, o := range c.offers(own) {
			got = append(got, o.URI)
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", when, got, want)
		}
	}
	c.add(details(1, "com.a", int64(own)))
	c.add(details(2, "com.b", int64(own), int64(other)))
	c.add(details(3, "org.c", int64(other)))
	c.add(details(0, "com.e", int64(other))) // no ID
	c.add(map[string]any{"id": int64(6), "uri": "com.f", "match": "fuzzy", "members": []any{int64(other)}})
	wants("listed", "com.b")
	c.apply(metaEvent{topic: subscriptions.entered, session: other, id: 1})
	c.apply(metaEvent{topic: subscriptions.left, session: other, id: 2})
	wants("one entered, one left", "com.a")
	c.apply(metaEvent{topic: subscriptions.created, session: third, id: 4, details: details(4, "com.d")})
	wants("created", "com.a", "com.d")
	c.apply(metaEvent{topic: subscriptions.deleted, session: third, id: 4})
	wants("deleted", "com.a")

	c.apply(metaEvent{topic: subscriptions.entered, session: other, id: 3})
	c.apply(metaEvent{topic: subscriptions.entered, session: other, id: 5})
	if !slices.Equal(c.unlisted, []wamp.ID{3, 5}) {
		t.Errorf("to be asked for: %d", c.unlisted)
	}
	c.unlisted = nil
	c.ignore([]wamp.ID{3})
	c.apply(metaEvent{topic: subscriptions.entered, session: third, id: 3})
	if len(c.unlisted) > 0 {
		t.Errorf("%d is asked for again", c.unlisted)
	}
}

// A catalog that is full takes no more items and says so. An item that it has already is not one more.
func TestCatalogIsBounded(t *testing.T) {
	c := newCatalog(subscriptions, []wamp.Pattern{{Match: wamp.Prefix}}, false)
	add := func(id int) { c.add(map[string]any{"id": int64(id), "uri": "com.a", "match": "exact"}) }
	for id := range maxItems {
		add(1 + id)
	}
	if add(1); c.full || len(c.items) != maxItems {
		t.Errorf("full %v with %d items", c.full, len(c.items))
	}
	if add(maxItems + 1); !c.full || len(c.items) != maxItems {
		t.Errorf("full %v with %d items, after one more", c.full, len(c.items))
	}
	ids := make([]wamp.ID, maxItems+1)
	for i := range ids {
		ids[i] = wamp.ID(i + 1)
	}
	c.ignore(ids)
	if len(c.ignored) != 1 || !c.ignored[maxItems+1] {
		t.Errorf("%d ids are ignored", len(c.ignored))
	}
}
