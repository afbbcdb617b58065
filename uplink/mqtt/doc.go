// Package mqtt links a local realm to an MQTT broker.
//
// A Link is a plain peer of the realm and a plain client of the broker, by MQTT 3.1.1. docs/mqtt.md tells users what
// becomes of names, messages, retained ones and calls.
//
//	link.go       the life of a link: connections one after the other
//	session.go    one connection, from CONNECT to its end
//	packet.go     the broker's packets; outgoing.go: ours
//	rule.go       what crosses; topic.go: what it is called there; payload.go: what its messages look like
//
// # An event's way out
//
//	exports.go    the local router's EVENT is put into the spool, whether the broker is there or not; a publisher who waits
//	              for PUBLISHED gets it when the spool keeps what it promises. drain takes events out in their order
//	flight.go     sent and not acknowledged yet: at most so many, under ids that are the same after a crash
//	exports.go    landed: PUBACK or PUBCOMP takes the event out of the spool
//
// # A message's way in
//
//	imports.go    PUBLISH becomes an event of the realm; the broker's acknowledgement waits for the local PUBLISHED
//	standing.go   what the broker's session has subscribed to already; resent.go: retained messages that come again
//	takeover.go   another client with the same client id
//	echo.go       what the link has sent itself is known again
//	calls.go      a message that is a call is made here and answered
//
// # Goroutines
//
// A connection has one that reads, one that writes, one that drains the spool, one that asks whether the broker is there,
// and one that waits for the link's end; all have ended when run returns. Nobody but the writer waits for the wire: what is
// to be sent is put into outgoing, and who produces much waits there for room. Done of a publication runs on the local
// client's reader and only puts an acknowledgement there.
//
// Why not the client of the library that the packets come from: it would be linked with a WebSocket and a proxy client,
// 0.4 MB on the smallest boards, and keeps a store of its own beside the spool.
package mqtt
