// Package nats links a realm to a NATS cluster. Topics and procedures are subjects (package subject), payloads are JSON, CBOR or
// MessagePack (package payload). The link is a client of the local router and of one server of the cluster at a time.
//
// # Exports
//
// All exported events go through the spool, which keeps their order. An event of class memory is a message of core
// NATS. An event of class disk or durable is published to JetStream. The spool keeps it until the stream has
// acknowledged it, and the stream recognizes repetitions by Nats-Msg-Id. If JetStream does not answer, the spool holds
// such topics, and all other messages still cross.
//
// # Imports
//
// An import is a subscription of core NATS. With store = "durable" it is a durable consumer of the stream. The link
// acknowledges a message once the local router has answered PUBLISHED. It recognizes repetitions by the origin that an
// event carries.
//
// # Loops
//
// An event carries the list of realms and clusters that it has passed. The link drops an event that has already been
// here or at this cluster.
//
//	link.go       options, and the connections one after the other
//	rules.go      what crosses
//	exports.go    local events go into the spool
//	session.go    one connection
//	drain.go      from the spool to the cluster: an event as a message
//	imports.go    messages become local events, also those of durable imports
//	streams.go    the stream that exports go to
//	consumers.go  the consumers of durable imports
//	retained.go   retained events in a key-value bucket
//	place.go      the way of a message
//	calls.go      calls to the cluster
//	waiting.go    a call to the cluster until its end
//	answer.go     calls from the cluster
//	parts.go      arguments in parts, both ways
//	offers.go     which procedures the cluster can call
//	shards.go     the nodes of sharded registrations at all routers
//	reaches.go    the nodes at other routers for the local router
//	probe.go      the permissions and features that a link lacks at a server, for doctor
package nats
