package config

import (
	"slices"

	"runnel/uplink/mqtt"
)

// Sparkplug makes the gateway an Edge Node of Sparkplug B.
type Sparkplug struct {
	Place Place
	Group string `toml:"group"`
	Node  string `toml:"node"` // default: the node's id
	Host  string `toml:"host"` // primary host application, for which the link waits; "": none
}

const sparkplug = "sparkplug" // the format of its messages

// sparkplug checks the keys of an Edge Node.
func (k checker) sparkplug(u *Uplink) {
	p := u.Sparkplug
	if p == nil {
		for _, s := range slices.Concat(u.Exports, u.Imports) {
			if s.Format == sparkplug {
				k.Add(s.Place, "format", "the uplink is not an Edge Node; write sparkplug = { group = \"...\" } in [[uplink]]")
			}
		}
		return
	}
	if !p.Place.Has("node") {
		p.Node = k.c.NodeID()
	}
	for key, name := range map[string]string{"group": p.Group, "node": p.Node, "host": p.Host} {
		if err := mqtt.CheckEdgeName(name); err != nil && (key == "group" || p.Place.Has(key)) {
			k.Add(p.Place, key, "%q cannot be used: %v", name, err)
		}
	}
	if u.StateTopic != "" {
		k.Add(u.Place, "state_topic", "an Edge Node already has a last will, NDEATH; remove it")
	}
	if u.Quality() > 1 {
		k.Add(u.Place, "qos", "2 needs a session that outlives a connection, which an Edge Node does not have; use 0 or 1")
	}
}

// ExportRule returns the rule of an export. An Edge Node exports its data and the procedures that set its metrics,
// unless the table has another format.
func (u *Uplink) ExportRule(s Share) mqtt.Rule {
	if u.Sparkplug != nil && s.Format == "" {
		s.Format = sparkplug
	}
	return s.MQTTRule(u.MessageFormat())
}
