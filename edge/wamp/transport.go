package wamp

// Transport says how a peer reached the router, or how a client reached its router. Whoever made the connection fills
// it in; it does not change afterwards.
type Transport struct {
	Serializer Serializer
	Limit      int    // the longest message in octets that the peer takes; 0: no limit is known
	Protocol   string // "rawsocket", "websocket" or "memory"
	Network    string // "tcp", "tls", "unix", "serial" or "memory"
	Listener   string // the listener's URL or the serial line's name
	Remote     string // the peer's address; "" where it has none

	// Local reports that the peer runs on this machine: it came over a Unix socket, a loopback address, a serial line
	// or memory.
	Local bool

	// Peer credentials of a Unix socket (SO_PEERCRED), valid if HasCred.
	HasCred  bool
	UID, GID int
	PID      int

	// An identity that the listener or the serial line fixes: such a peer joins without authentication.
	Authid, Role, Realm string
}
