package edge

import (
	"crypto/rand"

	"runnel/edge/auth"
)

// Where an authenticator decides about a method, whoever it does not know takes as long as its answer. So that a static
// principal takes as long, it is asked about that one, too, in front of CHALLENGE or, with a ticket, when the ticket is
// wrong. Its answer does not matter, and it gets to know no secret.

// beginStatic begins an authentication with a static principal; the authenticator for the method would decide if there were
// none.
func (s *session) beginStatic(r auth.Request, method string) (*auth.Identity, auth.Exchange, error) {
	if identity, _, err := s.policy.principals.Begin(r); identity != nil && err == nil {
		return identity, nil, nil // the transport vouches for it
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

// staticTicket is the exchange of a static principal whose ticket an authenticator would be shown if it were a stranger.
type staticTicket struct {
	auth.Exchange
	session *session
	request auth.Request
}

// Answer has a wrong ticket take as long as a stranger's. The authenticator is shown a random one.
func (e *staticTicket) Answer(ticket string, extra map[string]any) (auth.Identity, error) {
	identity, err := e.Exchange.Answer(ticket, extra)
	if err != nil {
		another := rand.Text()
		e.session.inquire(e.request, "ticket", &another)
	}
	return identity, err
}
