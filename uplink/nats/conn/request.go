package conn

import (
	"bytes"
	"context"
	"strconv"
	"time"
)

// Inbox is a private subject for answers, or for other messages from peers that know the subject.
type Inbox struct {
	Subject string

	conn    *Conn
	token   uint64
	handle  func(*Msg, error)
	once    bool            // it ends with the first answer
	accept  func(*Msg) bool // reports whether a message is the answer; nil: each is
	request string          // subject of a request
	timer   *time.Timer
}

// Inbox returns an inbox. The goroutine of Run calls the handler for each message, with status 503 if a request had no responders.
// The handler is called with an error, once and from any goroutine, when the connection ends. Close ends the inbox.
func (c *Conn) Inbox(handler func(*Msg, error)) (*Inbox, error) {
	b := &Inbox{handle: handler}
	return b, c.add(b, 0)
}

// NewInbox returns a subject that only this connection knows, for a separate subscription. Messages that keep their
// own subject, such as those of JetStream's consumers, need such a subscription.
func (c *Conn) NewInbox() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tokens++
	return c.inbox[:len(c.inbox)-1] + "-s." + strconv.FormatUint(c.tokens, 36)
}

// Await makes the inbox end with a Denied if the server denies publishing requests to the subject.
func (b *Inbox) Await(request string) {
	b.conn.mu.Lock()
	defer b.conn.mu.Unlock()
	b.request = request
}

// Close ends the inbox. A call of the handler may still be in progress.
func (b *Inbox) Close() { b.remove() }

// add gives the inbox its subject. With a timeout, the inbox ends after that time.
func (c *Conn) add(b *Inbox, timeout time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return c.err
	}
	if len(c.inboxes) >= c.opts.MaxRequests {
		return ErrFull
	}
	c.tokens++
	b.conn, b.token = c, c.tokens
	b.Subject = c.inbox + strconv.FormatUint(b.token, 36)
	c.inboxes[b.token] = b
	if timeout > 0 {
		b.timer = time.AfterFunc(timeout, func() {
			if b.remove() {
				b.handle(nil, ErrTimeout)
			}
		})
	}
	return nil
}

// remove ends the inbox. It returns false if the inbox has ended already.
func (b *Inbox) remove() bool {
	b.conn.mu.Lock()
	defer b.conn.mu.Unlock()
	_, ok := b.conn.inboxes[b.token]
	delete(b.conn.inboxes, b.token)
	return ok
}

// finish tells the handler that no more messages will arrive.
func (b *Inbox) finish(err error) {
	if b.timer != nil {
		b.timer.Stop()
	}
	b.handle(nil, err)
}

// answered passes a message to its inbox.
func (c *Conn) answered(m *Msg) {
	text, ok := bytes.CutPrefix(m.Subject, []byte(c.inbox))
	if !ok {
		return
	}
	token, err := strconv.ParseUint(string(text), 36, 64)
	if err != nil {
		return
	}
	c.mu.Lock()
	b := c.inboxes[token]
	if b != nil && b.once && b.accept == nil {
		delete(c.inboxes, token)
	}
	c.mu.Unlock()
	if b == nil {
		return // late
	}
	if b.accept != nil && (!m.NoResponders() && !b.accept(m) || !b.remove()) {
		return
	}
	if b.timer != nil {
		b.timer.Stop()
	}
	if b.once && m.NoResponders() {
		b.handle(nil, ErrNoResponders)
		return
	}
	b.handle(m, nil)
}

// Send sends a request and does not wait. done is called exactly once if Send returns no error: with the first answer
// by the goroutine of Run, or from any goroutine with ErrNoResponders, ErrTimeout, a Denied or ErrClosed. m.Reply is
// ignored. done must not wait.
func (c *Conn) Send(m Out, timeout time.Duration, done func(*Msg, error)) error {
	return c.SendFor(m, timeout, nil, done)
}

// SendFor is Send with a function that reports whether a message is the answer. The goroutine of Run calls it. Other
// messages are ignored, and the request stays open.
func (c *Conn) SendFor(m Out, timeout time.Duration, accept func(*Msg) bool, done func(*Msg, error)) error {
	b := &Inbox{handle: done, once: true, accept: accept, request: m.Subject}
	if err := c.add(b, timeout); err != nil {
		return err
	}
	m.Reply = b.Subject
	err := c.Publish(m)
	if err != nil && !b.remove() {
		return nil // done was called
	}
	if err != nil {
		b.timer.Stop()
	}
	return err
}

// Request sends a request and waits for the first answer. Its errors are those of Publish and Send, and that of ctx.
func (c *Conn) Request(ctx context.Context, m Out) (*Msg, error) {
	type outcome struct {
		m   *Msg
		err error
	}
	answer := make(chan outcome, 1)
	b := &Inbox{once: true, request: m.Subject, handle: func(m *Msg, err error) {
		if m != nil {
			m = m.Clone()
		}
		answer <- outcome{m, err}
	}}
	if err := c.add(b, 0); err != nil {
		return nil, err
	}
	defer b.remove()
	m.Reply = b.Subject
	if err := c.Publish(m); err != nil {
		return nil, err
	}
	select {
	case o := <-answer:
		return o.m, o.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
