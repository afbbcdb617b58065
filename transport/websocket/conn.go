// Package websocket carries WAMP messages over WebSocket (basic/building_blocks.md, "WebSocket Transport", and
// advanced/transport_batched_websocket.md). The library coder/websocket implements the WebSocket protocol itself.
//
//	accept.go   upgrades a request to a WebSocket
//	dial.go     connects to a router
//	read.go     returns one message at a time, also from a batch
//	write.go    turns a batch into frames, and the frames into one write
//	socket.go   the connection below coder/websocket: reads frame by frame and holds no buffer while it waits
//	outbox.go   the frames that the connection has not taken yet
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
	stuckCloseTime = 200 * time.Millisecond // the same, for a peer that has not taken earlier frames
	maxCloseReason = 123                    // bytes that fit into CLOSE (RFC 6455, 5.5)
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
	ws        *websocket.Conn
	socket    *socket
	transport wamp.Transport
	kind      websocket.MessageType
	protocol  subprotocol.Protocol
	limit     int

	// Owned by ReadMessage.
	buf    []byte    // the WebSocket message
	loan   wire.Loan // of buf
	charge int       // bytes that the account was charged for buf
	rest   []byte    // of buf: messages of a batch that ReadMessage has still to return

	// Owned by Write.
	begun   bool   // the first byte of the next batch is the last of a message whose frames are in the outbox already
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
		return websocket.CompressionNoContextTakeover // with context takeover, an idle connection would keep its window
	}
	return websocket.CompressionDisabled
}

// SetReadLimit lowers the limit on inbound WebSocket messages; 0 restores MaxMessage. A longer message ends the
// connection. Only the goroutine that reads may call it.
func (c *Conn) SetReadLimit(bytes int) {
	if bytes <= 0 {
		bytes = c.limit
	}
	c.ws.SetReadLimit(int64(min(bytes, c.limit)))
}

// Transport describes how the peer is reached.
func (c *Conn) Transport() *wamp.Transport { return &c.transport }

// Account is charged for the peer's memory. It is nil if memory is not bounded.
func (c *Conn) Account() *budget.Account { return c.socket.account }

// Close starts the closing handshake and returns at once. ReadMessage and Write return when the peer has answered CLOSE,
// at the latest after a second.
func (c *Conn) Close() error {
	c.close(websocket.StatusNormalClosure, "")
	return nil
}

// Done returns a channel that is closed when the connection is closed, shortly after Close.
func (c *Conn) Done() <-chan struct{} { return c.done }

// fail closes the connection because the peer sent an invalid message. The peer receives err as the reason.
func (c *Conn) fail(code websocket.StatusCode, err error) error {
	c.giveBack()
	c.close(code, err.Error())
	return fmt.Errorf("websocket: %w", err)
}

func (c *Conn) close(code websocket.StatusCode, reason string) {
	c.closed.Store(true)
	c.once.Do(func() { go c.closeHandshake(code, reason[:min(len(reason), maxCloseReason)]) })
}

// closeHandshake performs the closing handshake within closeTime and closes the socket. A peer that has not taken earlier
// frames gets stuckCloseTime only.
func (c *Conn) closeHandshake(code websocket.StatusCode, reason string) {
	defer close(c.done)
	limit := closeTime
	if c.socket.stuck() {
		limit = stuckCloseTime // enough for CLOSE if the peer resumes reading just now
	}
	late := time.AfterFunc(limit, func() { c.socket.Close() })
	defer late.Stop()
	c.ws.Close(code, reason)
	c.socket.Close()
	c.loan.Forget() // the reader may never give it back
}

// ping sends a PING and waits until the connection has taken it, for timeout at most. It reports whether it has. Any bytes
// that the peer sends afterwards prove that it is alive.
func (c *Conn) ping(timeout time.Duration) bool {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	written := c.socket.expectPing()
	go func() {
		defer cancel()
		c.ws.Ping(ctx)
	}()
	select {
	case <-written:
		return true
	case <-ctx.Done():
		return false
	}
}

// Probe sends a PING and reports whether the peer sends anything within the given time.
func (c *Conn) Probe(within time.Duration) bool {
	return c.socket.wire.Probe(func() { c.ping(within) }, within)
}

// explain turns an error of coder/websocket into one of this package. It returns io.EOF if the peer sent CLOSE with a
// normal status or closed the connection.
func (c *Conn) explain(err error) error {
	if c.closed.Load() {
		return fmt.Errorf("websocket: %w", net.ErrClosed)
	}
	var sent websocket.CloseError
	if errors.As(err, &sent) {
		if sent.Code == websocket.StatusNormalClosure || sent.Code == websocket.StatusGoingAway || sent.Code == websocket.StatusNoStatusRcvd {
			return io.EOF
		}
		return fmt.Errorf("websocket: the peer closed with %d %q", sent.Code, sent.Reason)
	}
	if cause := c.socket.wire.Err(); cause != nil && !errors.Is(cause, net.ErrClosed) {
		err = cause
	}
	if err == io.EOF {
		return io.EOF
	}
	return fmt.Errorf("websocket: %w", err)
}
