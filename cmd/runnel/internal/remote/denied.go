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

// deniedError is the error of a procedure of administration that the session may not call, with a remedy.
type deniedError struct {
	error
	procedure, url, socket string // socket: the likely path of the router's Unix socket; "": not known
}

func (e deniedError) Unwrap() error { return e.error }

func (e deniedError) Error() string {
	remedy := fmt.Sprintf("give the role permission to call %s", e.procedure)
	switch {
	case strings.HasPrefix(e.url, "unix:"):
	case e.socket == "":
		remedy = fmt.Sprintf("administration is for the router's Unix socket, and none of the usual ones exists: name it with --url unix://PATH (the router's log has \"listening\" or \"no Unix socket\"), or give the role permission to call %s", e.procedure)
	default:
		remedy = fmt.Sprintf("administration is for the Unix socket: use --url unix://%s, or give the role permission to call %s", e.socket, e.procedure)
	}
	return fmt.Sprintf("call %s at %s: %v; %s", e.procedure, e.url, e.error, remedy)
}

// Explain adds a remedy to the error of a call that was not authorized. It returns other errors unchanged.
func (r *Router) Explain(procedure string, err error) error {
	if !errors.Is(err, wamp.NotAuthorized) || !administers(procedure) {
		return err
	}
	return deniedError{err, procedure, r.Address(), likelySocket()}
}

// administers reports whether a procedure is for administration.
func administers(procedure string) bool {
	return strings.HasPrefix(procedure, "runnel.") || slices.Contains(config.Administration, procedure) || strings.HasPrefix(procedure, "wamp.session.kill")
}

// likelySocket returns the first existing Unix socket of the usual routers; "" if none exists.
func likelySocket() string {
	for _, socket := range sockets() {
		if _, err := os.Stat(socket); err == nil {
			return socket
		}
	}
	return ""
}
