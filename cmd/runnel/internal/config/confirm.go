package config

import (
	"slices"

	"runnel/edge"
	"runnel/edge/wamp"
	"runnel/uplink/spool"
)

// confirmations returns the topics of a realm that uplinks export as durable, with the number of those uplinks. While one of
// them is absent, the router does not acknowledge publications to the topic.
func confirmations(c *Config, realm string) (list []edge.ConfirmRule) {
	for _, u := range slices.Concat(c.Uplinks, c.Absent) {
		if u.Realm != realm {
			continue
		}
		for _, topic := range u.durable() {
			i := slices.IndexFunc(list, func(r edge.ConfirmRule) bool { return r.URI == topic.URI && r.Match == topic.Match })
			if i < 0 {
				i, list = len(list), append(list, edge.ConfirmRule{URI: topic.URI, Match: topic.Match})
			}
			list[i].By++
		}
	}
	return list
}

// durable returns the topics and patterns that the uplink exports as durable.
func (u Uplink) durable() (list []wamp.Pattern) {
	for _, s := range u.Exports {
		if s.Topic == nil || s.Class(false) != spool.Durable {
			continue
		}
		if p := (wamp.Pattern{URI: *s.Topic, Match: wamp.Match(s.Match)}); !slices.Contains(list, p) {
			list = append(list, p)
		}
	}
	return list
}
