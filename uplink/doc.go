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
//	link.go         the life of a link
//	rule.go         a rule, and how it rewrites URIs
//	remote.go       the URLs of the centre: over to the next, and back
//	pulse.go        whether the centre is there
//	watch.go        what is subscribed and registered on the other side
//	interest.go     what therefore crosses
//	way.go          where what crosses has been
//	store.go        exported events go into the spool; drain.go: and from there to the centre
//	closing.go      the event for which the centre closes the connection; trial.go: how it is found
//	topics.go       imported events
//	procedures.go   a call's way
//	state.go        how the link is doing
//
// # Interest
//
// Where the routers tell by their meta API what is subscribed and registered, only that crosses which somebody on the
// other side wants. Seats of the link itself do not count. Here an imported procedure stands behind those of local callees.
//
// # While the centre is away
//
// Imported procedures stay registered here and answer wamp.error.network_failure at once. Events wait in the spool.
//
// # Loops
//
// Events and calls carry their way, the places where they have been; a link lets nothing over to where it was already,
// nor over more links than it may cross. At a centre that does not hand the way on, a link still knows what it has done
// itself: a router does not send an event back to the session that published it, and a call that the link made is
// answered with wamp.error.no_such_procedure where it comes back.
package uplink
