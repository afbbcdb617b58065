// Package mqtt links a local realm to an MQTT broker.
//
// A Link is a plain client of the realm and of the broker. It uses MQTT 5, or 3.1.1 if the broker supports only that.
// docs/mqtt.md describes the translation of names, messages, properties, retained messages and calls for users.
//
//	link.go       the life of a link: one connection after the other
//	join.go       CONNECT, CONNACK, the version, the broker's limits
//	session.go    one connection until its end; ping.go: whether the broker is there
//	rule.go       what crosses; package naming: its names at the broker; payload.go, flat.go: the form of its messages
//	route.go      name and form of a stored event
//	reason.go     what the broker says when it refuses something; closing.go: why it has closed a connection without a reason
//	takeover.go   another client with the same client id
//	properties.go the properties of messages, with MQTT 5
//
// # An event's way out
//
//	exports.go    the local router's EVENT is put into the spool, whether the broker is reachable or not; a publisher that
//	              waits for PUBLISHED gets it when the spool has stored the event
//	drain.go      takes events out of the spool in order and sends them
//	flight.go     events that are sent and not acknowledged: a bounded number, under ids that are the same after a crash
//	exports.go    ackEvent: PUBACK or PUBCOMP takes the event out of the spool
//
// # A message's way in
//
//	imports.go    PUBLISH becomes an event of the realm; it is acknowledged to the broker after the local PUBLISHED
//	standing.go   what the broker's session has subscribed to already; resent.go: retained messages that are sent again
//	echo.go       recognizes the link's own messages
//	discovery.go  announces the values of serial lines to Home Assistant
//	calls.go      a message that is a call is made in the realm and answered
//
// # Goroutines
//
// A connection has five goroutines: one reads, one writes, one drains the spool, one sends PINGREQ, and one waits for the
// link's end. All have ended when run returns. Only the writer waits for the wire: packets are put into outgoing, and
// producers of many packets wait there for room. Done of a publication runs on the local client's reader; it only puts an
// acknowledgement there.
//
// Package transport/mqtt/packet encodes and decodes the packets. No library serves both versions in little memory: one of them
// costs 170 kB on the smallest boards, and allocates whatever length a packet announces.
package mqtt
