package client

import (
	"fmt"

	"runnel/edge/codec"
)

// Auth proves who a client is by one of the protocol's methods. Ticket, CRA and Cryptosign make those this package has.
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

// answer lets the method that the router chose answer its challenge.
func answer(methods []Auth, c Challenge) (string, error) {
	for _, a := range methods {
		if a.Method() == c.Method {
			return a.Answer(c)
		}
	}
	return "", fmt.Errorf("the router asks for %q, which was not offered", c.Method)
}
