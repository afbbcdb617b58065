// Package websocket carries WAMP messages over WebSocket (basic/building_blocks.md, "WebSocket Transport", and
// advanced/transport_batched_websocket.md). The WebSocket protocol itself is coder/websocket's business.
//
//	accept.go   a browser or a program comes to the router
//	dial.go     a client goes to a router
//	read.go     one message at a time, also out of a batch
//	write.go    a batch becomes frames, and the frames one write
//	socket.go   the connection below coder/websocket: gathers frames, and holds no buffer while it waits
package websocket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"runnel/edge/budget"
	"runnel/edge/wamp"
	"runnel/transport/subprotocol"
	"runnel/transport/wire"
)

const (
	defaultLimit   = 1 << 20
	pingTimeout    = 10 * time.Second
	closeTime      = time.Second            // for the peer to answer CLOSE
	stuckCloseTime = 200 * time.Millisecond // the same for a peer that did not take what it was sent before
	maxCloseWords  = 123                    // octets of a reason that fit into CLOSE
)

// Options say how to speak. The zero value is the default.
type Options struct {
	// Serializer is the one a client asks for; 0: CBOR. A server speaks what the client asks for first.
	Serializer wamp.Serializer

	// Batched makes a client ask for the batched form of the protocol first.
	Batched bool

	// MaxMessage is the longest WebSocket message in octets to accept, which may be a batch. 0: 1 MiB.
	MaxMessage int

	// A peer that has been silent for PingInterval is sent a PING; one that stays silent for PingTimeout (0: 10 s) after
	// that is given up. PingInterval 0: no PING is sent.
	PingInterval time.Duration
	PingTimeout  time.Duration

	// Compress offers permessage-deflate, which costs much memory and time a connection.
	Compress bool

	// Account is charged for the peer's messages; nil: memory is not bounded.
	Account *budget.Account

	// Transport is what the caller knows of the peer. Protocol and Serializer are filled in by the handshake.
	Transport wamp.Transport
}

// Conn is one connection, after the handshake. ReadMessage belongs to one goroutine at a time, Write to one at a time,
// Close, Done and Transport to any.
type Conn struct {
	// Static after construction.
	ws        *websocket.Conn
	socket    *socket
	transport wamp.Transport
	kind      websocket.MessageType
	protocol  subprotocol.Protocol
	limit     int

	// Owned by ReadMessage.
	buf    []byte    // the WebSocket message
	loan   wire.Loan // of buf
	charge int       // octets that the account was charged for buf
	rest   []byte    // of buf: messages of a batch that are still to be handed out

	// Owned by Write.
	framed  int    // octets at the start of the next batch that are in the socket's buffer already
	scratch []byte // a batch in JSON

	closed atomic.Bool
	once   sync.Once
	done   chan struct{}
}

func newConn(ws *websocket.Conn, s *socket, p subprotocol.Protocol, o Options) *Conn {
	c := &Conn{ws: ws, socket: s, transport: o.Transport, protocol: p, limit: o.limit(), done: make(chan struct{})}
	c.transport.Protocol, c.transport.Serializer = "websocket", p.Serializer
	c.kind = websocket.MessageBinary
	if p.Text() {
		c.kind = websocket.MessageText
	}
	ws.SetReadLimit(int64(c.limit))
	timeout := o.PingTimeout
	if timeout <= 0 {
		timeout = pingTimeout
	}
	s.charge(o.Account)
	s.wire.KeepAlive(o.PingInterval, timeout, func() bool { return c.ping(timeout) })
	return c
}

func (o Options) limit() int {
	if o.MaxMessage <= 0 {
		return defaultLimit
	}
	return o.MaxMessage
}

func (o Options) compression() websocket.CompressionMode {
	if o.Compress {
		return websocket.CompressionNoContextTakeover // with it, an idle connection would keep its window
	}
	return websocket.CompressionDisabled
}

// SetReadLimit has a longer WebSocket message end the connection, until it is called with 0. It belongs to the goroutine
// that reads.
func (c *Conn) SetReadLimit(octets int) {
	if octets <= 0 || octets > c.limit {
		octets = c.limit
	}
	c.ws.SetReadLimit(int64(octets))
}

// Transport says how the peer is reached.
func (c *Conn) Transport() *wamp.Transport { return &c.transport }

// Account is what the peer's memory is charged to; nil if it is not bounded.
func (c *Conn) Account() *budget.Account { return c.socket.account }

// Close closes the connection; ReadMessage and Write return, at the latest when the peer has had a second to answer
// CLOSE.
func (c *Conn) Close() error {
	c.close(websocket.StatusNormalClosure, "")
	return nil
}

// Done is closed when the connection is: a little after Close.
func (c *Conn) Done() <-chan struct{} { return c.done }

// fail closes the connection because of what ReadMessage got from the peer, and tells it.
func (c *Conn) fail(code websocket.StatusCode, err error) error {
	c.giveBack()
	c.close(code, err.Error())
	return fmt.Errorf("websocket: %w", err)
}

func (c *Conn) close(code websocket.StatusCode, words string) {
	c.closed.Store(true)
	c.once.Do(func() { go c.bye(code, words[:min(len(words), maxCloseWords)]) })
}

// bye makes the closing handshake, if the peer takes what it is sent.
func (c *Conn) bye(code websocket.StatusCode, words string) {
	defer close(c.done)
	limit := closeTime
	if c.socket.stuck() { // or about to find that the peer has taken everything: then CLOSE still gets out
		limit = stuckCloseTime
	}
	late := time.AfterFunc(limit, func() { c.socket.Close() })
	defer late.Stop()
	c.ws.Close(code, words)
	c.socket.Close()
	c.loan.Forget() // the reader may not come back
}

// ping sends a PING. Whatever the peer sends then counts as its answer.
func (c *Conn) ping(timeout time.Duration) bool {
	stuck := c.socket.stuck()
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), timeout)
		defer cancel()
		c.ws.Ping(ctx)
	}()
	return !stuck
}

// Probe asks the peer for a sign of life, and reports whether one comes within the time.
func (c *Conn) Probe(within time.Duration) bool {
	return c.socket.wire.Probe(func() { c.ping(within) }, within)
}

// explain turns coder/websocket's error into ours. A peer that says CLOSE, or just leaves, is io.EOF.
func (c *Conn) explain(err error) error {
	if c.closed.Load() {
		return fmt.Errorf("websocket: %w", net.ErrClosed)
	}
	var said websocket.CloseError
	if errors.As(err, &said) {
		if said.Code == websocket.StatusNormalClosure || said.Code == websocket.StatusGoingAway || said.Code == websocket.StatusNoStatusRcvd {
			return io.EOF
		}
		return fmt.Errorf("websocket: the peer closed with %d %q", said.Code, said.Reason)
	}
	if cause := c.socket.wire.Err(); cause != nil && !errors.Is(cause, net.ErrClosed) {
		err = cause
	}
	if err == io.EOF {
		return io.EOF
	}
	return fmt.Errorf("websocket: %w", err)
}
