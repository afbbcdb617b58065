package nats

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"runnel/edge/client"
	"runnel/edge/codec"
	"runnel/edge/wamp"
	"runnel/uplink/nats/conn"
	"runnel/uplink/nats/payload"
)

// answers holds the unhandled answers to a request.
type answers struct {
	wake chan struct{} // holds one signal

	mu sync.Mutex
	// Guarded by mu.
	list []*conn.Msg
	size int
	err  error // no more answers will arrive
}

var errProgressNotTaken = client.NewError(wamp.Canceled.Error(), "progressive results were not read in time")

// put adds an answer or the end of the connection. The connection's reading goroutine calls it.
func (a *answers) put(m *conn.Msg, err error) {
	a.mu.Lock()
	switch {
	case err != nil:
		a.err = client.NewError(wamp.NetworkFailure.Error(), err.Error())
		if d := (*conn.Denied)(nil); errors.As(err, &d) {
			a.err = client.NewError(wamp.NotAuthorized.Error(), err.Error())
		}
	case a.size > 0 && a.size+len(m.Data) > maxProgress:
		a.err = errProgressNotTaken
	case a.err == nil:
		a.list = append(a.list, m.Clone())
		a.size += len(m.Data) + len(m.Header) + msgSize
	}
	a.mu.Unlock()
	signal(a.wake)
}

func (a *answers) take() (list []*conn.Msg, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	list, a.list, a.size = a.list, nil, 0
	return list, a.err
}

// waiting is a call to the cluster until its end.
type waiting struct {
	link    *Link
	session *session
	request *conn.Out
	call    *client.Invocation
	in      *answers
	at      string   // the target link of the request; "": any link
	parts   *outflow // nil: the arguments do not come in parts

	heard    bool            // the link has answered
	canceled <-chan struct{} // nil: the call was canceled
	timer    *time.Timer
	quiet    time.Duration // duration of the timer
	probing  bool          // the timer starts the probe
	silence  wamp.Failure  // of a call without answer
}

// await returns the answer to a request, and passes on progressive results.
func (w *waiting) await(ctx context.Context) (client.Payload, error) {
	w.quiet, w.probing, w.silence, w.canceled = w.link.calls.times.probe, true, wamp.NetworkFailure, ctx.Done()
	if w.at != "" {
		w.quiet, w.probing = max(w.link.calls.times.patience, w.call.Timeout()), false
	}
	w.timer = time.NewTimer(w.quiet)
	defer w.timer.Stop()
	sending, stop := context.WithCancel(ctx)
	var failed chan error
	if w.parts != nil {
		failed = w.parts.failed
		defer w.parts.work.Wait()
	}
	defer stop()
	for {
		var p client.Payload
		var over bool
		var err error
		select {
		case <-w.in.wake:
			p, over, err = w.handle(sending)
		case <-w.timer.C:
			over, err = w.silent()
		case <-w.canceled:
			over, err = w.interrupt(ctx)
		case err = <-failed:
			if ctx.Err() != nil {
				err = nil // see interrupt
				continue
			}
			w.session.cancel(w.request.Reply, wamp.KillNoWait)
		}
		if over || err != nil {
			return p, err
		}
	}
}

// handle processes the arrived answers.
func (w *waiting) handle(sending context.Context) (p client.Payload, over bool, err error) {
	list, err := w.in.take()
	for _, m := range list {
		switch kind := string(m.Header.Get(payload.TypeField)); kind {
		case payload.Alive:
			w.quiet, w.probing, w.silence, w.heard = w.link.calls.times.life, false, wamp.NetworkFailure, true
			if w.parts != nil {
				w.parts.keepAlive(sending, m)
			}
		case payload.Covered:
			w.covered()
		case payload.Progress:
			if p, err := decode(m); err == nil {
				w.call.Progress(client.Raw(p))
			}
		case "":
			if stored(m) {
				w.covered()
				continue
			}
			if w.at != "" && m.NoResponders() {
				return p, true, w.unreachable()
			}
			fallthrough
		default:
			p, err = answerOf(m, kind)
			return p, true, err
		}
	}
	if err == errProgressNotTaken {
		w.session.cancel(w.request.Reply, wamp.KillNoWait)
	}
	if w.canceled != nil {
		w.timer.Reset(w.quiet)
	}
	return p, false, err
}

// covered records that the server cannot report whether the subject has a callee.
func (w *waiting) covered() {
	if w.quiet != w.link.calls.times.life {
		w.quiet, w.silence, w.probing = w.link.calls.times.covered, wamp.NoSuchProcedure, false
	}
}

