package client

import (
	"context"
	"errors"
	"fmt"

	"runnel/edge/codec"
	"runnel/edge/wamp"
)

// Error is an error of the protocol: what the router or a callee answered, or what a handler wants its caller to get.
// errors.Is compares its URI with a wamp.Failure:
//
//	if errors.Is(err, wamp.NoSuchProcedure) { ... }
type Error struct {
	URI  string
	Body // what came with it, or shall be sent with it

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

// runtimeError is the URI of an error that says no more than its text; the other clients in the field use it too.
const runtimeError = "wamp.error.runtime_error"

// ErrClosed is the cause of a request's failure after Close.
var ErrClosed = errors.New("client closed")

// Error returns the URI and, where there is one, the sentence that came with it.
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

// Unwrap returns what made this client fail; nil if the error came from the router.
func (e *Error) Unwrap() error { return e.cause }

// Is reports whether target is the wamp.Failure with this URI.
func (e *Error) Is(target error) bool {
	failure, ok := target.(wamp.Failure)
	return ok && (string(failure) == e.URI || failure == wamp.Canceled && wamp.IsCanceled(e.URI))
}

// networkFailure is what requests get when there is no session, or no longer the one they were sent in.
func networkFailure(cause error) *Error {
	return &Error{URI: wamp.NetworkFailure.Error(), cause: cause}
}

// received makes an Error of an ERROR, ABORT or GOODBYE; it owns its bytes.
func received(m *codec.Message) *Error {
	return &Error{URI: string(m.Text), Body: Body{Details: m.Dict.Clone(), Payload: m.Payload.Clone()}}
}

// asError finds the Error that a handler's error stands for: what ERROR shall carry.
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

// describe makes an Error whose argument is the text of err, unless the text is the URI over again.
func describe(uri string, err error) *Error {
	if err.Error() == uri {
		return &Error{URI: uri}
	}
	return NewError(uri, err.Error())
}

// withMessage puts the cause, which does not travel, into the arguments, which do.
func (e *Error) withMessage() *Error {
	if e.cause == nil || e.Payload.Items > 0 {
		return e
	}
	return NewError(e.URI, e.cause.Error())
}

// violation is a breach of the protocol by the router; it gets ABORT with this text.
type violation string

func (v violation) Error() string { return "protocol violation: " + string(v) }

func violated(format string, args ...any) error { return violation(fmt.Sprintf(format, args...)) }
