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

// session is one session with the router, from WELCOME to the end of its connection.
type session struct {
	// Static after join.
	client  *Client
	conn    Conn
	welcome Welcome
	out     *outgoing     // locks for itself
	ended   chan struct{} // closed when nothing more will come of the session and its goroutines are gone
	window  chan struct{} // has an item for each publication of which nobody waits for the acknowledgement

	reason  error       // why it ended; to be read after ended is closed
	closing atomic.Bool // GOODBYE was sent: nothing but GOODBYE is of interest

	// Guarded by client.mu.
	subscriptions map[wamp.ID][]*Subscription // the slices are never edited: the read loop uses them without the lock
	subscribing   map[pattern]int             // SUBSCRIBE sent and not yet answered
	registrations map[wamp.ID]*Registration

	mu sync.Mutex
	// Guarded by mu.
	pending     map[wamp.ID]request
	invocations map[wamp.ID]*Invocation
	unfinished  []wamp.ID // invocations that ended while more of their arguments were to come
}

// request waits for the router's reply to a message that this client sent. Either answer or fail is called, once, by who
// takes the request off pending.
type request interface {
	// kind is the message's type, and what its reply's type is.
	kind() (sent, reply wamp.Type)

	// answer takes the reply; it is called by the read loop.
	answer(*codec.Message)

	// fail takes the reason why there is no reply, or the router's ERROR.
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

// expect notes a request that was just given its id.
func (s *session) expect(id wamp.ID, r request) {
	s.mu.Lock()
	s.pending[id] = r
	s.mu.Unlock()
	s.client.events.addUnanswered(1)
}

// forget reports whether the request was still pending, and takes it off.
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

// run is the read loop, with the writer beside it. It returns when the session is over and its connection closed.
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

// read handles messages until the session is over, and says why it is.
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

// isExtension reports whether a message could not be parsed because its code is one of those that basic/messages.md
// leaves to extensions. Such messages are ignored.
func isExtension(err error) bool {
	var unknown codec.UnknownType
	return errors.As(err, &unknown) && unknown >= 256 && unknown < 1024
}

// handle does what one message asks for. An error ends the session.
func (s *session) handle(m *codec.Message) error {
	if s.closing.Load() && m.Type != wamp.Goodbye && m.Type != wamp.Abort {
		return nil // basic/sessions.md: after GOODBYE was sent, only GOODBYE counts
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
			m.ErrorType = wamp.Call // the specification has both for a call that was canceled
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
		return nil // acknowledged delivery is not asked for
	}
	return violated("received %s in a session", m.Type)
}

// reply hands a reply to the request it is for. kind is the type that the request must have as its reply or, for ERROR,
// as its own.
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

// unexpected tells a reply to a request given up, which is ignored, from one to a request never made.
func (s *session) unmatched(m *codec.Message, kind wamp.Type) error {
	if m.Type == wamp.Error && !numbered(kind) {
		return violated("received ERROR for %s", kind)
	}
	if m.Request > s.out.lastID() {
		return violated("received %s for request %d, which was not made", m.Type, m.Request)
	}
	return nil
}

// goodbye answers the router's GOODBYE, or takes its answer to ours. The session is over.
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

// lastWords is how long GOODBYE or ABORT may take to be written before the connection is closed.
const goodbyeTimeout = time.Second

// abort tells the router what it did wrong, if that is why the session ends.
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

// leave says GOODBYE and waits until the router has answered and the session is over, or until ctx is done.
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

// end fails whatever waits for the session.
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

// endedError is a session's end, or its not beginning, by the router's word.
type endedError struct {
	message wamp.Type // ABORT or GOODBYE
	err     *Error
}

func (e *endedError) Error() string {
	return "the router sent " + e.message.String() + ": " + e.err.Error()
}
func (e *endedError) Unwrap() error { return e.err }
