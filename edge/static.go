package edge

import (
	"crypto/rand"

	"runnel/edge/auth"
)

// If an authenticator decides about a method, a client that is not a static principal waits for its answer. A static principal
// must not be recognizable by a faster challenge. The authenticator is therefore called about static principals, too: before
// CHALLENGE or, for a ticket, if the ticket is wrong. Its answer is ignored, and it gets no secret.

// beginStatic begins an authentication with a static principal if an authenticator decides about others with the method.
func (s *session) beginStatic(r auth.Request, method string) (*auth.Identity, auth.Exchange, error) {
	if identity, _, err := s.policy.principals.Begin(r); identity != nil && err == nil {
		return identity, nil, nil // identified by its transport
	}
	asked := r
	asked.Methods = []string{method}
	if method != "ticket" {
		s.inquire(asked, method, nil)
	}
	identity, exchange, err := s.policy.principals.Begin(r)
	if err == nil && method == "ticket" {
		exchange = &staticTicket{exchange, s, asked}
	}
	return identity, exchange, err
}

// staticTicket is the exchange of a static principal's ticket where an authenticator decides about other tickets.
type staticTicket struct {
	auth.Exchange
	session *session
	request auth.Request
}

// Answer calls the authenticator with a random ticket if the ticket is wrong, so that it takes as long as an unknown client's.
func (e *staticTicket) Answer(ticket string, extra map[string]any) (auth.Identity, error) {
	identity, err := e.Exchange.Answer(ticket, extra)
	if err != nil {
		another := rand.Text()
		e.session.inquire(e.request, "ticket", &another)
	}
	return identity, err
}
