package rest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"

	"runnel/edge/client"
	"runnel/edge/codec"
	"runnel/edge/wamp"
	"runnel/transport/guest"
)

// failure is an error of a request with its status.
type failure struct {
	status int
	uri    wamp.Failure
	text   string
}

func (f failure) Error() string { return f.text }

// refuse returns a failure.
//
//go:noinline
func refuse(status int, uri wamp.Failure, text string) error { return failure{status, uri, text} }

// invalid returns the failure for an invalid request.
func invalid(format string, args ...any) error {
	return refuse(http.StatusBadRequest, wamp.InvalidArgument, fmt.Sprintf(format, args...))
}

// bodyFailure is the failure for a body that did not arrive.
func bodyFailure(err error) error {
	var late net.Error
	if errors.As(err, &late) && late.Timeout() {
		return refuse(http.StatusRequestTimeout, wamp.Timeout, "the body did not arrive in time")
	}
	return invalid("read body: %v", err)
}

// statuses are the status codes of the router's errors.
var statuses = []struct {
	err    wamp.Failure
	status int
}{
	{wamp.InvalidURI, http.StatusBadRequest},
	{wamp.InvalidArgument, http.StatusBadRequest},
	{wamp.OptionNotAllowed, http.StatusBadRequest},
	{wamp.FeatureNotSupported, http.StatusBadRequest},
	{wamp.NotAuthorized, http.StatusForbidden},
	{wamp.AuthorizationFailed, http.StatusForbidden},
	{wamp.DiscloseMeNotAllowed, http.StatusForbidden},
	{wamp.NoSuchProcedure, http.StatusNotFound},
	{wamp.NoSuchRealm, http.StatusNotFound},
	{wamp.PayloadSizeExceeded, http.StatusRequestEntityTooLarge},
	{wamp.Timeout, http.StatusGatewayTimeout},
	{wamp.MaxConcurrency, http.StatusTooManyRequests},
	{wamp.Unavailable, http.StatusServiceUnavailable},
	{wamp.NoAvailableCallee, http.StatusServiceUnavailable},
	{wamp.NetworkFailure, http.StatusServiceUnavailable},
	{wamp.Canceled, http.StatusServiceUnavailable},
}

// statusOf returns the status of an error.
func statusOf(err error) int {
	var own failure
	if errors.As(err, &own) {
		return own.status
	}
	if guest.Denied(err) {
		return http.StatusUnauthorized
	}
	for _, one := range statuses {
		if errors.Is(err, one.err) {
			return one.status
		}
	}
	var answered *client.Error
	if errors.As(err, &answered) {
		return http.StatusUnprocessableEntity
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return http.StatusGatewayTimeout
	}
	return http.StatusServiceUnavailable
}

// fail answers a request with an error: {"error": URI, "args": [...], "kwargs": {...}}.
func (s *Server) fail(w http.ResponseWriter, err error) {
	s.counts.failed.Add(1)
	status := statusOf(err)
	h := w.Header()
	switch status {
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", `Basic realm="runnel", charset="UTF-8"`)
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		h.Set("Retry-After", "1")
	case http.StatusRequestEntityTooLarge, http.StatusRequestTimeout:
		h.Set("Connection", "close")
	}
	writeWithin(w, s.opts.Time)
	reply(w, status, errorBody(err))
}

// errorBody returns an error as JSON. Arguments of an error that a callee has sent stay as they are.
func errorBody(err error) text {
	var own failure
	var answered *client.Error
	switch {
	case errors.As(err, &own):
		return errorText(own.uri.Error(), own.text)
	case !errors.As(err, &answered):
		uri := wamp.NetworkFailure
		if errors.Is(err, context.DeadlineExceeded) {
			uri = wamp.Timeout
		}
		return errorText(uri.Error(), err.Error())
	case answered.Payload.Items == 0:
		_, message, _ := strings.Cut(answered.Error(), ": ")
		return errorText(answered.URI, message)
	}
	b, err := text(nil).add(`{"error":`, quoted(answered.URI), ",").payload(answered.Payload, true)
	if err != nil {
		return errorText(answered.URI, "")
	}
	return b.add("}")
}

func errorText(uri, message string) text {
	if message != "" {
		message = quoted(message)
	}
	return text(nil).add(`{"error":`, quoted(uri), `,"args":[`, message, `],"kwargs":{}}`)
}

// fieldOf returns a field of a dict; a Value without Raw if it is missing.
func fieldOf(d codec.Dict, key string) (v codec.Value) {
	if d.Empty() {
		return v
	}
	for f := d.Fields(); f.Next(); {
		if string(f.Key()) == key {
			v = f.Value()
		}
	}
	return v
}
