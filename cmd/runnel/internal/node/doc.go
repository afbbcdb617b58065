// Package node builds a running router from a configuration: the realms, listeners, serial lines, uplinks and metrics
// around an edge.Router. It is the only package that uses all of their types.
//
//	node.go       Node: New builds the parts, Run starts them, waits, and stops them in reverse
//	plan.go       Plan compares two configurations; it is pure
//	prepare.go    makes the parts that a plan needs; the only step of a reload that can fail
//	apply.go      carries the plan out
//	reload.go     reads the configuration again and applies it
//	realm.go, listener.go, line.go, uplink.go, mqtt.go, metrics.go   one kind of part each
//	memory.go, data.go, identity.go, certificates.go, log.go         what the parts share
package node