// silent handles a call without an answer: it probes, or ends the call.
func (w *waiting) silent() (over bool, err error) {
	if w.probing {
		w.probe()
		w.quiet, w.probing = max(w.link.calls.times.patience, w.call.Timeout()), false
		w.timer.Reset(w.quiet)
		return false, nil
	}
	w.session.cancel(w.request.Reply, wamp.KillNoWait)
	w.link.suspect(w.at)
	return true, client.NewError(w.silence.Error(), fmt.Sprintf("the callee has sent no answer and no sign of life for %v", w.quiet))
}

// errGone means that the target link of a request no longer exists, and that the call was not made.
var errGone = errors.New("the link of the callee has gone")

// unreachable handles the server's answer that the callee's link does not exist.
func (w *waiting) unreachable() error {
	w.link.suspect(w.at)
	if w.heard {
		return client.NewError(wamp.NetworkFailure.Error(), errGone.Error())
	}
	return errGone
}

// interrupt cancels the call. With wamp.Kill, the call ends with the callee's answer.
func (w *waiting) interrupt(ctx context.Context) (over bool, err error) {
	mode := wamp.KillNoWait
	if why := (*client.Interrupt)(nil); errors.As(context.Cause(ctx), &why) {
		mode = why.Mode
	}
	if mode != wamp.Skip {
		w.session.cancel(w.request.Reply, mode)
	}
	if mode != wamp.Kill {
		return true, ctx.Err()
	}
	w.canceled, w.probing, w.quiet = nil, false, w.link.opts.AnswerTime
	w.timer.Reset(w.quiet)
	return false, nil
}

// cancel asks the callee's link to cancel a call.
func (s *session) cancel(reply string, mode wamp.CancelMode) {
	s.conn.Publish(conn.Out{Subject: callsSubject, Header: conn.Header(nil).Add(payload.TypeField, payload.Cancel).
		Add(payload.CallField, reply).Add(payload.ModeField, mode.String())})
}

// probe asks the other links whether they import topics that cover the subject of a call. It uses a separate request:
// if there are no other links, the server reports no responders for the probe only, not for the call.
func (w *waiting) probe() {
	w.session.conn.Send(conn.Out{Subject: callsSubject, Header: conn.Header(nil).Add(payload.TypeField, payload.Probe).
		Add(payload.CallField, w.request.Subject)}, w.link.calls.times.patience, func(m *conn.Msg, err error) {
		if err == nil {
			w.in.put(m, nil)
		}
	})
}

// answerOf returns the result or the error in an answer.
func answerOf(m *conn.Msg, kind string) (client.Payload, error) {
	if m.NoResponders() {
		return client.Payload{}, client.NewError(wamp.NoSuchProcedure.Error(), "no callee at the NATS cluster has this subject")
	}
	p, err := decode(m)
	if err != nil {
		return client.Payload{}, client.NewError(wamp.InvalidArgument.Error(), "cannot read the answer: "+err.Error())
	}
	service, code := string(m.Header.Get(payload.ServiceError)), string(m.Header.Get(payload.ServiceErrorCode))
	switch {
	case kind == payload.Error:
		uri := string(m.Header.Get(payload.ErrorField))
		if !wamp.ValidURI(uri, wamp.Exact, false) {
			uri = runtimeError
		}
		return client.Payload{}, &client.Error{URI: uri, Body: client.Body{Payload: p}}
	case code != "" || service != "":
		return client.Payload{}, serviceError(service, code, p)
	}
	return client.Raw(p), nil
}

// runtimeError is the URI of an error with only a text.
const runtimeError = "wamp.error.runtime_error"

// serviceError returns the error of a micro service: nats.error.CODE with the text, and with the data if present.
func serviceError(text, code string, p codec.Payload) error {
	uri := "nats.error"
	if n, err := strconv.ParseUint(code, 10, 31); err == nil {
		uri += "." + strconv.FormatUint(n, 10)
	}
	args, kwargs, _ := p.Decode()
	e := &client.Error{URI: uri}
	e.Payload, _ = codec.NewPayload(wamp.CBOR, append([]any{text}, args...), kwargs)
	return e
}

// stored reports whether an answer comes from a stream that covers the subject. Such a stream acknowledges the
// request as if it were an event.
func stored(m *conn.Msg) bool {
	if !strings.HasPrefix(string(m.Data), `{"stream":`) {
		return false
	}
	p, err := payload.Decode("application/json", m.Data)
	args, _, _ := p.Decode()
	if err != nil || len(args) != 1 {
		return false
	}
	ack, _ := args[0].(map[string]any)
	_, named := ack["stream"].(string)
	_, numbered := ack["seq"].(int64)
	return named && numbered
}

func decode(m *conn.Msg) (codec.Payload, error) {
	return payload.Decode(string(m.Header.Get(payload.ContentTypeField)), m.Data)
}
