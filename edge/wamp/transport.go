package wamp

import "time"

// Transport says how a peer reached the router, or how a client reached its router. Whoever made the connection fills
// it in; it does not change afterwards.
type Transport struct {
	Serializer Serializer
	Limit      int    // the longest message in octets that the peer takes; 0: no limit is known
	Protocol   string // "rawsocket", "websocket", "longpoll" or "memory"
	Network    string // "tcp", "tls", "unix", "serial" or "memory"
	Listener   string // the listener's URL or the serial line's name
	Remote     string // the peer's address; "" where it has none

	// Internal reports that the peer is a part of the router's own process and may do more than a client: see the
	// options that begin with "_" in package edge. Only the constructor of the in-process transport sets it.
	Internal bool

	// Local reports that the peer runs on this machine: it came over a Unix socket, a loopback address, a serial line
	// or memory, and no trusted proxy names a client elsewhere.
	Local bool

	// Peer credentials of a Unix socket (SO_PEERCRED), valid if HasCred.
	HasCred  bool
	UID, GID int
	PID      int

	// Certificate is the peer's TLS certificate, which the listener verified against its authorities; nil without one.
	Certificate *Certificate

	// ChannelBinding returns the data that binds an authentication to this TLS connection, as the RFC of that kind of
	// binding defines it: "tls-unique" and "tls-server-end-point" (RFC 5929), "tls-exporter" (RFC 9266). ok is false
	// if the connection has none of that kind. The function is nil without TLS; any goroutine may call it.
	ChannelBinding func(kind string) (data []byte, ok bool)

	// Cookie is the HTTP cookie that the peer has, or has been given with this connection; nil without one.
	Cookie *Cookie

	// An identity that the listener or the serial line fixes: such a peer joins without authentication.
	Authid, Role, Realm string

	// Anonymous is the role of anonymous sessions of this listener, in place of the realm's; "": the realm's.
	Anonymous string
}

// Certificate is what an authentication wants to know of a TLS certificate.
type Certificate struct {
	CommonName string // the subject's
	SHA256     string // of the certificate in DER, in lower-case hex
}

// Cookie is an HTTP cookie for authentication. Its value is a secret.
type Cookie struct {
	Value string
	Fresh bool          // it was made for this connection: nobody has had it before
	Age   time.Duration // how long it counts
}
