// Package edge is the router: realms, sessions, the broker and the dealer of WAMP's basic profile and of the parts of
// the advanced profile that WELCOME announces.
//
// One goroutine a session reads and routes: there is no goroutine per realm and no channel between a reader and a
// writer. A message's way is downwards through the files.
//
// One PUBLISH:
//
//	session.go   serve reads the message from the Conn, handle parses its head and comes to the switch
//	broker.go    publish: may this session publish here? An id for the publication, then the fan-out
//	topics.go    the present table, immutable, read without a lock (package patterns matches)
//	broker.go    deliver, for each seat: is it excluded, is it eligible? EVENT is encoded once per serializer,
//	             its payload spliced in as it came; only for another serializer is it transcoded (package codec)
//	outbox.go    appendEvent: into the buffer of what waits for that peer
//	session.go   when nothing more is buffered, serve ends its turn (turn.go):
//	outbox.go    flush: one write for all that the batch brought to a peer, without waiting; what the wire does not
//	             take is left to a drain goroutine
//
// Where PUBLISHED may have to wait for subscribers that confirm it is confirm.go; what a link is sent again, and is not to
// route again, once.go; what links say of the way, forward.go.
//
// One CALL:
//
//	session.go   serve, handle
//	dealer.go    call: may this session call here?
//	procedures.go  the table of now gives the best registration, which chooses its callee
//	dealer.go    invoke numbers the INVOCATION and appends it to the callee's outbox
//	pending.go   the call stands in both sessions' maps until it ends
//	dealer.go    the callee's read loop takes its YIELD: yield finds the call and appends RESULT to the caller's outbox
//
// May a session do what it asks for? auth/role.go says so from the configuration's permissions; where they say nothing and
// the role has an authorizer, authorizer.go asks that procedure. Who a peer is, authenticate.go finds out, with
// authenticator.go where a procedure decides. Both call through inner.go, the router as a caller of its own.
//
// A session begins in router.go (Serve) and join.go (HELLO to WELCOME) and ends in session.go (close, leave).
//
// Retained events and histories are kept by package store; retention.go and history.go deliver and record them.
//
// # Locks
//
// The order is realm.mu, pending.mu or acknowledgements.mu, outbox.mu; retention.mu and history.mu are taken last. None is
// held over I/O. PUBLISH takes outbox locks only, and the one of a history that keeps it. The tables are replaced under
// realm.mu and read without it.
//
// # Slow peers
//
// An outbox over its mark holds up those who fill it, for a bounded time; then the peer is stalled, its EVENTs are
// dropped oldest first, counted and logged, until it has taken all that waits. Replies are never dropped: a peer that
// takes none is cut. See outbox.go.
package edge
