package client

import (
	"fmt"

	"runnel/edge/codec"
	"runnel/edge/wamp"
)

// Auth is one of the protocol's authentication methods. Ticket, CRA, SCRAM and Cryptosign return the methods of this package.
type Auth interface {
	// Method returns the method's name in HELLO.Details.authmethods.
	Method() string

	// Extra returns the method's fields of HELLO.Details.authextra; nil if it has none.
	Extra() map[string]any

	// Answer returns the signature for AUTHENTICATE.
	Answer(Challenge) (signature string, err error)
}

// Challenge is the content of the router's CHALLENGE.
type Challenge struct {
	Method string
	Extra  codec.Dict
}

// statefulAuth is an Auth for one attempt to join. It keeps the state of the exchange and verifies the router at the end.
type statefulAuth interface {
	Auth

	// AnswerExtra returns AUTHENTICATE.Extra.
	AnswerExtra() map[string]any

	// check verifies by WELCOME.Details that the router knows the secret, too.
	check(codec.Dict) error
}

// startAttempts returns the methods for one attempt to join over a connection with transport t.
func startAttempts(methods []Auth, t *wamp.Transport) ([]Auth, error) {
	begun := make([]Auth, len(methods))
	for i, a := range methods {
		begun[i] = a
		again, ok := a.(interface {
			Attempt(*wamp.Transport) (Auth, error)
		})
		if !ok {
			continue
		}
		var err error
		if begun[i], err = again.Attempt(t); err != nil {
			return nil, fmt.Errorf("%s: %w", a.Method(), err)
		}
	}
	return begun, nil
}

// chosen returns the method that the router has chosen.
func chosen(methods []Auth, c Challenge) (Auth, error) {
	for _, a := range methods {
		if a.Method() == c.Method {
			return a, nil
		}
	}
	return nil, fmt.Errorf("the router chose method %q, which was not offered", c.Method)
}
