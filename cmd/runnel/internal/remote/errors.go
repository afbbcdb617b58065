package remote

import (
	"errors"
	"strings"

	"runnel/cmd/runnel/internal/term"
	"runnel/edge/client"
)

// Error is an error of the protocol as the command line shows it: the URI, then what came with it.
type Error struct {
	err     *client.Error
	subject string // the procedure, where the router refused and what it says does not name it
}

// About has an error of the router's own name the procedure that was called.
func About(procedure string, err error) error {
	if e, ok := err.(Error); ok && strings.HasPrefix(e.err.URI, "wamp.error.") && !strings.Contains(e.Error(), procedure) {
		e.subject = procedure
		return e
	}
	return err
}

func (e Error) Unwrap() error { return e.err }

func (e Error) Error() string {
	args, kwargs, _ := e.err.Decode()
	text, err := term.PlainText(args, kwargs)
	switch {
	case err == nil && text != "" && e.subject != "":
		return term.Printable(e.err.URI) + ": call " + term.Printable(e.subject) + ": " + text
	case err == nil && text != "":
		return term.Printable(e.err.URI) + ": " + text
	case e.subject != "":
		return term.Safe(e.err.Error()) + ": call " + term.Printable(e.subject)
	}
	return term.Safe(e.err.Error())
}

// CallError finds the error of the protocol in err, if there is one.
func CallError(err error) error {
	var e *client.Error
	if errors.As(err, &e) {
		return Error{err: e}
	}
	return err
}
