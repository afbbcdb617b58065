package client

import (
	"fmt"

	"runnel/edge/codec"
	"runnel/edge/wamp"
)

// Auth proves who a client is by one of the protocol's methods. Ticket, CRA, SCRAM and Cryptosign make those this package has.
type Auth interface {
	// Method is the method's name in HELLO.Details.authmethods.
	Method() string

	// Extra is what HELLO.Details.authextra must hold; nil if nothing.
	Extra() map[string]any

	// Answer returns the signature for AUTHENTICATE.
	Answer(Challenge) (signature string, err error)
}

// Challenge is what the router's CHALLENGE asks.
type Challenge struct {
	Method string
	Extra  codec.Dict
}

// attempt is an Auth for one attempt to join: it remembers what was said, and has the last word.
type statefulAuth interface {
	Auth

	// answerExtra is what AUTHENTICATE.Extra must hold.
	answerExtra() map[string]any

	// check checks WELCOME.Details: whether the router has proved, too, that it knows the secret.
	check(codec.Dict) error
}

// begin returns the methods for one attempt to join, over a connection that is described by t.
func startAttempts(methods []Auth, t *wamp.Transport) ([]Auth, error) {
	begun := make([]Auth, len(methods))
	for i, a := range methods {
		begun[i] = a
		again, ok := a.(interface {
			attempt(*wamp.Transport) (Auth, error)
		})
		if !ok {
			continue
		}
		var err error
		if begun[i], err = again.attempt(t); err != nil {
			return nil, fmt.Errorf("%s: %w", a.Method(), err)
		}
	}
	return begun, nil
}

// chosen returns the method that the router chose.
func chosen(methods []Auth, c Challenge) (Auth, error) {
	for _, a := range methods {
		if a.Method() == c.Method {
			return a, nil
		}
	}
	return nil, fmt.Errorf("the router asks for %q, which was not offered", c.Method)
}
