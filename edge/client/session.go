package client

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"runnel/edge/codec"
	"runnel/edge/wamp"
)

// session is one session at the router, from WELCOME until its connection is closed.
type session struct {
	// Static after join.
	client  *Client
	conn    Conn
	welcome Welcome
	out     *outgoing     // has its own lock
	ended   chan struct{} // closed when the session has ended and its goroutines have returned
	window  chan struct{} // one item for each pending publication with PublishOptions.Done

	reason  error       // why it ended; set before ended is closed
	closing atomic.Bool // GOODBYE was sent: other messages from the router are ignored

	// Guarded by client.mu.
	subscriptions map[wamp.ID][]*Subscription // slices are immutable: the read loop uses them without the lock
	subscribing   map[pattern]int             // number of SUBSCRIBEs that the router has not answered
	registrations map[wamp.ID]*Registration

	mu sync.Mutex
	// Guarded by mu.
	pending     map[wamp.ID]request
	invocations map[wamp.ID]*Invocation
	unfinished  []wamp.ID // streams of arguments that were answered before their last chunk
}

// request is a message of this client that the router will answer. The code that removes it from pending calls answer
// or fail, once.
type request interface {
	// kind returns the type of the message and the type of its reply.
	kind() (sent, reply wamp.Type)

	// answer takes the reply. The read loop calls it.
	answer(*codec.Message)

	// fail handles the router's ERROR, or the reason why no reply will arrive.
	fail(error)
}

func newSession(c *Client, conn Conn) *session {
	s := &session{
		client: c, conn: conn, ended: make(chan struct{}),
		window:        make(chan struct{}, c.opts.Unacknowledged),
		subscriptions: make(map[wamp.ID][]*Subscription),
		subscribing:   make(map[pattern]int),
		registrations: make(map[wamp.ID]*Registration),
		pending:       make(map[wamp.ID]request),
		invocations:   make(map[wamp.ID]*Invocation),
	}
	s.out = newOutgoing(conn, c.opts.WriteBuffer, s.expect)
	return s
}

// expect adds a request that has just been given its id.
func (s *session) expect(id wamp.ID, r request) {
	s.mu.Lock()
	s.pending[id] = r
	s.mu.Unlock()
	s.client.events.addUnanswered(1)
}

// forget removes a request from pending, and reports whether it was there.
func (s *session) forget(id wamp.ID) bool {
	s.mu.Lock()
	_, found := s.pending[id]
	delete(s.pending, id)
	s.mu.Unlock()
	if found {
		s.client.events.addUnanswered(-1)
	}
	return found
}

// run is the read loop. It starts the writer, and returns when the session and both goroutines have ended.
func (s *session) run() {
	var writer sync.WaitGroup
	quit := make(chan struct{})
	writer.Go(func() { s.out.runWriter(quit) })
	s.reason = s.read()
	s.cleanUp()
	close(quit)
	writer.Wait()
	close(s.ended)
}

// read handles messages until the session ends, and returns why.
func (s *session) read() error {
	var m codec.Message
	for {
		data, _, err := s.conn.ReadMessage()
		if err != nil {
			return err
		}
		if err = codec.Parse(s.out.serializer, data, &m); err == nil {
			err = s.handle(&m)
		} else if isExtension(err) {
			continue
		} else {
			err = violation(err.Error())
		}
		if err != nil {
			s.abortOnViolation(err)
			return err
		}
	}
}

// isExtension reports whether a message has a type that basic/messages.md reserves for extensions. Such messages are ignored.
func isExtension(err error) bool {
	var unknown codec.UnknownType
	return errors.As(err, &unknown) && unknown >= 256 && unknown < 1024
}

// handle handles one message. An error ends the session.
func (s *session) handle(m *codec.Message) error {
	if s.closing.Load() && m.Type != wamp.Goodbye && m.Type != wamp.Abort {
		return nil // basic/sessions.md: after sending GOODBYE, a peer ignores everything but GOODBYE
	}
	switch m.Type {
	case wamp.Event:
		s.event(m)
		return nil
	case wamp.Result, wamp.Published, wamp.Subscribed, wamp.Registered:
		return s.reply(m, m.Type)
	case wamp.Unsubscribed, wamp.Unregistered:
		if m.Request == 0 {
			s.revokeEndpoints(m)
			return nil
		}
		return s.reply(m, m.Type)
	case wamp.Error:
		if m.ErrorType == wamp.Cancel {
			m.ErrorType = wamp.Call // the specification has both for a canceled call
		}
		return s.reply(m, m.ErrorType)
	case wamp.Invocation:
		return s.invocation(m)
	case wamp.Interrupt:
		s.interrupt(m)
		return nil
	case wamp.Goodbye:
		return s.goodbye(m)
	case wamp.Abort:
		return &endedError{m.Type, received(m)}
	case wamp.EventReceived:
		return nil // the client did not request acknowledged delivery
	}
	return violated("received %s in an open session", m.Type)
}

