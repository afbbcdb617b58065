package wamp

import "time"

// Transport describes how a peer reached the router, or how a client reached its router. The constructor of the
// connection sets it. It does not change afterwards.
type Transport struct {
	Serializer Serializer
	Limit      int    // of a message to the peer, in octets; 0: no known limit
	Protocol   string // "rawsocket", "websocket", "longpoll", "mqtt", "http" or "memory"
	Network    string // "tcp", "tls", "unix", "serial" or "memory"
	Listener   string // the listener's URL or the serial line's name
	Remote     string // the peer's address; "" if it has none
	Client     string // the client id of an MQTT client; "" otherwise

	// Internal means that the peer is a part of the router's own process. It may use the options marked as internal in
	// private.go. Only the constructor of the in-process transport sets it.
	Internal bool

	// Local means that the peer runs on this machine: it is connected by a Unix socket, a loopback address, a serial
	// line or in memory, and no trusted proxy has named a client elsewhere.
	Local bool

	// Peer credentials of a Unix socket (SO_PEERCRED), valid if HasCred.
	HasCred  bool
	UID, GID int
	PID      int

	// Certificate is the peer's TLS certificate, verified by the listener against its authorities; nil if there is none.
	Certificate *Certificate

	// ChannelBinding returns data that binds an authentication to this TLS connection. kind is "tls-unique" or
	// "tls-server-end-point" (RFC 5929), or "tls-exporter" (RFC 9266). ok is false if the connection does not support
	// that kind. The function is nil without TLS. Any goroutine may call it.
	ChannelBinding func(kind string) (data []byte, ok bool)

	// Cookie is the HTTP cookie that the peer sent, or was given with this connection; nil if there is none.
	Cookie *Cookie

	// Identity assigned by the listener or the serial line. A peer with one joins without authentication.
	Authid, Role, Realm string

	// Anonymous is the role of this listener's anonymous sessions; "": the realm's.
	Anonymous string
}

// Details returns the transport as it is in session details.
func (t *Transport) Details() map[string]any {
	details := map[string]any{
		"protocol":   t.Protocol,
		"network":    t.Network,
		"serializer": t.Serializer.String(),
		"listener":   t.Listener,
		"peer":       t.Remote,
	}
	if t.Client != "" {
		details["client_id"] = t.Client
	}
	return details
}

// Certificate is the part of a TLS certificate that authentication uses.
type Certificate struct {
	CommonName string // of the subject
	SHA256     string // fingerprint of the DER form, in lower-case hex
}

// Cookie is an HTTP cookie for authentication. Its value is a secret.
type Cookie struct {
	Value string
	Fresh bool          // created for this connection
	Age   time.Duration // how long it is valid
}
