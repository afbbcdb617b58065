package edge

import (
	"runnel/edge/codec"
	"runnel/edge/patterns"
	"runnel/edge/wamp"
)

// wamp.subscription.list and wamp.registration.list take the keyword argument _overlaps, a list of [URI, match policy]. Then
// they list only entries that overlap one of these patterns, with the details as a second result. So a router behind a slow
// line makes one call, instead of one for each subscription of a fleet. With _members the details list the sessions, too.

// maxOverlaps is how many patterns one call may name.
const maxOverlaps = 256

// overlaps returns the patterns in the keyword argument _overlaps; nil if it is absent.
func (c *metaCall) overlaps() (list []wamp.Pattern, err error) {
	wanted := c.keyword(wamp.KeyOverlaps)
	if !isGiven(wanted) {
		return nil, nil
	}
	wrong := refusal{wamp.InvalidArgument, "_overlaps must be a list of [URI, match policy]"}
	items, ok := wanted.Items()
	if !ok {
		return nil, wrong
	}
	list = []wamp.Pattern{}
	for items.Next() {
		p, ok := patternOf(items.Value())
		if !ok || len(list) == maxOverlaps {
			return nil, wrong
		}
		list = append(list, p)
	}
	return list, nil
}

// patternOf reads [URI, match policy].
func patternOf(v codec.Value) (p wamp.Pattern, ok bool) {
	pair, _ := v.Items()
	var of [3]string
	n := 0
	for ; n < len(of) && pair.Next(); n++ {
		if of[n], ok = textOf(pair.Value()); !ok {
			return p, false
		}
	}
	match, known := wamp.ParseMatch(of[1])
	return wamp.Pattern{URI: of[0], Match: match}, n == 2 && known && wamp.ValidURI(of[0], match, false)
}

// flag returns a bool keyword argument; false if it is absent.
func (c *metaCall) flag(name string) bool {
	set, _ := c.keyword(name).Bool()
	return set
}

// overlapping lists the entries of tables that overlap one of the wanted patterns, by match policy and with details.
func overlapping[V any](wanted []wamp.Pattern, of func(V) wamp.Pattern, details func(V) map[string]any, tables ...*patterns.Table[V]) ([]any, error) {
	ids, list := [3][]any{{}, {}, {}}, []any{}
	set := patterns.NewSet(wanted)
	for _, table := range tables {
		table.All(func(v V) bool {
			if p := of(v); set.Overlaps(p) {
				entry := details(v)
				ids[p.Match] = append(ids[p.Match], entry["id"])
				list = append(list, entry)
			}
			return !set.TooCostly()
		})
	}
	if set.TooCostly() {
		return nil, refusal{wamp.Unavailable, "too many wildcards to compare; ask for fewer patterns at a time"}
	}
	return []any{byPolicy(ids), list}, nil
}

func byPolicy(ids [3][]any) map[string]any {
	return map[string]any{"exact": ids[wamp.Exact], "prefix": ids[wamp.Prefix], "wildcard": ids[wamp.Wildcard]}
}
