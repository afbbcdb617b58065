// Package uplink is the shared part of all links between a local realm and another system. Package wamp links to a
// realm of a central router, package mqtt to an MQTT broker, and package nats to a NATS cluster. Package spool keeps
// the events that wait for the far side.
//
//	rule.go          what crosses a link, and which of several rules decides
//	connections.go   one connection to the far side after another
//	exporter.go      exported events go into the spool
//	handover.go      a link takes the place of another, with its spool
//	trial.go         finds the event for which the far side closes the connection
//	state.go         the state of a link; status.go: collects it
package uplink
