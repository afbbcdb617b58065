package edge

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"runnel/edge/codec"
	"runnel/edge/wamp"
)

// join takes a peer from HELLO to WELCOME, or answers ABORT and returns why.
func (r *Router) join(conn Conn) (*session, error) {
	if int(r.open.Load()) > r.opts.MaxSessions {
		r.turnAway(conn, refusal{wamp.Unavailable, "the router has as many sessions as it takes"})
		return nil, errors.New("join: too many sessions")
	}
	late := time.AfterFunc(r.opts.HelloTimeout, func() { conn.Close() })
	data, _, err := conn.ReadMessage()
	if !late.Stop() {
		return nil, fmt.Errorf("join: no HELLO within %v", r.opts.HelloTimeout)
	}
	if err != nil {
		return nil, fmt.Errorf("join: read HELLO: %w", err)
	}
	s, err := r.admit(conn, data)
	if err != nil {
		r.turnAway(conn, err)
		r.opts.Log.Info("session refused", "peer", conn.Transport().Remote, "because", err)
		return nil, fmt.Errorf("join: %w", err)
	}
	return s, nil
}

// turnAway answers with the ABORT that says err. Nothing waits in front of it, so it gets out at once or not at all.
func (r *Router) turnAway(conn Conn, err error) {
	reason, message := wamp.ProtocolViolation, err.Error()
	errors.As(err, &reason)
	var with refusal
	if errors.As(err, &with) {
		message = with.message
	}
	m := abortMessage(conn.Transport().Serializer, reason, message)
	var out outbox
	out.init(conn, nil, r.opts.OutboxBytes)
	out.append(&m)
	out.settle(r.opts.CloseTimeout)
	out.close()
}

// admit checks HELLO, makes the session and sends WELCOME.
func (r *Router) admit(conn Conn, data []byte) (*session, error) {
	transport := conn.Transport()
	var hello codec.Message
	if err := codec.Parse(transport.Serializer, data, &hello); err != nil {
		return nil, err
	}
	if hello.Type != wamp.Hello {
		return nil, violation("the first message must be HELLO, not " + hello.Type.String())
	}
	m := r.realm(hello.Text)
	if m == nil {
		return nil, refusal{wamp.NoSuchRealm, fmt.Sprintf("there is no realm %q here", hello.Text)}
	}
	details, err := hello.Dict.Map()
	if err != nil {
		return nil, err
	}
	s := &session{realm: m, conn: conn, serializer: transport.Serializer, joined: time.Now()}
	if s.features, err = announced(details); err != nil {
		return nil, err
	}
	if err := s.identify(details); err != nil {
		return nil, err
	}
	s.out.init(conn, s, r.opts.OutboxBytes)
	if err := m.join(s); err != nil {
		return nil, err
	}
	if err := s.welcome(); err != nil {
		m.leave(s)
		return nil, err
	}
	t := turns.Get().(*turn)
	m.announce(t, "wamp.session.on_join", s.details())
	t.abandon(r)
	s.log().Info("session joined", "role", s.role.Name(), "over", transport.Protocol, "serializer", transport.Serializer.String())
	return s, nil
}

// identify decides who the peer is: the identity its listener or serial line fixes, else an anonymous session.
func (s *session) identify(details map[string]any) error {
	m, transport := s.realm, s.conn.Transport()
	if transport.Realm != "" && transport.Realm != m.name {
		return refusal{wamp.NotAuthorized, fmt.Sprintf("%s leads to the realm %s only", transport.Listener, transport.Realm)}
	}
	if transport.Role != "" {
		if s.role = m.roles[transport.Role]; s.role == nil {
			return refusal{wamp.NoSuchRole, fmt.Sprintf("the realm %s has no role %q", m.name, transport.Role)}
		}
		s.authid, s.authmethod = transport.Authid, "transport"
		return nil
	}
	if methods, ok := details["authmethods"].([]any); ok && len(methods) > 0 && !contains(methods, "anonymous") {
		return refusal{wamp.NoMatchingAuthMethod, fmt.Sprintf("the realm %s offers: %s", m.name, m.authmethods())}
	}
	if m.anonymous == nil {
		return refusal{wamp.AuthenticationRequired, fmt.Sprintf("the realm %s lets no anonymous sessions in", m.name)}
	}
	s.role, s.authmethod = m.anonymous, "anonymous"
	s.authid = anonymousAuthid()
	return nil
}

// authmethods lists what a client may ask for in HELLO.
func (m *realm) authmethods() string {
	if m.anonymous == nil {
		return "nothing"
	}
	return "anonymous"
}

func contains(list []any, name string) bool {
	for _, v := range list {
		if v == any(name) {
			return true
		}
	}
	return false
}

// anonymousAuthid makes a name that tells one anonymous session from another.
func anonymousAuthid() string {
	const letters = "abcdefghijkmnpqrstuvwxyz23456789"
	var b strings.Builder
	b.WriteString("anonymous-")
	for n, i := wamp.NewID(), 0; i < 8; i++ {
		b.WriteByte(letters[n%uint64(len(letters))])
		n /= uint64(len(letters))
	}
	return b.String()
}

// welcome sends WELCOME.
func (s *session) welcome() error {
	dict, err := codec.NewDict(s.serializer, map[string]any{
		"roles":        routerRoles,
		"agent":        s.realm.router.opts.Agent,
		"realm":        s.realm.name,
		"authid":       s.authid,
		"authrole":     s.role.Name(),
		"authmethod":   s.authmethod,
		"authprovider": "static",
	})
	if err != nil {
		return err
	}
	if _, _, err := s.out.append(&codec.Message{Type: wamp.Welcome, ID: s.id, Dict: dict}); err != nil {
		return err
	}
	s.out.flush()
	return nil
}
