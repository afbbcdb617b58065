// Package edge is a WAMP router: realms, sessions, the broker and the dealer of the basic profile, and the parts of the
// advanced profile that WELCOME announces.
//
// A program makes a Router, adds realms, and hands over each peer's connection:
//
//	router := edge.NewRouter(edge.Options{})
//	err := router.AddRealm(edge.RealmOptions{Name: "realm1", Anonymous: "guest", Roles: roles})
//	go router.Serve(conn) // returns when the session has ended
//	router.Close(ctx)
//
// A Conn is any message transport of four methods; the packages below transport make them. Sessions of the same process
// join over a connection of transport/memory. docs/architecture.md describes how a message passes through the files.
//
// # Concurrency
//
// All methods of Router may be called from any goroutine. One goroutine for each session reads and routes. There is no
// goroutine for a realm, and no channel between a reader and a writer.
//
// The lock order is realm.mu, pending.mu or acknowledgements.mu, outbox.mu. The locks of the stores (retained events,
// histories, descriptions) are taken last. No lock is held over I/O. PUBLISH takes only outbox locks, and the lock of a
// history that records it. The tables of topics and procedures are changed under realm.mu, and read without a lock.
//
// # Slow peers
//
// A peer whose outbox is over its mark delays its writers, for a bounded time. Then the peer is stalled: its oldest
// EVENTs are dropped, counted and logged, until it has accepted all waiting messages. Replies are never dropped: a peer
// that does not accept them is disconnected. See outbox.go.
//
// # Memory
//
// Options.Memory bounds the memory of all sessions and realms together (package budget).
package edge
