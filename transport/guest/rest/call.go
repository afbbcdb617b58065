package rest

import (
	"context"
	"errors"
	"net/http"
	"time"

	"runnel/edge/client"
)

const (
	defaultCall = 30 * time.Second
	maxCall     = 10 * time.Minute

	// callGrace is how long after a call's timeout its client still waits. A callee that measures the timeout answers
	// with its own error.
	callGrace = 2 * time.Second
)

// call answers POST /call: {"args": [...], "kwargs": {...}}, or the error. named is false for the form of Crossbar.io, whose
// clients expect status 200 for every ERROR that answers CALL, also for no_such_procedure.
func (s *Server) call(w http.ResponseWriter, r *http.Request, uri string, named bool) error {
	j, err := s.read(w, r, uri, "procedure", callOptions)
	if err != nil {
		return err
	}
	defer j.release()
	timeout := take[time.Duration](j, "timeout")
	if timeout <= 0 {
		timeout = defaultCall
	}
	if timeout > maxCall {
		return invalid("timeout is longer than %v", maxCall)
	}
	writeWithin(w, timeout+callGrace+s.opts.Time)
	ctx, cancel := context.WithTimeout(r.Context(), timeout+callGrace)
	defer cancel()
	result, err := j.client.Call(ctx, j.uri, client.CallOptions{Timeout: timeout, Extra: j.set}, j.raw())
	if err != nil {
		if answered := (*client.Error)(nil); !named && errors.As(err, &answered) {
			reply(w, http.StatusOK, errorBody(err))
			return nil
		}
		return err
	}
	s.counts.called.Add(1)
	body, err := text("{").payload(result.Payload, false)
	if err != nil {
		return err
	}
	reply(w, http.StatusOK, body.add("}"))
	return nil
}
