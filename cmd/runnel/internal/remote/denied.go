package remote

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"runnel/cmd/runnel/internal/config"
	"runnel/edge/wamp"
)

// deniedError says what to do about a procedure of administration that the session may not call.
type deniedError struct {
	error
	procedure, url, socket string // socket: where the router's Unix socket is, or should be
}

func (e deniedError) Unwrap() error { return e.error }

func (e deniedError) Error() string {
	remedy := fmt.Sprintf("give the role permission to call %s", e.procedure)
	if !strings.HasPrefix(e.url, "unix:") {
		remedy = fmt.Sprintf("administration is for the Unix socket: use --url unix://%s, or give the role permission to call %s", e.socket, e.procedure)
	}
	return fmt.Sprintf("call %s at %s: %v; %s", e.procedure, e.url, e.error, remedy)
}

// Explain adds a remedy to the error of a call, if it has one to add.
func (r *Router) Explain(procedure string, err error) error {
	if !errors.Is(err, wamp.NotAuthorized) || !administers(procedure) {
		return err
	}
	return deniedError{err, procedure, r.Address(), likelySocket()}
}

// administers reports whether a procedure is one of administration.
func administers(procedure string) bool {
	return strings.HasPrefix(procedure, "runnel.") || slices.Contains(config.Administration, procedure) || strings.HasPrefix(procedure, "wamp.session.kill")
}

// likelySocket is where a router's Unix socket is; the service's if there is none.
func likelySocket() string {
	for _, socket := range sockets() {
		if _, err := os.Stat(socket); err == nil {
			return socket
		}
	}
	return config.SystemSocket
}
