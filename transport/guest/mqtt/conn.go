package mqtt

import (
	"io"
	"net"
	"sync"
	"time"

	"runnel/edge/budget"
	"runnel/edge/codec"
	"runnel/edge/wamp"
	"runnel/transport/guest"
	"runnel/transport/mqtt/packet"
	"runnel/transport/wire"
)

// Conn is the connection of one MQTT client. For the router it is a connection that carries WAMP in JSON, so payloads
// that are JSON pass unchanged.
type Conn struct {
	// Static after Accept.
	door         *Door
	broker       *Broker
	wire         *wire.Conn
	account      *budget.Account
	transport    wamp.Transport
	version      packet.Version
	key          client // set once the client has joined
	clean        bool   // clean start
	bridge       bool   // the bridge extension of 3.1.1
	assigned     bool   // the client sent no id
	problems     bool   // the client accepts reason strings
	keepAlive    uint16
	ownKeepAlive bool // keepAlive is the listener's
	asked        uint32
	maxPacket    int // length of the longest packet that the client accepts
	attempt      guest.Attempt
	named        bool // the client sent a user name

	done chan struct{} // closed by Close: the router has removed the session
	gone chan struct{} // closed when the connection is closed

	// Owned by ReadMessage.
	queue    []span // messages for the router, in arena
	next     int    // of queue
	arena    []byte
	requests wamp.ID // the last request id
	ended    error   // after the queue, ReadMessage returns it
	aliases  []string
	options  codec.Builder
	will     *packet.Will // until the client has joined

	mu   sync.Mutex
	room sync.Cond // on mu: bytes were written, a message was acknowledged, or the connection has ended
	// Guarded by mu.
	out        []byte
	writing    bool      // a goroutine is writing out
	dead       bool      // writing has ended
	reasonSent bool      // the last packet has the reason of the end, and no more packets of the client are read
	waiting    bool      // the reader waits for the client
	todo       []func()  // work for the reader, which numbers the requests
	acks       []wamp.ID // events of durable subscriptions that the reader is to acknowledge
	owner      Owner
	joined     bool   // WELCOME has arrived
	open       bool   // CONNACK was sent; the client's packets wait for it
	willed     bool   // the will is a testament of the session
	durable    bool   // the session may have durable subscriptions
	expiry     uint32 // seconds for which the session is kept after its connection
	filters    map[string]*filter
	subs       map[wamp.ID]*subscription
	pending    map[wamp.ID]*request // SUBSCRIBE and CALL in progress
	unacked    []publication        // PUBLISH of the client that are to be acknowledged, in order (4.6)
	received   map[uint16]receipt   // ids of QoS 2 messages of the client that are not released (4.3.3)
	recs       []packet.Ack         // PUBRECs that wait until the ids are on disk
	flight     flight
	calls      int
	mixed      bool // some subscriptions include the client's own messages, and some do not
	local      bool // some include them

	recording bool // record writes
	retired   bool // see retire
	drained   bool // the router has read all messages

	closing sync.Once
}

// span is a message in the arena.
type span struct{ start, end int }

// Transport describes the client.
func (c *Conn) Transport() *wamp.Transport { return &c.transport }

// Account is charged for the client's memory. It is nil if memory is not bounded.
func (c *Conn) Account() *budget.Account { return c.account }

// ReadMessage returns the next WAMP message that the client's packets translate to.
func (c *Conn) ReadMessage() (msg []byte, more bool, err error) {
	if c.next == len(c.queue) {
		c.queue, c.next = c.queue[:0], 0
		if c.arena = c.arena[:0]; cap(c.arena) > keepArena {
			c.arena = nil
		}
	}
	for c.next == len(c.queue) {
		if c.work(); c.next < len(c.queue) {
			break
		}
		if c.ended != nil {
			c.mu.Lock()
			c.drained = true
			c.mu.Unlock()
			c.discard()
			return nil, false, c.ended
		}
		c.flush()
		c.fail(c.readPacket())
	}
	s := c.queue[c.next]
	msg = c.arena[s.start:s.end:s.end]
	if c.next++; c.next == len(c.queue) {
		c.ahead()
	}
	return msg, c.next < len(c.queue), nil
}

// discard is linger for a session that both sides have ended. The router bounds the time.
func (c *Conn) discard() {
	for c.wire.Err() == nil && c.ended == errLeft && c.wire.Fill(1) != wire.ErrInterrupted {
		c.wire.Discard(len(c.wire.Buffered()))
	}
}

// keepArena is the size of the largest arena that an idle connection keeps, in bytes.
const keepArena = 1 << 10

// ahead handles buffered packets until one of them makes a message, so that ReadMessage can report that another one
// follows. It does not wait.
func (c *Conn) ahead() {
	for c.next == len(c.queue) && c.ended == nil && c.roomToPublish() {
		data := c.wire.Buffered()
		size, err := packet.Size(data)
		if err == nil && (size == 0 || size > len(data) || size > c.limit()) {
			return // the next call reads it
		}
		if err == nil {
			err = c.handle(data[:size])
			c.wire.Discard(size)
		}
		c.fail(err)
	}
}

