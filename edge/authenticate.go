package edge

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"runnel/edge/auth"
	"runnel/edge/codec"
	"runnel/edge/wamp"
)

// byTransport is the authmethod of sessions that their listener or serial line identifies.
const byTransport = "transport"

// failureDelay delays the ABORT of a peer that failed to authenticate, so that guessing is slow.
const failureDelay = 500 * time.Millisecond

// identify establishes the peer's identity: from its listener or serial line, from its transport, from its cookie, by an
// exchange of CHALLENGE and AUTHENTICATE, or as an anonymous session.
func (s *session) identify(details map[string]any) (*auth.Identity, error) {
	m, transport := s.realm, s.conn.Transport()
	if transport.Realm != "" && transport.Realm != m.name {
		return nil, refusal{wamp.NotAuthorized, fmt.Sprintf("%s serves the realm %s only", transport.Listener, transport.Realm)}
	}
	if transport.Role != "" {
		return &auth.Identity{Authid: transport.Authid, Role: transport.Role, Method: byTransport, Provider: "static"}, nil
	}
	request := auth.Request{Realm: m.name, Session: s.id, Transport: transport}
	request.Authid, _ = details["authid"].(string)
	request.Extra, _ = details["authextra"].(map[string]any)
	methods, err := authmethods(details)
	if err != nil {
		return nil, err
	}
	if identity := s.fromCookie(&request, methods); identity != nil {
		return identity, nil
	}
	for _, step := range methodRuns(methods) {
		if step == nil {
			if identity, err := s.anonymous(request); identity != nil || err != nil {
				return identity, err
			}
			continue
		}
		request.Methods = step
		if identity, err := s.authenticate(request); err == nil || !isUnmatched(err) {
			return identity, err
		}
	}
	return nil, s.unmatched(methods)
}

// methodRuns splits a client's methods, in the client's order, into runs that are tried together; nil stands for
// "anonymous". A client that names no method is identified by its transport, or else anonymous.
func methodRuns(methods []string) [][]string {
	if len(methods) == 0 {
		return [][]string{{}, nil}
	}
	i := slices.Index(methods, "anonymous")
	switch {
	case i < 0:
		return [][]string{methods}
	case len(methods) == 1:
		return [][]string{nil}
	case i == 0:
		return [][]string{nil, methods[1:]}
	case i == len(methods)-1:
		return [][]string{methods[:i], nil}
	}
	return [][]string{methods[:i], nil, methods[i+1:]}
}

// isUnmatched reports whether an authentication did not begin, so another method may be tried.
func isUnmatched(err error) bool {
	return errors.Is(err, wamp.NoMatchingAuthMethod) || errors.Is(err, wamp.AuthenticationRequired) || errors.Is(err, wamp.NoSuchPrincipal)
}

// authenticate runs one authentication with the peer.
func (s *session) authenticate(request auth.Request) (*auth.Identity, error) {
	identity, exchange, err := s.begin(request)
	if err != nil || exchange == nil {
		return identity, err
	}
	proved, err := s.challenge(exchange)
	if refused := (*auth.Refused)(nil); errors.As(err, &refused) {
		time.Sleep(failureDelay)
	}
	if err == nil {
		s.rememberCookie(&proved)
	}
	return &proved, err
}

// challenge sends CHALLENGE and checks the AUTHENTICATE that answers it.
func (s *session) challenge(exchange auth.Exchange) (identity auth.Identity, err error) {
	dict, err := codec.NewDict(s.serializer, exchange.Challenge())
	if err != nil {
		return identity, err
	}
	s.out.append(&codec.Message{Type: wamp.Challenge, Text: []byte(exchange.Method()), Dict: dict})
	s.out.flush()
	data, err := s.await(s.realm.router, wamp.Authenticate)
	if err != nil {
		return identity, err
	}
	var m codec.Message
	if err := codec.Parse(s.serializer, data, &m); err != nil {
		return identity, violation(err.Error())
	}
	switch m.Type {
	case wamp.Authenticate:
	case wamp.Abort:
		return identity, aborted(&m)
	default:
		return identity, violation("CHALLENGE must be answered with AUTHENTICATE, not with " + m.Type.String())
	}
	extra, err := m.Dict.MapUpTo(maxHandshakeValues)
	if err != nil {
		return identity, violation("AUTHENTICATE.Extra: " + err.Error())
	}
	return exchange.Answer(string(m.Text), extra)
}

// authmethods reads HELLO.Details.authmethods.
func authmethods(details map[string]any) ([]string, error) {
	given, ok := details["authmethods"]
	if !ok || given == nil {
		return nil, nil
	}
	list, ok := given.([]any)
	methods := make([]string, 0, len(list))
	for _, item := range list {
		name, text := item.(string)
		methods, ok = append(methods, name), ok && text
	}
	if !ok {
		return nil, violation("HELLO.Details.authmethods is not a list of strings")
	}
	return methods, nil
}

// unmatched makes the error for a client whose methods do not match; it lists the methods that the realm offers.
func (s *session) unmatched(methods []string) error {
	m, offered := s.realm, s.policy.offered(s.conn.Transport())
	what := "the realm " + m.name + " offers " + strings.Join(offered, ", ")
	if len(offered) == 0 {
		what = "the realm " + m.name + " offers no authentication method here"
	}
	if len(methods) == 0 {
		return refusal{wamp.AuthenticationRequired, what}
	}
	return refusal{wamp.NoMatchingAuthMethod, what}
}

// anonymousAuthid makes an authid that distinguishes anonymous sessions.
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
