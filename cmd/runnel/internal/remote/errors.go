package remote

import (
	"errors"
	"strings"

	"runnel/cmd/runnel/internal/term"
	"runnel/edge/client"
)

// Error is a WAMP error as the command line shows it: the URI, then its message as plain text, or its arguments in JSON.
type Error struct {
	err     *client.Error
	subject string // the procedure, if the error is the router's and does not name it
}

// About adds the called procedure to an error of the router's own that does not name it.
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
	if message, ok := onlyText(args); ok && len(kwargs) == 0 {
		text = term.Safe(message)
	}
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

// onlyText returns the argument of an error that has a text and nothing else.
func onlyText(args []any) (string, bool) {
	if len(args) != 1 {
		return "", false
	}
	text, ok := args[0].(string)
	return text, ok
}

// CallError returns the WAMP error in err as an Error. It returns err if there is none.
func CallError(err error) error {
	var e *client.Error
	if errors.As(err, &e) {
		return Error{err: e}
	}
	return err
}