// limit is the length of the longest packet that is accepted.
func (c *Conn) limit() int {
	if c.door.MaxPacket > 0 {
		return c.door.MaxPacket + headerRoom
	}
	return defaultMaxPacket + headerRoom
}

// readPacket waits for one packet and handles it.
func (c *Conn) readPacket() error {
	if !c.awaitPublished() {
		return io.EOF
	}
	c.mu.Lock()
	if len(c.todo) > 0 || len(c.acks) > 0 {
		c.mu.Unlock()
		return nil
	}
	c.waiting = true
	c.mu.Unlock()
	size, err := fill(c.wire, c.limit())
	c.mu.Lock()
	c.waiting = false
	c.mu.Unlock()
	if err == wire.ErrInterrupted {
		return nil
	}
	if err == nil {
		err = c.handle(c.wire.Buffered()[:size])
		c.wire.Discard(size)
	}
	return err
}

// work does the work that others have left to the reader.
func (c *Conn) work() {
	c.mu.Lock()
	todo, acks := c.todo, c.acks
	c.todo, c.acks = nil, nil
	c.mu.Unlock()
	for _, f := range todo {
		f()
	}
	for _, id := range acks {
		c.acknowledge(id)
	}
}

// later leaves work to the reader. The caller holds mu.
func (c *Conn) later(f func()) {
	c.todo = append(c.todo, f)
	c.wake()
}

// wake wakes the reader. The caller holds mu.
func (c *Conn) wake() {
	if c.waiting {
		c.waiting = false
		c.wire.Interrupt()
	}
	c.room.Broadcast()
}

// Write takes messages for the client.
func (c *Conn) Write(batch []byte, wait bool) (n int, err error) {
	c.mu.Lock()
	for n < len(batch) && err == nil {
		for c.full() && !c.dead && wait {
			c.unlockAndFlush()
			c.mu.Lock()
			if c.full() && !c.dead {
				c.room.Wait()
			}
		}
		if c.full() && !c.dead {
			break
		}
		size := wire.MessageSize(batch[n:])
		if size == 0 {
			err = io.ErrUnexpectedEOF
			break
		}
		c.fromRouter(batch[n+wire.HeadSize : n+size])
		n += size
	}
	if c.dead {
		err = net.ErrClosed
	}
	c.unlockAndFlush()
	return n, err
}

// full reports whether the client must first read or acknowledge earlier messages. The caller holds mu.
func (c *Conn) full() bool {
	return len(c.out) > outMark || len(c.flight.ids) >= c.flight.limit && c.joined
}

// Close ends the connection: the router has removed the session, or is closing it. A client that was told the reason gets
// time to read it.
func (c *Conn) Close() error {
	c.closing.Do(func() {
		c.mu.Lock()
		lingers := c.reasonSent && !c.writing
		c.stop()
		c.mu.Unlock()
		if lingers {
			go func() { linger(c.wire); c.closeWire() }()
		} else {
			c.closeWire()
		}
		c.broker.forget(c)
		close(c.done)
	})
	return nil
}

// closeWire closes the connection.
func (c *Conn) closeWire() {
	c.wire.Close()
	close(c.gone)
}

// Done returns a channel that is closed when the connection no longer exists: at Close, or up to lingerTime later.
func (c *Conn) Done() <-chan struct{} { return c.gone }

// The bounds of linger.
const (
	lingerTime  = time.Second
	lingerBytes = 16 << 20
)

// linger ends the stream to the client, and reads everything that the client still sends until it closes the connection.
// Closing a socket with unread bytes could lose the last packet to the client.
func linger(w *wire.Conn) {
	late := time.AfterFunc(lingerTime, func() { w.Close() })
	defer late.Stop()
	if w.CloseWrite() != nil {
		return
	}
	for n := 0; n < lingerBytes; {
		if err := w.Fill(1); err != nil && err != wire.ErrInterrupted {
			return
		}
		n += len(w.Buffered())
		w.Discard(len(w.Buffered()))
	}
}

// CloseWrite ends the stream to the client once all waiting bytes are written.
func (c *Conn) CloseWrite() error {
	c.flush()
	late := time.AfterFunc(closeTime, func() { c.wire.Close(); c.mu.Lock(); c.stop(); c.mu.Unlock() })
	defer late.Stop()
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.writing {
		c.room.Wait()
	}
	c.stop()
	return c.wire.CloseWrite()
}

// closeTime is how long a client may take for its last packets.
const closeTime = 2 * time.Second

// stop ends writing. The caller holds mu.
func (c *Conn) stop() {
	c.dead = true
	c.room.Broadcast()
}
