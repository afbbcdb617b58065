// Package websocket carries WAMP messages over WebSocket (basic/building_blocks.md, "WebSocket Transport", and
// advanced/transport_batched_websocket.md). It implements RFC 6455, and of RFC 7692 permessage-deflate without context takeover.
//
//	accept.go   upgrades a request to a WebSocket
//	dial.go     connects to a router
//	read.go     returns one message at a time, also from a batch. A message stays where the connection was read to
//	write.go    turns a batch into frames, and the frames into one write
//	close.go    the closing handshake
//	outbox.go   the frames that the connection has not taken yet
//	deflate.go  permessage-deflate
//	stream.go   a byte stream for protocols other than WAMP
//
// Package frame encodes and checks frames.
package websocket

import (
	crand "crypto/rand"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"runnel/edge/budget"
	"runnel/edge/wamp"
	"runnel/transport/subprotocol"
	"runnel/transport/websocket/frame"
)

const (
	defaultLimit = 1 << 20
	pingTimeout  = 10 * time.Second
)

// Options configure a connection. The zero value is the default.
type Options struct {
	// Serializer is the serializer that a client requests; 0: CBOR. A server uses the first supported one of the client's.
	Serializer wamp.Serializer

	// Batched makes a client request the batched form of the protocol first.
	Batched bool

	// MaxMessage is the length of the longest WebSocket message to accept, in bytes. The message may be a batch. 0: 1 MiB.
	MaxMessage int

	// PingInterval is how long the peer may be silent before a PING is sent. PingTimeout is how long it may stay silent
	// after the PING before the connection is closed (0: 10 s). PingInterval 0: no PING is sent.
	PingInterval time.Duration
	PingTimeout  time.Duration

	// Compress offers permessage-deflate, which costs each connection much memory and CPU time.
	Compress bool

	// Account is charged for the peer's messages; nil: memory is not bounded.
	Account *budget.Account

	// Transport describes the peer as far as the caller knows it. The handshake fills in Protocol and Serializer.
	Transport wamp.Transport
}

// Conn is one connection, after the handshake. One goroutine at a time may call ReadMessage, and one at a time Write.
// Any goroutine may call Close, Done and Transport.
type Conn struct {
	// Static after construction.
	socket    *socket
	transport wamp.Transport
	op        frame.Op // of data frames
	protocol  subprotocol.Protocol
	deflate   bool
	limit     int

	// Owned by ReadMessage.
	readLimit int    // at most limit
	rest      []byte // of a WebSocket message: messages of a batch that ReadMessage has still to return
	more      bool   // the WebSocket message after it is buffered

	// Guarded by reading, which ReadMessage holds while it reads. The closing handshake reads after it.
	reading    sync.Mutex
	decoder    frame.Decoder
	held       int      // octets of the last message's frame in the buffer of the connection
	parts      assembly // of fragments
	plain      assembly // decompressed
	peerClosed bool     // the peer has sent CLOSE

	begun bool // owned by Write: the first byte of the next batch is the last of a message whose frames are in the outbox already

	closed atomic.Bool
	done   chan struct{}
}

// newConn returns a Conn for one side of a connection after its handshake.
func newConn(s *socket, p subprotocol.Protocol, o Options, client, deflate bool) *Conn {
	c := &Conn{socket: s, transport: o.Transport, protocol: p, deflate: deflate, limit: o.limit(), done: make(chan struct{})}
	c.transport.Protocol, c.transport.Serializer = "websocket", p.Serializer
	c.op = frame.Binary
	if p.Text() {
		c.op = frame.Text
	}
	c.readLimit = c.limit
	c.decoder = frame.Decoder{FromServer: client, Deflate: deflate}
	if client {
		s.masks = newMasks()
	}
	timeout := o.PingTimeout
	if timeout <= 0 {
		timeout = pingTimeout
	}
	s.charge(o.Account)
	s.wire.KeepAlive(o.PingInterval, timeout, func() bool { return c.ping(timeout) })
	return c
}

// newMasks returns the source of a client's masks.
func newMasks() *rand.ChaCha8 {
	var seed [32]byte
	crand.Read(seed[:]) // never fails
	return rand.NewChaCha8(seed)
}

func (o Options) limit() int {
	if o.MaxMessage <= 0 {
		return defaultLimit
	}
	return o.MaxMessage
}

// SetReadLimit lowers the limit on inbound WebSocket messages; 0 restores MaxMessage. A longer message ends the
// connection. Only the goroutine that reads may call it.
func (c *Conn) SetReadLimit(bytes int) {
	if bytes <= 0 {
		bytes = c.limit
	}
	c.readLimit = min(bytes, c.limit)
}

// Transport describes how the peer is reached.
func (c *Conn) Transport() *wamp.Transport { return &c.transport }

// Account is charged for the peer's memory. It is nil if memory is not bounded.
func (c *Conn) Account() *budget.Account { return c.socket.account }

// pingText is the payload of PING.
const pingText = "ping"

// ping sends a PING and waits until the connection has taken it, for timeout at most. It reports whether it has. Any bytes
// that the peer sends afterwards prove that it is alive.
func (c *Conn) ping(timeout time.Duration) bool {
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case <-c.socket.sendPing(pingText):
		return true
	case <-c.socket.wire.Done():
	case <-timer.C:
	}
	return false
}

// Probe sends a PING and reports whether the peer sends anything within the given time.
func (c *Conn) Probe(within time.Duration) bool {
	return c.socket.wire.Probe(func() { c.ping(within) }, within)
}
