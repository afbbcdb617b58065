// Package mqtt serves MQTT clients (3.1.1 and 5) as peers of a realm. A client speaks no WAMP, but has a WAMP
// session: role, permissions, limits and the meta API apply to it as to any peer.
//
// A Conn is a connection whose other end speaks MQTT. The router reads WAMP messages from it and writes WAMP messages to it, as
// with any transport, and the Conn translates:
//
//	CONNECT       HELLO, AUTHENTICATE; WELCOME and ABORT become CONNACK
//	PUBLISH       PUBLISH; PUBLISHED or ERROR becomes PUBACK or PUBREC
//	SUBSCRIBE     one or two SUBSCRIBE for each filter; SUBSCRIBED and ERROR become SUBACK
//	PUBACK ...    EVENT_RECEIVED, if the subscription is durable
//	EVENT         PUBLISH
//	DISCONNECT    GOODBYE; otherwise the will is published
//
// An MQTT client therefore costs as much as a WAMP client: one goroutine, and no buffer while it is idle.
//
//	broker.go     what all connections share: the client ids that are in use, the groups of shared subscriptions
//	accept.go     from the first byte to CONNECT; handshake.go: from HELLO to CONNACK
//	conn.go       the methods that the router calls; out.go: bytes that wait to be written
//	read.go       packets of the client; publish.go, subscribe.go, flight.go, call.go: one kind each
//	write.go      messages of the router; deliver.go: EVENT
//	filter.go     topic filters and patterns
//	payload.go    payloads; notes.go: properties
//	saved.go      sessions that outlive their connections
//
// Section numbers are those of MQTT 5 unless a comment says otherwise. docs/mqtt-devices.md describes the package for
// users.
package mqtt
