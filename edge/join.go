package edge

import (
	"context"
	"errors"
	"fmt"
	"time"

	"runnel/edge/codec"
	"runnel/edge/logbook"
	"runnel/edge/wamp"
)

// maxHandshake is the longest message, in bytes, that is accepted from a peer that has not joined. Decoded details can need
// many times their length.
const maxHandshake = 16 << 10

// maxHandshakeValues is how many values such a message may contain. A decoded value needs about 64 bytes or more.
const maxHandshakeValues = 1000

// join takes a peer from HELLO to WELCOME, or answers ABORT and returns the cause. first is HELLO if it was read already.
func (r *Router) join(conn Conn, first []byte) (*session, error) {
	s := r.newSession(conn)
	if int(r.open.Load()) > r.options().MaxSessions && !conn.Transport().Internal {
		s.abortJoin(r, refusal{wamp.Unavailable, "the router has reached its limit of sessions"})
		return nil, errors.New("join: too many sessions")
	}
	err := s.openAccount(r)
	if err == nil {
		limitReads(conn, maxHandshakeRead)
		err = s.hello(r, first)
	}
	if err != nil {
		s.abortJoin(r, err)
		err = s.cause(err)
		s.closeAccount()
		r.logRefusal(conn, err)
		return nil, fmt.Errorf("join: %w", err)
	}
	return s, nil
}

// hello waits for HELLO, unless it was read already, and admits its sender.
func (s *session) hello(r *Router, data []byte) (err error) {
	if data == nil {
		data, err = s.await(r, wamp.Hello)
	}
	if err == nil {
		err = checkLength(wamp.Hello, data)
	}
	if err != nil {
		return err
	}
	return r.admit(s, data)
}

// maxHandshakeRead is the longest message, in bytes, that is read from a peer that has not joined, because a message needs
// memory while it arrives. A message between maxHandshake and this length is answered with ABORT.
const maxHandshakeRead = 64 << 10

func limitReads(conn Conn, octets int) {
	if l, ok := conn.(limiter); ok {
		l.SetReadLimit(octets)
	}
}

// newSession returns a session that has not joined a realm yet. All messages to its peer, from CHALLENGE or ABORT on, go
// through its outbox, because two goroutines must never write to one connection.
func (r *Router) newSession(conn Conn) *session {
	s := &session{id: wamp.NewID(), conn: conn, serializer: conn.Transport().Serializer}
	s.numberings.Internal = s.internal()
	s.out.init(conn, s, r.options().OutboxBytes)
	return s
}

// logRefusal logs that a peer did not join, at most once a second: a peer may connect as often as it likes.
func (r *Router) logRefusal(conn Conn, err error) {
	if suppressed, ok := r.refusals.Allow(); ok {
		t := conn.Transport()
		r.options().Log.Warn("session refused", "peer", t.Remote, "listener", t.Listener, "err", err, "suppressed", suppressed)
	}
}

// await reads the message that the peer has to send next, within HelloTimeout. A late peer gets ABORT before its connection
// is closed, which ends the read.
func (s *session) await(r *Router, expected wamp.Type) ([]byte, error) {
	limit, aborted := r.options().HelloTimeout, make(chan struct{})
	late := time.AfterFunc(limit, func() {
		defer close(aborted)
		s.abort(wamp.Timeout, fmt.Sprintf("no %v within %v", expected, limit))
		s.out.flushWithin(r.options().CloseTimeout)
		s.closeWrite()
	})
	data, _, err := s.conn.ReadMessage()
	if !late.Stop() {
		<-aborted
		return nil, fmt.Errorf("%w: no %v within %v", errLate, expected, limit)
	}
	if err != nil {
		return nil, fmt.Errorf("join: read %v: %w", expected, err)
	}
	return data, checkLength(expected, data)
}

func checkLength(of wamp.Type, data []byte) error {
	if len(data) > maxHandshake {
		return violation(fmt.Sprintf("%v is longer than %d bytes", of, maxHandshake))
	}
	return nil
}

// errAborted ends a session whose peer has sent ABORT, which is never answered (basic/sessions.md).
var errAborted = errors.New("aborted by the peer")

func aborted(m *codec.Message) error { return fmt.Errorf("%w: %s", errAborted, m.Text) }

// errLate means that a peer did not join in time. It has been sent ABORT already.
var errLate = errors.New("join: too late")

// abortJoin answers with the ABORT made from err, and closes the connection once the peer has it.
func (s *session) abortJoin(r *Router, err error) {
	defer s.out.close()
	if errors.Is(err, errAborted) || errors.Is(err, errLate) {
		return
	}
	reason, message := wamp.ProtocolViolation, err.Error()
	errors.As(err, &reason)
	var with refusal
	if errors.As(err, &with) {
		message = with.message
	}
	s.abort(reason, message)
	s.out.flushWithin(r.options().CloseTimeout)
	s.closeGracefully()
}

