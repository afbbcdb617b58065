// Package uplink holds what all links of a local realm to another system share. Package wamp links to a realm of a central
// router, package mqtt to an MQTT broker, package nats to a NATS cluster; package spool keeps the events that wait for the far side.
//
//	rule.go          what crosses a link, and which of several rules decides
//	connections.go   one connection to the far side after another
//	exporter.go      exported events go into the spool
//	handover.go      a link takes the place of another, with its spool
//	trial.go         finds the event for which the far side closes the connection
//	state.go         the state of a link; status.go: collects it
package uplink
