// Package uplink holds what all links of a local realm to another system share. Package wamp links to a realm of a central
// router, package mqtt to an MQTT broker, package nats to a NATS cluster; package spool keeps the events that wait for the far side.
//
//	rule.go          what crosses a link, and which of several rules decides
//	connections.go   one connection with the far side after the other
//	exporter.go      exported events go into the spool
//	handover.go      a link takes the place of another, with its spool
//	trial.go         which event the far side closes the connection for
//	state.go         how a link is doing; status.go: where that is collected
package uplink
