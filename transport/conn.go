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

// Conn carries messages between two peers.
type Conn = wamp.Conn
