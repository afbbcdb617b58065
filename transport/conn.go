// Package transport connects peers: it listens where peers come, and dials where a router is.
//
//	listen.go   Listen: a URL becomes a Listener
//	accept.go   (*Listener).Run: connections become Conns, and each is served by a goroutine
//	web.go      the HTTP part of a port: WebSocket, long-poll, and a page for whoever comes by accident
//	count.go    what a Listener has seen
//	cookie.go   the cookies of web clients
//	unix.go     the socket file: taken over if stale, removed at the end
//	dial.go     Dial: a URL becomes a Conn
//	tls.go      certificates from files
//
// Its subpackages speak the protocols and know nothing of listening: rawsocket, websocket, longpoll, memory, serial. wire
// moves the octets below the first two; subprotocol and origin are what the web's two have in common.
package transport

import "runnel/edge/wamp"

// Conn carries messages between two peers. ReadMessage belongs to one goroutine at a time, Write to one at a time;
// Close and Transport may be called by any.
type Conn interface {
	// ReadMessage returns the peer's next message. Its bytes are valid until the next call. more reports whether a
	// further whole message is buffered already, so that the next call will not wait. At the end, when the peer has left
	// in good order, the error is io.EOF.
	ReadMessage() (msg []byte, more bool, err error)

	// Write sends a batch: messages, each behind its length in four octets, big-endian. With wait it returns when all of
	// it is written. Without wait it takes what the wire takes at once and returns n < len(batch), perhaps 0, perhaps in
	// mid-message; the caller goes on with batch[n:] and nothing else. The batch is not kept.
	Write(batch []byte, wait bool) (n int, err error)

	// Close closes the connection, at the first call, and unblocks the others.
	Close() error

	// Transport says how the peer is reached. It does not change.
	Transport() *wamp.Transport
}
