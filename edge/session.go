package edge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"runnel/edge/auth"
	"runnel/edge/codec"
	"runnel/edge/dedup"
	"runnel/edge/logbook"
	"runnel/edge/wamp"
)

// session is a peer in a realm, from WELCOME until its connection is closed.
type session struct {
	// Static after join.
	id           wamp.ID
	realm        *realm
	conn         Conn
	serializer   wamp.Serializer
	authid       string
	authmethod   string
	authprovider string
	proved       string   // method by which the peer earned its cookie, if it joined with one
	strict       bool     // the realm was strict when the session joined
	features     features // announced by the peer
	joinedAt     time.Time
	brief        bool       // lasts for one command: its beginning and end are logged at level debug
	node         *wamp.Node // router that the peer belongs to; nil: none

	out         outbox // has its own lock
	ownsAccount bool   // the session opened the outbox's account

	// Owned by join.
	policy *policy // policy that admitted the peer

	// Owned by serve.
	lastRequest wamp.ID        // for the sequence of request ids in a strict realm
	testaments  [2][]testament // by scope, see testament.go
	decisions   decisions      // of the role's authorizer

	rights    atomic.Pointer[auth.Role] // replaced under realm.mu when the realm gets another policy; the role's name stays
	closing   atomic.Int32              // notClosing, closingByRouter or closingByPeer
	displaced atomic.Bool               // it does not respond, and another session of its node has joined
	durables  atomic.Pointer[[]*seat]   // its seats in durable subscriptions; replaced under realm.mu

	// Guarded by realm.mu.
	subscriptions map[wamp.ID]*seat
	registrations map[wamp.ID]*calleeSeat

	// Guarded by realm.pending.mu.
	calls          map[wamp.ID]*call // as a caller, by CALL.Request
	invocations    map[wamp.ID]*call // as a callee, by INVOCATION.Request
	lastInvocation wamp.ID
	callsCharged   int       // calls whose memory was charged
	kept           int       // bytes kept of its CALLs, see pending.go
	unfinished     []wamp.ID // as a caller, see stream.go

	// Guarded by realm.acknowledgements.mu.
	withheld    map[wamp.ID]*withheld   // as a publisher, by publication id
	unconfirmed map[wamp.ID]*withheld   // as a confirming subscriber
	numberings  dedup.Client[*withheld] // see once.go
}

// Values of session.closing: which side sent GOODBYE first.
const (
	notClosing      int32 = iota
	closingByRouter       // everything but GOODBYE is ignored
	closingByPeer         // the peer may start another session on the same connection
)

// internal reports whether the peer is a part of the router's own process. Such a session may use internal options
// (wamp/private.go), and meta procedures cannot remove it.
func (s *session) internal() bool { return s.conn.Transport().Internal }

// role returns the session's present role.
func (s *session) role() *auth.Role { return s.rights.Load() }

// violation is a violation of the protocol. The peer gets ABORT wamp.error.protocol_violation with this text, and its
// connection is closed (basic/building_blocks.md, "Protocol Violations").
type violation string

func (v violation) Error() string { return string(v) }

// refusal is a Failure with an explanation for developers, sent as the first argument of ERROR.
type refusal struct {
	wamp.Failure
	message string
}

func (r refusal) Error() string { return fmt.Sprintf("%s: %s", r.Failure, r.message) }
func (r refusal) Unwrap() error { return r.Failure }

// errGoodbye ends the read loop of a session that was closed.
var errGoodbye = errors.New("session closed")

// serve is the session's read loop, and also routes: it appends the resulting messages to outboxes. They are flushed
// when no further message is buffered. serve returns why the session ended.
func (s *session) serve() error {
	var t *turn
	for {
		data, more, err := s.conn.ReadMessage()
		if err != nil {
			if t != nil {
				t.release(s.realm.router)
			}
			return err
		}
		if t == nil {
			t = turns.Get().(*turn)
			t.memory = s.memory()
		}
		t.count.messages++
		err = s.handle(t, data)
		t.applyBackpressure(s)
		if err != nil || !more {
			t.release(s.realm.router)
			t = nil
		}
		if err != nil {
			return s.close(err)
		}
	}
}

