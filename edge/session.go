package edge

import (
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"runnel/edge/auth"
	"runnel/edge/codec"
	"runnel/edge/dedup"
	"runnel/edge/wamp"
)

// session is one peer in one realm, from WELCOME to the end of its connection.
type session struct {
	// Static after join.
	id           wamp.ID
	realm        *realm
	conn         Conn
	serializer   wamp.Serializer
	authid       string
	authmethod   string
	authprovider string
	proved       string   // of one who came with a cookie: the method by which he got it
	strict       bool     // the realm insisted on the letter when the session joined
	features     features // what the peer announced
	joinedAt     time.Time
	node         *wamp.Node // the router that the peer belongs to, if it says so

	out         outbox // locks for itself
	ownsAccount bool   // the session has opened the outbox's account

	// Owned by join.
	policy *policy // by which the peer is admitted

	// Owned by serve.
	lastRequest wamp.ID        // of a strict realm's sequence
	testaments  [2][]testament // by scope, see testament.go
	decisions   decisions      // of the role's authorizer

	rights    atomic.Pointer[auth.Role] // replaced under realm.mu when the realm gets another policy; the name stays
	closing   atomic.Int32              // parting: who said GOODBYE first
	displaced atomic.Bool               // it gives no sign of life, and another session of its node has joined

	// Guarded by realm.mu.
	subscriptions map[wamp.ID]*seat
	registrations map[wamp.ID]*calleeSeat

	// Guarded by realm.pending.mu.
	calls          map[wamp.ID]*call // as a caller, by CALL.Request
	invocations    map[wamp.ID]*call // as a callee, by INVOCATION.Request
	lastInvocation wamp.ID
	callsCharged   int       // calls that memory is charged for
	kept           int       // octets of its CALLs, see pending.go
	unfinished     []wamp.ID // as a caller, see stream.go

	// Guarded by realm.acknowledgements.mu.
	withheld    map[wamp.ID]*withheld   // as a publisher, by publication
	unconfirmed map[wamp.ID]*withheld   // as a subscriber that has to confirm
	numberings  dedup.Client[*withheld] // see once.go
}

// parting is who said GOODBYE first.
const (
	notClosing      int32 = iota
	closingByRouter       // the router: nothing but GOODBYE is of interest
	closingByPeer         // the peer, which may begin another session on the same connection
)

// internal reports whether the session's peer is a part of the router's own process: its options that begin with "_" are
// heeded, and it is no target for others.
func (s *session) internal() bool { return s.conn.Transport().Internal }

// role returns what the session may do, as of now.
func (s *session) role() *auth.Role { return s.rights.Load() }

// violation is a breach of the protocol: the peer gets ABORT wamp.error.protocol_violation with this text, and its
// connection is closed (basic/building_blocks.md, "Protocol Violations").
type violation string

func (v violation) Error() string { return string(v) }

// refusal is a Failure with a sentence for the developer at the other end, sent as ERROR's first argument.
type refusal struct {
	wamp.Failure
	message string
}

func (r refusal) Error() string { return fmt.Sprintf("%s: %s", r.Failure, r.message) }
func (r refusal) Unwrap() error { return r.Failure }

// errGoodbye ends the read loop of a session that closed in good order.
var errGoodbye = errors.New("session closed")

