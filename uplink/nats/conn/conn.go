package conn

import (
	"bufio"
	"context"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Conn is one connection to a server, from the end of the handshake to its own end. Its methods may be called from any goroutine.
type Conn struct {
	// Static after Open.
	opts  Options
	conn  net.Conn
	inbox string // beginning of the subjects of inboxes, with the dot
	began time.Time

	info atomic.Pointer[Info]
	out  writer

	// Owned by Run.
	in    *bufio.Reader
	names []byte // subject and reply of the current message
	large []byte // for payloads that do not fit into in
	msg   Msg

	mu sync.Mutex
	// Guarded by mu.
	subs    map[uint64]*Sub
	sids    uint64 // the last id used; 1 is that of the inboxes
	inboxes map[uint64]*Inbox
	tokens  uint64         // the last one used
	pings   []chan<- error // waiting for a PONG, in order
	err     error          // why the connection has ended

	heard     atomic.Uint64 // bytes read
	roundTrip atomic.Int64  // the last one measured, in ns
	done      chan struct{} // closed at the end
}

// explainTime bounds the wait for an -ERR after a failed write.
const explainTime = time.Second

// Run serves the connection until it ends or ctx is done, and returns why it has ended.
func (c *Conn) Run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { c.close(context.Cause(ctx)) })
	defer stop()
	var work sync.WaitGroup
	work.Go(func() { c.lost(c.out.Run()) })
	work.Go(c.ping)
	c.close(c.read())
	work.Wait()
	return c.Err()
}

// Close closes the connection at once. Data that was not written is lost; Flush waits for it.
func (c *Conn) Close() { c.close(ErrClosed) }

// close ends the connection and all waits. The first reason is kept.
func (c *Conn) close(why error) {
	c.mu.Lock()
	ended := c.err != nil
	if !ended {
		c.err = why
	}
	inboxes, pings := c.inboxes, c.pings
	c.inboxes, c.pings = map[uint64]*Inbox{}, nil
	c.mu.Unlock()
	c.out.Close(why)
	c.conn.Close()
	if ended {
		return
	}
	close(c.done)
	for _, b := range inboxes {
		b.finish(ErrClosed)
	}
	for _, p := range pings {
		p <- ErrClosed
	}
}

// lost closes the connection because a write has failed. The server may have sent the reason in an -ERR. lost therefore
// first gives the reader some time to read it.
func (c *Conn) lost(err error) {
	select {
	case <-c.done:
	case <-time.After(explainTime):
	}
	c.close(err)
}

// Done returns a channel that is closed when the connection has ended.
func (c *Conn) Done() <-chan struct{} { return c.done }

// Err returns why the connection has ended; nil while it is open.
func (c *Conn) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Info returns the server's last INFO. Its URLs must not be changed.
func (c *Conn) Info() Info { return *c.info.Load() }

// RoundTrip returns the last measured time from PING to PONG; 0: none yet.
func (c *Conn) RoundTrip() time.Duration { return time.Duration(c.roundTrip.Load()) }

// Publish queues a message and does not wait. Its error is ErrSubject, a TooLarge, ErrFull, or the reason why the
// connection has ended. An error does not change the connection. If the user lacks permission for the subject,
// OnDenied is called later.
func (c *Conn) Publish(m Out) error {
	if !ValidSubject(m.Subject, false) || m.Reply != "" && !ValidSubject(m.Reply, false) {
		return ErrSubject
	}
	size := len(m.Data)
	if len(m.Header) > 0 {
		size += len(m.Header) + len("\r\n")
	}
	if limit := c.info.Load().MaxPayload; size > limit {
		return &TooLarge{size, limit}
	}
	return c.out.send(&m)
}

// Room waits until few unwritten bytes are left. A sender of many messages calls it before each message.
func (c *Conn) Room(ctx context.Context) error { return c.out.Room(ctx) }

// Flush waits until the server has handled all data that was sent before. By then, it has reported all denied subjects.
func (c *Conn) Flush(ctx context.Context) error {
	_, err := c.Ping(ctx)
	return err
}
