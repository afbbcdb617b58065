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

// byTransport is the method of those whom their listener or serial line names.
const byTransport = "transport"

// failureDelay is how long a peer waits for its ABORT when it did not authenticate: what a guess costs.
const failureDelay = 500 * time.Millisecond

// identify finds out who the peer is: whom its listener or serial line names, whom its transport or an exchange of
// CHALLENGE and AUTHENTICATE proves it to be, or nobody in particular.
func (s *session) identify(details map[string]any) (*auth.Identity, error) {
	m, transport := s.realm, s.conn.Transport()
	if transport.Realm != "" && transport.Realm != m.name {
		return nil, refusal{wamp.NotAuthorized, fmt.Sprintf("%s leads to the realm %s only", transport.Listener, transport.Realm)}
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
	for _, step := range steps(methods) {
		if step == nil {
			if identity, err := s.anonymous(request); identity != nil || err != nil {
				return identity, err
			}
			continue
		}
		request.Methods = step
		if identity, err := s.prove(request); err == nil || !isUnmatched(err) {
			return identity, err
		}
	}
	return nil, s.unmatched(methods)
}

// steps cuts a client's methods, in its order, into runs that are tried together; nil stands for "anonymous". A client
// that names none is taken for whom its transport proves it to be, else for anonymous.
func steps(methods []string) [][]string {
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

// isUnmatched reports whether an authentication did not begin, so that another method may be tried.
func isUnmatched(err error) bool {
	return errors.Is(err, wamp.NoMatchingAuthMethod) || errors.Is(err, wamp.AuthenticationRequired) || errors.Is(err, wamp.NoSuchPrincipal)
}

// prove goes through an authentication with the peer.
func (s *session) prove(request auth.Request) (*auth.Identity, error) {
	identity, exchange, err := s.begin(request)
	if err != nil || exchange == nil {
		return identity, err
	}
	proved, err := s.challenge(exchange)
	if refused := (*auth.Refused)(nil); errors.As(err, &refused) {
		time.Sleep(failureDelay)
	}
	if err == nil {
		s.remember(&proved)
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

// unmatched says what the realm offers to a client whose methods are of no use.
func (s *session) unmatched(methods []string) error {
	m, offered := s.realm, s.policy.offered(s.conn.Transport())
	what := "the realm " + m.name + " offers " + strings.Join(offered, ", ")
	if len(offered) == 0 {
		what = "the realm " + m.name + " lets nobody in"
	}
	if len(methods) == 0 {
		return refusal{wamp.AuthenticationRequired, what}
	}
	return refusal{wamp.NoMatchingAuthMethod, what}
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
