package edge

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"runnel/edge/auth"
	"runnel/edge/codec"
	"runnel/edge/wamp"
)

// The router as a caller: it calls its realms' authenticators and authorizers, which are ordinary procedures. For the dealer, the
// caller is a session, so patterns, shared registrations and callees that leave are handled as usual. That session exists for one
// call. It is not a member of the realm, and it has no peer: its Conn passes the answer to the goroutine that waits in ask.

const (
	maxAsks   = 1024     // the router's own calls in progress in one realm; further ones wait
	maxAnswer = 64 << 10 // bytes of an answer; a longer one fails with wamp.error.payload_size_exceeded
)

// innerRole is the role of the router's own calls. It may call any procedure that the configuration names.
var innerRole = auth.NewRole("router", []auth.Permission{{Match: wamp.Prefix, Allow: auth.Call}})

var innerTransport = wamp.Transport{Serializer: wamp.CBOR, Limit: maxAnswer, Protocol: "memory", Network: "memory", Local: true, Internal: true}

// inner is the Conn of one of the router's own calls.
type inner struct{ answer chan []byte } // has room for one: a call is answered once

func (c inner) ReadMessage() ([]byte, bool, error) { return nil, false, io.EOF }

func (c inner) Write(batch []byte, wait bool) (int, error) {
	select {
	case c.answer <- bytes.Clone(batch):
	default: // only the first message is the answer
	}
	return len(batch), nil
}

func (c inner) Close() error               { return nil }
func (c inner) Transport() *wamp.Transport { return &innerTransport }

// asks bounds the router's own calls in one realm.
type asks struct {
	slots  chan struct{}
	closed chan struct{} // closed when the realm stops, to end all waits
}

func newAsks() asks { return asks{make(chan struct{}, maxAsks), make(chan struct{})} }

// acquire waits for a slot; release gives it back.
func (a *asks) acquire(ctx context.Context) error {
	full := refusal{wamp.Timeout, "too many calls of the router are waiting for an answer"}
	select {
	case a.slots <- struct{}{}:
	case <-ctx.Done():
		return full
	case <-a.closed:
		return wamp.CloseShutdown
	}
	if ctx.Err() != nil { // both at once: no time is left for the call
		a.release()
		return full
	}
	return nil
}

func (a *asks) release() { <-a.slots }

// ask calls a procedure of the realm and waits for its result, until ctx is done or the realm is closed. An error wraps the
// wamp.Failure of the call. No lock may be held.
func (m *realm) ask(ctx context.Context, procedure string, args []any, kwargs map[string]any) ([]any, map[string]any, error) {
	payload, err := codec.NewPayload(wamp.CBOR, args, kwargs)
	if err != nil {
		return nil, nil, refusal{wamp.InvalidArgument, err.Error()}
	}
	if err := m.asks.acquire(ctx); err != nil {
		return nil, nil, err
	}
	defer m.asks.release()
	conn := inner{make(chan []byte, 1)}
	s := &session{id: wamp.NewID(), realm: m, conn: conn, serializer: wamp.CBOR}
	s.rights.Store(innerRole)
	s.out.init(conn, nil, 2*maxAnswer)
	if err := s.callOnce(&codec.Message{Type: wamp.Call, Request: 1, Text: []byte(procedure), Payload: payload}); err != nil {
		return nil, nil, err
	}
	select {
	case answer := <-conn.answer:
		return readAnswer(answer)
	case <-ctx.Done():
		s.cancelCall()
		return nil, nil, refusal{wamp.Timeout, "no answer arrived in time"}
	case <-m.asks.closed:
		s.cancelCall()
		return nil, nil, wamp.CloseShutdown
	}
}

// askable returns an error if the router cannot call a procedure.
func askable(procedure string, strict bool) error {
	if wamp.Reserved(procedure) || !wamp.ValidURI(procedure, wamp.Exact, strict) {
		return fmt.Errorf("%q is not a procedure that can be registered", procedure)
	}
	return nil
}

// callOnce sends the CALL of an inner session.
func (s *session) callOnce(call *codec.Message) error {
	t := turns.Get().(*turn)
	defer t.endDetached(s.realm.router)
	return s.call(t, call)
}

// cancelCall cancels the call of an inner session. The callee gets INTERRUPT if it announced call canceling.
func (s *session) cancelCall() {
	t := turns.Get().(*turn)
	defer t.endDetached(s.realm.router)
	s.cancel(t, &codec.Message{Type: wamp.Cancel, Request: 1})
}

// readAnswer reads the one message of a batch: RESULT or ERROR.
func readAnswer(batch []byte) ([]any, map[string]any, error) {
	var m codec.Message
	if err := codec.Parse(wamp.CBOR, batch[frameHeader:], &m); err != nil {
		return nil, nil, refusal{wamp.InvalidArgument, err.Error()}
	}
	args, kwargs, err := m.Payload.Decode()
	if err != nil {
		return nil, nil, refusal{wamp.InvalidArgument, err.Error()}
	}
	if m.Type == wamp.Result {
		return args, kwargs, nil
	}
	if len(args) > 0 {
		if text, ok := args[0].(string); ok {
			return nil, nil, refusal{wamp.Failure(m.Text), text}
		}
	}
	return nil, nil, wamp.Failure(m.Text)
}

// answerOf returns a procedure's answer: its first positional result, or else all keyword results.
func answerOf(results []any, named map[string]any) any {
	switch {
	case len(results) > 0:
		return results[0]
	case len(named) > 0:
		return named
	}
	return nil
}