// handle handles one message. An error ends the session.
func (s *session) handle(t *turn, data []byte) error {
	m := &t.msg
	if err := codec.Parse(s.serializer, data, m); err != nil {
		return violation(err.Error())
	}
	if s.closing.Load() != notClosing && m.Type != wamp.Goodbye {
		return nil // basic/sessions.md: after sending GOODBYE, a peer ignores everything but GOODBYE
	}
	if s.strict {
		if err := s.checkStrictly(m); err != nil {
			return err
		}
	}
	var err error
	switch m.Type {
	case wamp.Publish:
		err = s.publish(t, m)
	case wamp.Call:
		err = s.call(t, m)
	case wamp.Yield:
		err = s.yield(t, m)
	case wamp.Subscribe:
		err = s.subscribe(t, m)
	case wamp.Unsubscribe:
		err = s.unsubscribe(t, m)
	case wamp.Register:
		err = s.register(t, m)
	case wamp.Unregister:
		err = s.unregister(t, m)
	case wamp.Cancel:
		err = s.cancel(t, m)
	case wamp.Error:
		err = s.invocationError(t, m)
	case wamp.Goodbye:
		return s.goodbye(t, m)
	case wamp.Abort:
		return aborted(m)
	case wamp.EventReceived:
		// Only consumers of durable subscriptions and sessions of this process are asked to confirm. From others it is
		// ignored, as basic/messages.md allows.
		if !s.acknowledgeDurable(m.ID) {
			s.realm.acknowledgements.confirmed(t, s, m.ID)
		}
	default:
		return violation("a client may not send " + m.Type.String() + " in a session")
	}
	if err == nil {
		return nil
	}
	return s.refuse(t, m, err)
}

// checkStrictly checks the rules that apply only in strict realms.
func (s *session) checkStrictly(m *codec.Message) error {
	if m.Nulls {
		return violation(m.Type.String() + ": null is neither a list of arguments nor a dict of keyword arguments")
	}
	return s.checkSequence(m)
}

// checkSequence checks the sequence of session-scope request ids, in strict realms only.
func (s *session) checkSequence(m *codec.Message) error {
	switch m.Type {
	case wamp.Publish, wamp.Subscribe, wamp.Unsubscribe, wamp.Call, wamp.Register, wamp.Unregister:
	default:
		return nil
	}
	if m.Type == wamp.Call && s.mayContinue(m.Request) {
		return nil // a further chunk of a call's arguments
	}
	if want := wamp.NextID(s.lastRequest); m.Request != want {
		return violation(fmt.Sprintf("%s.Request is %d, and %d was next", m.Type, m.Request, want))
	}
	s.lastRequest = m.Request
	return nil
}

// send appends a message to peer's outbox. The peer may be s itself.
func (t *turn) send(peer *session, m *codec.Message) error {
	v, full, err := peer.out.append(m)
	t.noteAppend(peer, v, full)
	if v == tooLong && err == nil {
		return refusal{wamp.PayloadSizeExceeded, "the receiver accepts no message of this length"}
	}
	return err
}

// refuse answers a request with ERROR if err is a wamp.Failure. Any other error ends the session.
func (s *session) refuse(t *turn, request *codec.Message, err error) error {
	if failure := wamp.Failure(""); !errors.As(err, &failure) {
		return err
	}
	m := failureMessage(s.serializer, request.Type, request.Request, err)
	t.send(s, &m)
	return nil
}

// failureMessage returns the ERROR for err, which wraps a wamp.Failure.
func failureMessage(serializer wamp.Serializer, request wamp.Type, id wamp.ID, err error) codec.Message {
	m := codec.Message{Type: wamp.Error, ErrorType: request, Request: id}
	var failure wamp.Failure
	if !errors.As(err, &failure) {
		failure = wamp.ProtocolViolation
	}
	m.Text = []byte(failure)
	var with refusal
	if errors.As(err, &with) {
		m.Payload, _ = codec.NewPayload(serializer, []any{with.message}, nil)
	}
	return m
}

// goodbye handles GOODBYE: it answers the peer's, or accepts the answer to the router's.
func (s *session) goodbye(t *turn, m *codec.Message) error {
	if s.closing.Load() == notClosing && !wamp.ValidURI(m.Text, wamp.Exact, s.strict) {
		return refusal{wamp.InvalidURI, "GOODBYE.Reason is not a URI"}
	}
	if string(m.Text) == string(wamp.CloseLogout) {
		s.forgetCookie()
	}
	if s.closing.CompareAndSwap(notClosing, closingByPeer) {
		t.send(s, &codec.Message{Type: wamp.Goodbye, Text: []byte(wamp.GoodbyeAndOut)})
	}
	return errGoodbye
}

// close sends ABORT after a violation, and gives the outbox some time to be written. It runs after the read loop.
func (s *session) close(cause error) error {
	if reason, message, broke := abortReason(cause); broke {
		s.abort(reason, message)
		cause = fmt.Errorf("protocol violation: %w", cause)
	}
	s.out.flushWithin(s.realm.router.options().CloseTimeout)
	return cause
}

// abortReason returns the content of ABORT for a session that ends with err. broke is false if the peer gets no ABORT.
func abortReason(err error) (reason wamp.Failure, message string, broke bool) {
	var rule violation
	var refused refusal
	switch {
	case errors.As(err, &rule):
		return wamp.ProtocolViolation, string(rule), true
	case errors.As(err, &refused):
		return refused.Failure, refused.message, true
	}
	return "", "", false
}

// abort sends ABORT.
func (s *session) abort(reason wamp.Failure, message string) {
	m := abortMessage(s.serializer, reason, message)
	s.out.append(&m)
}

