package client

import (
	"context"
	"errors"
	"fmt"

	"runnel/edge/codec"
	"runnel/edge/wamp"
)

// Error is a WAMP error: received from the router or a callee, or returned by a handler for its caller. errors.Is
// compares its URI with a wamp.Failure:
//
//	if errors.Is(err, wamp.NoSuchProcedure) { ... }
type Error struct {
	URI  string
	Body // details and payload, received or to be sent

	cause error
}

// NewError makes an Error for a handler to return.
func NewError(uri string, args ...any) *Error {
	e := &Error{URI: uri}
	if len(args) == 0 {
		return e
	}
	var err error
	if e.Payload, err = codec.NewPayload(wamp.CBOR, args, nil); err != nil {
		e.Payload, _ = codec.NewPayload(wamp.CBOR, []any{err.Error()}, nil)
	}
	return e
}

// runtimeError is the URI of an error that has only a text. Other WAMP clients use the same.
const runtimeError = "wamp.error.runtime_error"

// ErrClosed is the cause when a request fails because of Close.
var ErrClosed = errors.New("client closed")

// Error returns the URI, followed by the error's message if there is one.
func (e *Error) Error() string {
	if message := e.message(); message != "" {
		return e.URI + ": " + message
	}
	return e.URI
}

func (e *Error) message() string {
	if e.cause != nil {
		return e.cause.Error()
	}
	if message := e.text("message"); message != "" {
		return message
	}
	if args := e.Args(); len(args) > 0 {
		message, _ := args[0].(string)
		return message
	}
	return ""
}

// Unwrap returns the local cause; nil if the error came from the router.
func (e *Error) Unwrap() error { return e.cause }

// Is reports whether target is the wamp.Failure with this URI.
func (e *Error) Is(target error) bool {
	failure, ok := target.(wamp.Failure)
	return ok && (string(failure) == e.URI || failure == wamp.Canceled && wamp.IsCanceled(e.URI))
}

// networkFailure is the error of a request without a session, or whose session ended before the reply.
func networkFailure(cause error) *Error {
	return &Error{URI: wamp.NetworkFailure.Error(), cause: cause}
}

// received returns the Error in an ERROR, ABORT or GOODBYE. It owns its bytes.
func received(m *codec.Message) *Error {
	return &Error{URI: string(m.Text), Body: Body{Details: m.Dict.Clone(), Payload: m.Payload.Clone()}}
}

// asError returns the Error to be sent for a handler's error.
func asError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e.withMessage()
	}
	var failure wamp.Failure
	switch {
	case errors.As(err, &failure):
		return describe(string(failure), err)
	case errors.Is(err, context.Canceled):
		return describe(wamp.Canceled.Error(), err)
	case errors.Is(err, context.DeadlineExceeded):
		return describe(wamp.Timeout.Error(), err)
	}
	return describe(runtimeError, err)
}

// describe returns an Error whose argument is the text of err. It has no argument if the text is only the URI.
func describe(uri string, err error) *Error {
	if err.Error() == uri {
		return &Error{URI: uri}
	}
	return NewError(uri, err.Error())
}

// withMessage returns e with its cause as an argument: the cause itself is not sent.
func (e *Error) withMessage() *Error {
	if e.cause == nil || e.Payload.Items > 0 {
		return e
	}
	return NewError(e.URI, e.cause.Error())
}

// violation is a violation of the protocol by the router. The client sends it as the message of ABORT.
type violation string

func (v violation) Error() string { return "protocol violation: " + string(v) }

func violated(format string, args ...any) error { return violation(fmt.Sprintf(format, args...)) }
