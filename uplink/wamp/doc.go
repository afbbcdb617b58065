// Package wamp links a local realm to a realm of a central router.
//
// A Link is a plain client of both routers, so it works with every WAMP router. It offers exported topics and procedures
// to the centre, and imported ones to the local realm:
//
//	export topic       subscribe here,  publish there
//	import topic       subscribe there, publish here
//	export procedure   register there,  call here
//	import procedure   register here,   call there
//
// A rule uses the names of the side from which topics and procedures come, by exact URI, prefix or wildcard. Patterns
// cross as patterns. A prefix of the URI may be exchanged on the way (uplink.Rule).
//
//	link.go         the life of a link; side.go: its session in a realm
//	rules.go        the rules, checked
//	remote.go       the URLs of the centre: failing over and failing back
//	pulse.go        the heartbeat
//	watch.go        follows what is subscribed and registered on the other side; inbox.go: the events of the meta API;
//	                catalog.go: what there is; census.go: asks for it
//	follow.go       what the link follows; interest.go, mirror.go: what therefore crosses
//	way.go          the routers that an event or a call has passed; clash.go: two routers of one id
//	store.go        exported events go into the spool; drain.go: and from there to the centre; flight.go: those in flight
//	closing.go      the event for which the centre closes the connection
//	topics.go       imported events; durable.go: those that the centre keeps for the link; dedup.go: those that come more than once
//	procedures.go   calls
//
// # Interest
//
// If a router's meta API reports subscriptions and registrations, only events with a subscriber and procedures with a
// callee cross. The link's own subscriptions and registrations do not count. In the local realm, local callees have
// precedence over an imported procedure.
//
// # While the centre is unreachable
//
// Imported procedures stay registered in the local realm and answer wamp.error.network_failure at once. Events wait in the
// spool.
//
// # Loops
//
// Events and calls carry the list of realms that they have passed. A link forwards nothing to a realm on that list, and
// nothing that has crossed its maximum of links. If the central router does not pass the list on, the link still
// recognizes its own messages: a router does not send an event back to the session that published it. A call of the
// link that comes back is answered with wamp.error.no_such_procedure.
package wamp