func abortMessage(serializer wamp.Serializer, reason wamp.Failure, message string) codec.Message {
	dict, _ := codec.NewDict(serializer, map[string]any{"message": message})
	return codec.Message{Type: wamp.Abort, Dict: dict, Text: []byte(reason)}
}

// sendGoodbye sends GOODBYE, with a message unless it is empty, if neither side has sent it. The connection is closed
// when the peer has answered. Any goroutine may call it.
func (s *session) sendGoodbye(reason wamp.Failure, message string) {
	if !s.closing.CompareAndSwap(notClosing, closingByRouter) {
		return
	}
	goodbye := codec.Message{Type: wamp.Goodbye, Text: []byte(reason)}
	if message != "" {
		goodbye.Dict, _ = codec.NewDict(s.serializer, map[string]any{"message": message})
	}
	s.out.append(&goodbye)
	s.out.flush()
}

// kill sends GOODBYE, and closes the connection after a while even if the peer does not answer. Any goroutine may call it.
func (s *session) kill(reason wamp.Failure, message string) {
	if s.sendGoodbye(reason, message); s.closing.Load() == closingByPeer {
		return // another session may own the connection by now
	}
	time.AfterFunc(s.realm.router.options().CloseTimeout, func() { s.conn.Close() })
}

// finish removes the session from the realm, after its read loop has ended. It reports whether the peer may start
// another session on its connection. If not, it closes the connection.
func (s *session) finish(cause error) (again bool) {
	s.realm.remove(s)
	again = cause == errGoodbye && s.closing.Load() == closingByPeer && s.out.detach(s.realm.router.options().CloseTimeout)
	if _, _, broke := abortReason(cause); !again && (broke || cause == errGoodbye) {
		s.closeGracefully()
	}
	if !again {
		s.out.close()
	}
	s.closeAccount()
	s.logEnd(s.cause(cause))
	return again
}

func (s *session) logEnd(cause error) {
	kind := logbook.Ends
	if breach := violation(""); errors.As(cause, &breach) {
		kind = logbook.Breaches
	}
	level, ok := s.logLevel(kind)
	if !ok {
		return
	}
	attrs := []any{"duration", time.Since(s.joinedAt).Round(time.Millisecond).String()}
	if s.out.overrun {
		cause = errors.New("the peer did not read its replies")
	}
	if !errors.Is(cause, errGoodbye) {
		attrs = append(attrs, "err", cause)
	}
	s.log().Log(context.Background(), level, "session ended", attrs...)
}

// logLevel returns the level of a line of this kind about the session; ok is false if the line is suppressed.
func (s *session) logLevel(kind logbook.Kind) (level slog.Level, ok bool) {
	if s.brief && kind != logbook.Breaches {
		return slog.LevelDebug, s.realm.log.Enabled(context.Background(), slog.LevelDebug)
	}
	return slog.LevelInfo, s.realm.router.logbook.Allow(kind)
}

// closeGracefully lets the peer close the connection first, for a short time. Some peers report an error if the router
// closes it first: Twisted does on Unix sockets and TLS. And a TCP connection that is closed with unread data is reset,
// so that the peer might never read ABORT or GOODBYE.
func (s *session) closeGracefully() {
	late := s.closeWrite()
	if late == nil {
		return
	}
	defer late.Stop()
	for range maxDiscarded {
		if _, _, err := s.conn.ReadMessage(); err != nil {
			return
		}
	}
}

// closeWrite signals the end of the data to the peer, and starts a timer that closes the connection. If the transport
// cannot signal that, closeWrite closes the connection at once and returns nil.
func (s *session) closeWrite() (late *time.Timer) {
	half, ok := s.conn.(halfCloser)
	if !ok || half.CloseWrite() != nil {
		s.conn.Close()
		return nil
	}
	return time.AfterFunc(closeGrace, func() { s.conn.Close() })
}

const (
	closeGrace   = time.Second // for the peer to close the connection after GOODBYE or ABORT
	maxDiscarded = 1000        // messages of the peer that are discarded meanwhile
)

func (s *session) log() *slog.Logger {
	return s.realm.log.With("session", s.id, "authid", s.authid, "peer", s.conn.Transport().Remote)
}

// noteStall logs that the peer does not read. The outbox calls it.
func (s *session) noteStall() {
	s.realm.router.counters.stalls.Add(1)
	if !s.realm.router.logbook.Allow(logbook.Stalls) {
		return
	}
	s.log().Warn("peer reads too slowly; dropping its oldest events until it has caught up")
}

// noteDrops logs how many events a slow peer has lost. The outbox calls it once the peer has caught up.
func (s *session) noteDrops(events uint64) {
	s.realm.router.counters.drops.Add(events)
	if !s.realm.router.logbook.Allow(logbook.Losses) {
		return
	}
	s.log().Warn("slow peer has caught up; events were dropped", "events", events, "total", s.out.dropped.Load())
}
