// Package transport connects peers: it listens for clients and dials routers.
//
//	listen.go   Listen: opens the listening socket of a URL
//	accept.go   (*Listener).Run: accepts connections and serves each in a goroutine
//	web.go      the HTTP part of a port: WebSocket, long-poll, and a page for browsers
//	count.go    the counters of a Listener
//	cookie.go   the cookies of web clients
//	unix.go     the socket file: a stale one is replaced, and it is removed at the end
//	dial.go     Dial: connects to the router at a URL
//	tls.go      certificates from files
//
// The subpackages rawsocket, websocket, longpoll, memory and serial implement the protocols. They do not listen. wire reads
// and writes bytes for the first two. websocket and longpoll share subprotocol and origin.
package transport

import "runnel/edge/wamp"

// Conn carries messages between two peers. One goroutine at a time may call ReadMessage, and one at a time Write. Any
// goroutine may call Close and Transport.
type Conn interface {
	// ReadMessage returns the peer's next message, which is valid until the next call. more reports whether a further
	// complete message is buffered, so that the next call will not block. After a clean close by the peer the error is
	// io.EOF.
	ReadMessage() (msg []byte, more bool, err error)

	// Write sends a batch: messages, each preceded by its length in four bytes, big-endian. With wait it returns when the
	// whole batch is written. Without wait it writes as much as the connection takes at once, possibly nothing or part of
	// a message. The caller must then continue with batch[n:]. The batch is not kept.
	Write(batch []byte, wait bool) (n int, err error)

	// Close closes the connection and unblocks the other methods. Further calls do nothing.
	Close() error

	// Transport describes how the peer is reached. The result does not change.
	Transport() *wamp.Transport
}
