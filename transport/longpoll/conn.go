package longpoll

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"runnel/edge/budget"
	"runnel/edge/wamp"
	"runnel/transport/subprotocol"
)

const (
	headSize   = 4
	bufferSize = 64 << 10        // octets of messages that wait for a request; one longer message may pass alone
	lingerTime = 2 * time.Second // for the client to fetch what a transport that is closed still has for it, and to close it
)

// Conn is one transport. ReadMessage belongs to one goroutine at a time, Write to one at a time, Close, Done and
// Transport to any.
type Conn struct {
	// Static after construction.
	server    *Server
	id        string
	protocol  subprotocol.Protocol
	transport wamp.Transport
	place     *place          // until it has a session
	account   *budget.Account // nil: memory is not bounded

	turn   chan struct{} // holds an element while a request sends
	bodies chan []byte   // at most one that the reader has not taken yet
	ended  chan struct{} // closed with cause set: nothing more is taken from the client
	done   chan struct{} // closed when nothing more can be fetched either

	limit atomic.Int64 // octets of a body

	// Owned by ReadMessage.
	rest   []byte // messages of a body that are still to be handed out
	charge int    // octets that the account was charged for the body

	mu     sync.Mutex
	room   sync.Cond // on mu: out has been taken, or the transport has ended
	out    []byte    // messages that no request has fetched, each behind its length
	at     int       // octets of out that have been fetched
	poll   *poll     // the request that waits to receive
	idle   *time.Timer
	cause  error // why it has ended
	closed bool  // by the router
	gone   bool  // done is closed

	charged int // octets that the account was charged for out
}

func newConn(s *Server, id string, p subprotocol.Protocol, peer wamp.Transport, place *place) *Conn {
	c := &Conn{
		server: s, id: id, protocol: p, transport: peer, place: place,
		turn: make(chan struct{}, 1), bodies: make(chan []byte, 1), ended: make(chan struct{}), done: make(chan struct{}),
	}
	c.room.L = &c.mu
	c.limit.Store(int64(s.opts.MaxMessage))
	c.transport.Protocol, c.transport.Serializer = "longpoll", p.Serializer
	c.transport.ChannelBinding = nil // its requests come over more than one connection
	c.mu.Lock()
	c.idle = time.AfterFunc(s.opts.IdleTime, c.expire)
	c.mu.Unlock()
	return c
}

// SetReadLimit has a longer body be refused, until it is called with 0: then the peer has a session.
func (c *Conn) SetReadLimit(octets int) {
	if octets <= 0 {
		c.place.leave()
	}
	if octets <= 0 || octets > c.server.opts.MaxMessage {
		octets = c.server.opts.MaxMessage
	}
	c.limit.Store(int64(octets))
}

// Account is what the peer's memory is charged to; nil if it is not bounded.
func (c *Conn) Account() *budget.Account { return c.account }

// Transport says how the peer is reached.
func (c *Conn) Transport() *wamp.Transport { return &c.transport }

// Done is closed when the transport is no more: a little after Close, if there is something left to fetch.
func (c *Conn) Done() <-chan struct{} { return c.done }

// ReadMessage returns the peer's next message, which is valid until the next call, and whether the one after it is
// buffered. When the peer has closed the transport in good order, the error is io.EOF.
func (c *Conn) ReadMessage() (msg []byte, more bool, err error) {
	if len(c.rest) == 0 {
		c.account.Shrink(budget.Reading, c.charge)
		c.charge = 0
		if c.rest, err = c.nextBody(); err != nil {
			return nil, false, err
		}
		c.charge = budget.Buffer(cap(c.rest))
	}
	before, length, after := 0, len(c.rest), 0
	if c.protocol.Batched {
		before, length, after, _ = c.protocol.Split(c.rest) // send has checked it
	}
	end := before + length
	msg = c.rest[before:end:end]
	c.rest = c.rest[end+after:]
	return msg, len(c.rest) > 0 || len(c.bodies) > 0, nil
}

// nextBody waits for a request that sends. What was sent before the peer closed the transport still counts.
func (c *Conn) nextBody() ([]byte, error) {
	select {
	case b := <-c.bodies:
		return b, nil
	case <-c.ended:
	}
	if c.cause != io.EOF {
		return nil, fmt.Errorf("long-poll: %w", c.cause)
	}
	select {
	case b := <-c.bodies:
		return b, nil
	default:
		return nil, io.EOF
	}
}

// Write sends a batch: messages, each behind its length in four octets, big-endian. With wait it returns when all of it
// is buffered for the requests that fetch it. Without, it takes the whole messages that there is room for.
func (c *Conn) Write(batch []byte, wait bool) (n int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for n < len(batch) {
		if c.cause != nil {
			return n, fmt.Errorf("long-poll: write: %w", net.ErrClosed)
		}
		m, err := c.fits(batch[n:])
		if err != nil {
			return n, err
		}
		if m > 0 {
			c.out = append(c.out, batch[n:n+m]...)
			c.recharge()
			n += m
			c.poll.wake()
			continue
		}
		if !wait {
			break
		}
		c.room.Wait()
	}
	return n, nil
}

// recharge charges what c.out takes beyond a small buffer, or frees it. Holds mu.
func (c *Conn) recharge() {
	charge := budget.Buffer(cap(c.out))
	c.account.Grow(budget.Outboxes, charge-c.charged)
	c.account.Shrink(budget.Outboxes, c.charged-charge)
	c.charged = charge
}

// fits returns the length of the whole messages that there is room for. Holds mu.
func (c *Conn) fits(batch []byte) (n int, err error) {
	used := len(c.out) - c.at
	for n < len(batch) {
		m := messageSize(batch[n:])
		if m == 0 {
			return n, errors.New("long-poll: write: batch ends in mid-message")
		}
		if used+n > 0 && used+n+m > bufferSize {
			break
		}
		n += m
	}
	return n, nil
}

// messageSize returns the length of a batch's first message with its head, 0 if it is not whole.
func messageSize(batch []byte) int {
	if len(batch) < headSize {
		return 0
	}
	n := binary.BigEndian.Uint32(batch)
	if uint64(n) > uint64(len(batch)-headSize) {
		return 0
	}
	return headSize + int(n)
}

// Close ends the transport. What the client has not fetched yet waits for it a moment longer, and so does the transport
// itself for the client to close it, or to be told that it is no more.
func (c *Conn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil
	}
	c.closed = true
	if c.cause != nil { // the client has left, or has been given up
		c.vanish()
		return nil
	}
	c.end(net.ErrClosed)
	c.idle.Reset(lingerTime)
	return nil
}

// leave ends the transport for the client's part; the router hears of it from ReadMessage and closes it.
func (c *Conn) leave(cause error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.end(cause)
	if c.closed {
		c.vanish()
	}
}

// end lets everybody know that the transport has ended, at the first call. Holds mu.
func (c *Conn) end(cause error) {
	if c.cause != nil {
		return
	}
	c.cause = cause
	close(c.ended)
	c.poll.wake()
	c.room.Broadcast()
}

// vanish takes the transport out of the world. Holds mu.
func (c *Conn) vanish() {
	if c.gone {
		return
	}
	c.gone = true
	c.idle.Stop()
	c.out, c.at = nil, 0
	c.account.Close()
	c.place.leave()
	c.server.remove(c)
	close(c.done)
}

// expire is called when the client has not come back in time.
func (c *Conn) expire() {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		c.vanish()
	case c.poll == nil:
		c.end(fmt.Errorf("the client has not asked for messages for %v", c.server.opts.IdleTime))
	}
}