// serve is the session's read loop. It routes: whatever a message causes is appended to the outboxes concerned, and
// they are flushed when no further message is buffered. It returns why the session ended.
func (s *session) serve() error {
	var t *turn
	for {
		data, more, err := s.conn.ReadMessage()
		if err != nil {
			if t != nil {
				t.end(s.realm.router)
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
			t.end(s.realm.router)
			t = nil
		}
		if err != nil {
			return s.close(err)
		}
	}
}

// handle does what one message asks for. An error ends the session.
func (s *session) handle(t *turn, data []byte) error {
	m := &t.msg
	if err := codec.Parse(s.serializer, data, m); err != nil {
		return violation(err.Error())
	}
	if s.closing.Load() != notClosing && m.Type != wamp.Goodbye {
		return nil // basic/sessions.md: after GOODBYE was sent, only GOODBYE counts
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
		// Only parts of this process are asked for it; basic/messages.md lets a router ignore what it does not use.
		s.realm.acknowledgements.confirmed(t, s, m.ID)
	default:
		return violation("a client may not send " + m.Type.String() + " in a session")
	}
	if err == nil {
		return nil
	}
	return s.refuse(t, m, err)
}

// checkStrictly holds what only a strict realm insists on.
func (s *session) checkStrictly(m *codec.Message) error {
	if m.Nulls {
		return violation(m.Type.String() + ": null is neither a list of arguments nor a dict of keyword arguments")
	}
	return s.checkSequence(m)
}

// checkSequence holds the rule for session-scope request ids, which a strict realm insists on.
func (s *session) checkSequence(m *codec.Message) error {
	switch m.Type {
	case wamp.Publish, wamp.Subscribe, wamp.Unsubscribe, wamp.Call, wamp.Register, wamp.Unregister:
	default:
		return nil
	}
	if m.Type == wamp.Call && s.mayContinue(m.Request) {
		return nil // a further chunk of a progressive call
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
		return refusal{wamp.PayloadSizeExceeded, "the receiver takes no message of this length"}
	}
	return err
}

// refuse answers a request with ERROR if err says how; any other error ends the session.
func (s *session) refuse(t *turn, request *codec.Message, err error) error {
	if failure := wamp.Failure(""); !errors.As(err, &failure) {
		return err
	}
	m := failureMessage(s.serializer, request.Type, request.Request, err)
	t.send(s, &m)
	return nil
}

// failureMessage makes the ERROR that says err, which holds a wamp.Failure.
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

// goodbye answers the peer's GOODBYE, or takes its answer to ours.
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

// close ends the connection after the read loop has: a violation is answered with ABORT, and what is still in the
// outbox is given a moment to get out.
func (s *session) close(cause error) error {
	if reason, message, broke := abortReason(cause); broke {
		s.abort(reason, message)
		cause = fmt.Errorf("protocol violation: %w", cause)
	}
	s.out.flushWithin(s.realm.router.options().CloseTimeout)
	return cause
}

// breach returns what ABORT says to a peer whose session ends with err, if it is the peer's fault.
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

// abort tells the peer why it is cut.
func (s *session) abort(reason wamp.Failure, message string) {
	m := abortMessage(s.serializer, reason, message)
	s.out.append(&m)
}

func abortMessage(serializer wamp.Serializer, reason wamp.Failure, message string) codec.Message {
	dict, _ := codec.NewDict(serializer, map[string]any{"message": message})
	return codec.Message{Type: wamp.Abort, Dict: dict, Text: []byte(reason)}
}

// sendGoodbye asks the peer to leave, if neither has said GOODBYE: GOODBYE, with a message if it is not empty; the connection is
// closed when the peer has answered. Any goroutine.
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

// kill is end for a peer that may not stay: its connection is closed in any case, unless the session has ended already.
// Any goroutine.
func (s *session) kill(reason wamp.Failure, message string) {
	if s.sendGoodbye(reason, message); s.closing.Load() == closingByPeer {
		return // the connection may be another session's by now
	}
	time.AfterFunc(s.realm.router.options().CloseTimeout, func() { s.conn.Close() })
}

// finish takes the session out of everything it is part of. It runs when the read loop has ended. It reports whether the
// peer may begin another session on its connection; if not, the connection is closed.
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
	kind := ends
	if breach := violation(""); errors.As(cause, &breach) {
		kind = breaches
	}
	if !s.realm.router.logbook.allow(kind) {
		return
	}
	attrs := []any{"duration", time.Since(s.joinedAt).Round(time.Millisecond).String()}
	if s.out.overrun {
		cause = errors.New("the peer did not take its replies")
	}
	if !errors.Is(cause, errGoodbye) {
		attrs = append(attrs, "err", cause)
	}
	s.log().Info("session ended", attrs...)
}

// closeGracefully lets the peer close the connection first, if it does so soon. Some take it for a failure when it is closed while
// they are about to: Twisted does on Unix sockets and TLS. And a TCP connection that is closed with octets unread is
// reset, so that the peer might never read the last message, ABORT or GOODBYE.
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

// closeWrite tells the peer that nothing more comes, and closes the connection after a while. Where that can't be told it
// closes the connection at once, and returns nil.
func (s *session) closeWrite() (late *time.Timer) {
	half, ok := s.conn.(halfCloser)
	if !ok || half.CloseWrite() != nil {
		s.conn.Close()
		return nil
	}
	return time.AfterFunc(closeGrace, func() { s.conn.Close() })
}

const (
	closeGrace   = time.Second // that a peer has to close the connection after GOODBYE or ABORT
	maxDiscarded = 1000        // messages of a peer that are thrown away meanwhile
)

func (s *session) log() *slog.Logger {
	return s.realm.log.With("session", s.id, "authid", s.authid, "peer", s.conn.Transport().Remote)
}

// noteStall hears from the outbox that the peer does not read.
func (s *session) noteStall() {
	s.realm.router.counters.stalls.Add(1)
	if !s.realm.router.logbook.allow(stalls) {
		return
	}
	s.log().Warn("peer does not take what it is sent; its oldest events will be dropped until it has caught up")
}

// noteDrops hears from the outbox that a slow peer has caught up, and what it has lost.
func (s *session) noteDrops(events uint64) {
	s.realm.router.counters.drops.Add(events)
	if !s.realm.router.logbook.allow(losses) {
		return
	}
	s.log().Warn("slow peer lost events", "events", events, "total", s.out.dropped.Load())
}
