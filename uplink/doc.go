// Package uplink links a local realm to a realm of a central router.
//
// A Link is a plain peer of both: it joins the local realm like any program, and the central router like any client, so
// it works with every WAMP router. What it exports is offered to the centre, what it imports is offered here:
//
//	export topic       subscribe here,  publish there
//	import topic       subscribe there, publish here
//	export procedure   register there,  call here
//	import procedure   register here,   call there
//
// Topics and procedures are named as they are where they come from, by exact URI, prefix or wildcard, and patterns cross
// as patterns. A prefix of the URI may be exchanged on the way (Rule).
//
//	link.go         the life of a link, its state
//	rule.go         a rule, and how it rewrites URIs
//	remote.go       the URLs of the centre
//	topics.go       an event's way
//	procedures.go   a call's way
//
// # While the centre is away
//
// Imported procedures stay registered here and answer wamp.error.network_failure at once. Events are not stored:
// exported ones are dropped and counted, with one line in the log an outage.
//
// # Loops
//
// At either end a Link is one session, and a router does not send an event back to the session that published it: so
// the same pattern can be exported and imported. A call that was exported and would come back here, because nobody but
// the link offers the procedure, is answered with wamp.error.no_such_procedure.
package uplink