// reply passes a reply to its request. kind is the type of the reply; for ERROR it is the type of the failed request.
func (s *session) reply(m *codec.Message, kind wamp.Type) error {
	s.mu.Lock()
	r, found := s.pending[m.Request]
	s.mu.Unlock()
	if !found {
		return s.unmatched(m, kind)
	}
	sent, reply := r.kind()
	if m.Type == wamp.Error && kind != sent || m.Type != wamp.Error && kind != reply {
		return violated("received %s for %s %d", m.Type, sent, m.Request)
	}
	if call, ok := r.(*call); ok && m.Type == wamp.Result && inProgress(m) {
		call.progress(m)
		return nil
	}
	if !s.forget(m.Request) {
		return nil
	}
	if m.Type == wamp.Error {
		r.fail(received(m))
	} else {
		r.answer(m)
	}
	return nil
}

// unmatched handles a reply without a pending request. If the request was given up, the reply is ignored. If it was
// never sent, the reply is a protocol violation.
func (s *session) unmatched(m *codec.Message, kind wamp.Type) error {
	if m.Type == wamp.Error && !numbered(kind) {
		return violated("received ERROR for %s", kind)
	}
	if m.Request > s.out.lastID() {
		return violated("received %s for request %d, which was never sent", m.Type, m.Request)
	}
	return nil
}

// goodbye handles GOODBYE: it answers the router's, or accepts the answer to the client's. Then the session has ended.
func (s *session) goodbye(m *codec.Message) error {
	if s.closing.Load() {
		return ErrClosed
	}
	reason := &endedError{m.Type, received(m)}
	s.out.closeWith(&outbound{
		Message: codec.Message{Type: wamp.Goodbye}, text: wamp.GoodbyeAndOut.Error(),
	}, networkFailure(reason))
	s.out.flush(goodbyeTimeout)
	return reason
}

// goodbyeTimeout is how long writing GOODBYE or ABORT may take before the connection is closed.
const goodbyeTimeout = time.Second

// abortOnViolation sends ABORT if the session ends because the router violated the protocol.
func (s *session) abortOnViolation(err error) {
	breach, ok := err.(violation)
	if !ok {
		return
	}
	details, err := codec.NewDict(s.out.serializer, map[string]any{"message": string(breach)})
	if err != nil {
		details = codec.Dict{}
	}
	s.out.closeWith(&outbound{
		Message: codec.Message{Type: wamp.Abort, Dict: details}, text: wamp.ProtocolViolation.Error(),
	}, networkFailure(breach))
	s.out.flush(goodbyeTimeout)
}

// close sends GOODBYE and waits for the answer. When ctx is done it closes the connection.
func (s *session) close(ctx context.Context) {
	s.closing.Store(true)
	s.out.closeWith(&outbound{
		Message: codec.Message{Type: wamp.Goodbye}, text: wamp.CloseNormal.Error(),
	}, networkFailure(ErrClosed))
	s.failPending(networkFailure(ErrClosed))
	s.cancelInvocations(ErrClosed)
	select {
	case <-s.ended:
	case <-ctx.Done():
		s.conn.Close()
		<-s.ended
	}
}

// cleanUp closes the connection and fails all that depends on the session.
func (s *session) cleanUp() {
	s.client.uninstall()
	failure := networkFailure(s.reason)
	s.out.close(failure)
	s.conn.Close()
	s.failPending(failure)
	s.cancelInvocations(failure)
}

func (s *session) failPending(err error) {
	s.mu.Lock()
	pending := s.pending
	s.pending = make(map[wamp.ID]request)
	s.mu.Unlock()
	s.client.events.addUnanswered(-len(pending))
	for _, r := range pending {
		r.fail(err)
	}
}

// endedError means that the router ended the session, or refused it, by ABORT or GOODBYE.
type endedError struct {
	message wamp.Type // wamp.Abort or wamp.Goodbye
	err     *Error
}

func (e *endedError) Error() string {
	return "the router sent " + e.message.String() + ": " + e.err.Error()
}
func (e *endedError) Unwrap() error { return e.err }
