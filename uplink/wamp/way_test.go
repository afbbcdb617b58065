package wamp

import (
	"strings"
	"testing"

	"runnel/edge/client"
)

// A message has passed a place if its way names it. A router of the same name with another tag is another one, and reported.
func TestVisited(t *testing.T) {
	hop := func(name, tag string) client.Hop { return client.Hop{Node: name, Tag: tag} }
	for _, c := range []struct {
		name    string
		way     []client.Hop
		at      place
		visited bool
		twin    bool
	}{
		{"no way", nil, place{name: "a", tag: "1"}, false, false},
		{"elsewhere", []client.Hop{hop("b", "1"), hop("c", "")}, place{name: "a", tag: "1"}, false, false},
		{"here", []client.Hop{hop("b", ""), hop("a", "1")}, place{name: "a", tag: "1"}, true, false},
		{"a hop without a tag", []client.Hop{hop("a", "")}, place{name: "a", tag: "1"}, true, false},
		{"a place without a tag", []client.Hop{hop("a", "1")}, place{name: "a"}, true, false},
		{"a twin", []client.Hop{hop("a", "2")}, place{name: "a", tag: "1"}, false, true},
		{"a twin, then here", []client.Hop{hop("a", "2"), hop("a", "1")}, place{name: "a", tag: "1"}, true, true},
		{"a place without a name", []client.Hop{hop("", "")}, place{}, false, false},
	} {
		l, log := newTestLink(t)
		got := l.visited(c.way, c.at)
		clash := l.State().Clash
		if got != c.visited || strings.Contains(clash, "node id of a") != c.twin || strings.Contains(log.String(), "node id is used twice") != c.twin {
			t.Errorf("%s: visited %v, clash %q, log %s", c.name, got, clash, log)
		}
	}
}
