package longpoll

import (
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"runnel/edge/budget"
	"runnel/edge/wamp"
	"runnel/transport/subprotocol"
	"runnel/transport/wire"
)

const (
	bufferSize = 64 << 10        // bytes of messages that wait for a request; a single longer message is accepted, too
	lingerTime = 2 * time.Second // for the client to fetch the last messages after Close, and to close the transport
)

// Conn is one transport. One goroutine at a time may call ReadMessage, and one at a time Write. Any goroutine may call
// Close, Done and Transport.
type Conn struct {
	// Static after construction.
	server    *Server
	id        string
	protocol  subprotocol.Protocol
	transport wamp.Transport
	place     *place          // held until the transport has a session
	account   *budget.Account // nil: memory is not bounded

	sending chan struct{} // holds an element while a send request is in progress
	bodies  chan []byte   // at most one body that the reader has not fetched yet
	ended   chan struct{} // closed once cause is set: nothing more is accepted from the client
	done    chan struct{} // closed when no more messages can be fetched either

	limit atomic.Int64 // bytes of a body

	// Owned by ReadMessage.
	rest   []byte // messages of a body that ReadMessage has not returned yet
	charge int    // bytes that the account was charged for the body

	mu      sync.Mutex
	room    sync.Cond // on mu: messages were fetched, or the transport has ended
	out     []byte    // messages to fetch, each preceded by its length
	at      int       // bytes of out that are fetched
	poll    *poll     // the receive request that waits
	idle    *time.Timer
	cause   error // why the transport has ended; nil while it is open
	closed  bool  // Close was called
	removed bool  // done is closed

	charged int // bytes that the account was charged for out
}

func newConn(s *Server, id string, p subprotocol.Protocol, peer wamp.Transport, place *place) *Conn {
	c := &Conn{
		server: s, id: id, protocol: p, transport: peer, place: place,
		sending: make(chan struct{}, 1), bodies: make(chan []byte, 1), ended: make(chan struct{}), done: make(chan struct{}),
	}
	c.room.L = &c.mu
	c.limit.Store(int64(s.opts.MaxMessage))
	c.transport.Protocol, c.transport.Serializer = "longpoll", p.Serializer
	c.transport.ChannelBinding = nil // the requests arrive over several connections
	c.mu.Lock()
	c.idle = time.AfterFunc(s.opts.IdleTime, c.expire)
	c.mu.Unlock()
	return c
}

// SetReadLimit lowers the limit on bodies; a longer body is refused. 0 restores MaxMessage, and means that the peer
// has a session.
func (c *Conn) SetReadLimit(bytes int) {
	longest := c.server.opts.MaxMessage
	if bytes <= 0 {
		c.place.release()
		bytes = longest
	}
	c.limit.Store(int64(min(bytes, longest)))
}

// Account is charged for the peer's memory. It is nil if memory is not bounded.
func (c *Conn) Account() *budget.Account { return c.account }

// Transport describes how the peer is reached.
func (c *Conn) Transport() *wamp.Transport { return &c.transport }

// Done returns a channel that is closed when the transport no longer exists: at Close, or up to lingerTime later if the
// client still has messages to fetch.
func (c *Conn) Done() <-chan struct{} { return c.done }

// ReadMessage returns the peer's next message, which is valid until the next call. more reports whether the message after
// it is buffered. After a clean close by the peer the error is io.EOF.
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
		before, length, after, _ = c.protocol.Split(c.rest) // cannot fail: send checked the body
	}
	end := before + length
	msg = c.rest[before:end:end]
	c.rest = c.rest[end+after:]
	return msg, len(c.rest) > 0 || len(c.bodies) > 0, nil
}

// nextBody waits for the body of a send request. A body that was sent before the peer closed the transport is returned
// before io.EOF.
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

// Write sends a batch: messages, each preceded by its length in four bytes, big-endian. With wait it returns when the whole
// batch is buffered for receive requests. Without wait it buffers the complete messages for which there is room.
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

// recharge adjusts the account's charge to the current size of c.out. The caller holds mu.
func (c *Conn) recharge() {
	charge := budget.Buffer(cap(c.out))
	c.account.Grow(budget.Outboxes, charge-c.charged)
	c.account.Shrink(budget.Outboxes, c.charged-charge)
	c.charged = charge
}

// fits returns the length of the complete messages for which there is room. The caller holds mu.
func (c *Conn) fits(batch []byte) (int, error) {
	n, err := wire.Fits(batch, len(c.out)-c.at, bufferSize)
	if err != nil {
		return n, fmt.Errorf("long-poll: write: %w", err)
	}
	return n, nil
}

// Close ends the transport. For lingerTime the client can still fetch the remaining messages, close the transport, or be
// told that it has ended.
func (c *Conn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil
	}
	c.closed = true
	if c.cause != nil { // the client has closed the transport or timed out
		c.remove()
		return nil
	}
	c.closeWith(net.ErrClosed)
	c.idle.Reset(lingerTime)
	return nil
}

// disconnect ends the transport on behalf of the client. ReadMessage returns cause, and the router then calls Close.
func (c *Conn) disconnect(cause error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closeWith(cause)
	if c.closed {
		c.remove()
	}
}

// closeWith sets the cause of the transport's end and wakes all waiting goroutines. Further calls do nothing. The caller holds
// mu.
func (c *Conn) closeWith(cause error) {
	if c.cause != nil {
		return
	}
	c.cause = cause
	close(c.ended)
	c.poll.wake()
	c.room.Broadcast()
}

// remove removes the transport from the server and frees its memory. The caller holds mu.
func (c *Conn) remove() {
	if c.removed {
		return
	}
	c.removed = true
	c.idle.Stop()
	c.out, c.at = nil, 0
	c.account.Close()
	c.place.release()
	c.server.remove(c)
	close(c.done)
}

// expire is called when the client has sent no receive request within IdleTime or, after Close, lingerTime.
func (c *Conn) expire() {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		c.remove()
	case c.poll == nil:
		c.closeWith(fmt.Errorf("the client has not asked for messages for %v", c.server.opts.IdleTime))
	}
}