// admit checks HELLO, lets the session into its realm and sends WELCOME.
func (r *Router) admit(s *session, data []byte) error {
	transport := s.conn.Transport()
	var hello codec.Message
	if err := codec.Parse(transport.Serializer, data, &hello); err != nil {
		return err
	}
	if hello.Type == wamp.Abort {
		return aborted(&hello)
	}
	if hello.Type != wamp.Hello {
		return violation("the first message must be HELLO, not " + hello.Type.String())
	}
	if !wamp.ValidURI(hello.Text, wamp.Exact, false) {
		return refusal{wamp.InvalidURI, "HELLO.Realm is not a URI"}
	}
	m := r.realm(hello.Text)
	if m == nil {
		return refusal{wamp.NoSuchRealm, fmt.Sprintf("there is no realm %q here", hello.Text)}
	}
	details, err := hello.Dict.MapUpTo(maxHandshakeValues)
	if err != nil {
		return violation("HELLO.Details: " + err.Error())
	}
	s.realm, s.joinedAt, s.policy = m, time.Now(), m.policy.Load()
	s.strict = s.policy.strict
	if s.features, err = announced(details); err != nil {
		return err
	}
	identity, err := s.identify(details)
	if err != nil {
		return err
	}
	role := s.policy.roles[identity.Role]
	if role == nil {
		return refusal{wamp.NoSuchRole, fmt.Sprintf("the realm %s has no role %q", m.name, identity.Role)}
	}
	s.rights.Store(role)
	s.authid, s.authmethod, s.authprovider = identity.Authid, identity.Method, identity.Provider
	s.announceNode(details)
	s.brief = s.conn.Transport().Local && details[wamp.KeyBrief] == true
	welcome, err := s.welcome(identity.Extra)
	if err != nil {
		return err
	}
	if err := m.joinNode(s); err != nil {
		return err
	}
	s.out.account.Joined()
	limitReads(s.conn, 0) // before WELCOME: what the peer sends after it may be read by another goroutine
	s.out.append(&welcome)
	r.joined(s.conn) // before WELCOME is sent: from then on the session ends with GOODBYE
	s.out.flush()
	if m.watched("wamp.session.on_join") {
		t := turns.Get().(*turn)
		m.announce(t, "wamp.session.on_join", s.details())
		t.endDetached(r)
	}
	s.logJoin()
	return nil
}

func (s *session) logJoin() {
	level, ok := s.logLevel(logbook.Joins)
	if !ok {
		return
	}
	t := s.conn.Transport()
	s.realm.log.Log(context.Background(), level, "session joined", "session", s.id, "authid", s.authid, "peer", t.Remote, "role", s.role().Name(),
		"protocol", t.Protocol, "serializer", t.Serializer.String())
}

// welcome makes WELCOME; extra is authextra, from the authentication. A peer that accepts no message of that length, such as
// a small device, gets a WELCOME without features. If that is too long as well, the peer cannot join.
func (s *session) welcome(extra map[string]any) (codec.Message, error) {
	limit := s.conn.Transport().Limit
	for _, roles := range []codec.Value{rolesFor[s.serializer], bareRolesFor[s.serializer]} {
		m, err := s.welcomeWith(roles, extra)
		if err != nil || limit == 0 || len(m.Dict.Raw)+welcomeHead <= limit {
			return m, err
		}
	}
	return codec.Message{}, refusal{wamp.PayloadSizeExceeded, fmt.Sprintf("WELCOME is longer than your limit of %d bytes", limit)}
}

// welcomeHead is the maximum length of WELCOME without its details, in any serializer.
const welcomeHead = 24

func (s *session) welcomeWith(roles codec.Value, extra map[string]any) (codec.Message, error) {
	var b codec.Builder
	b.Reset(s.serializer, make([]byte, 0, 2<<10))
	b.Value("roles", roles)
	b.String("agent", s.realm.router.options().Agent)
	b.String("realm", s.realm.name)
	b.String("authid", s.authid)
	b.String("authrole", s.role().Name())
	b.String("authmethod", s.authmethod)
	b.String("authprovider", s.authprovider)
	if node := s.realm.router.options().Node; node != "" {
		b.String(wamp.KeyNode, node+"/"+s.realm.name)
	}
	if s.realm.durables() != nil {
		b.Bool(wamp.KeyDurable, s.role().Durable())
	}
	if s.node != nil {
		b.Any(wamp.KeyNodes, s.realm.nodes())
	}
	if extra != nil {
		b.Any("authextra", extra)
	}
	return codec.Message{Type: wamp.Welcome, ID: s.id, Dict: b.Dict()}, b.Err()
}
