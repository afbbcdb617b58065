package client

import (
	"context"
	"errors"
	"fmt"
	"time"

	"runnel/edge/codec"
	"runnel/edge/wamp"
)

// Welcome is what the router said of a session when it began.
type Welcome struct {
	Session   wamp.ID
	Details   codec.Dict
	Transport *wamp.Transport
}

// Authid returns who the router takes this client for.
func (w Welcome) Authid() string { return w.text("authid") }

// Authrole returns the role this client has.
func (w Welcome) Authrole() string { return w.text("authrole") }

// Feature reports whether the router announced a feature of its role, "broker" or "dealer".
func (w Welcome) Feature(role, name string) bool {
	d := w.Details
	for _, key := range []string{"roles", role, "features"} {
		d, _ = field(d, key).Dict()
	}
	announced, _ := field(d, name).Bool()
	return announced
}

// Nodes returns the router and those that its links lead to, the nearest first. Only a Runnel tells them, and only a link.
func (w Welcome) Nodes() (nodes []wamp.Node) {
	for list, ok := field(w.Details, wamp.KeyNodes).Items(); ok && list.Next(); {
		v, _ := list.Value().Any()
		if n, ok := wamp.ReadNode(v); ok {
			nodes = append(nodes, n)
		}
	}
	return nodes
}

func (w Welcome) text(key string) string {
	text, _ := field(w.Details, key).Text()
	return string(text)
}

// roles announces what this package does; the features' names are the specification's (advanced/features.md).
var roles = map[string]any{
	"publisher": features("publisher_identification", "publisher_exclusion", "subscriber_blackwhite_listing",
		"payload_passthru_mode"),
	"subscriber": features("publisher_identification", "pattern_based_subscription", "subscription_revocation",
		"payload_passthru_mode"),
	"caller": features("caller_identification", "call_canceling", "call_timeout", "progressive_call_results",
		"progressive_call_invocations", "payload_passthru_mode"),
	"callee": features("caller_identification", "call_canceling", "call_timeout", "progressive_call_results",
		"progressive_call_invocations",
		"pattern_based_registration", "shared_registration", "registration_revocation", "payload_passthru_mode"),
}

func features(names ...string) map[string]any {
	set := make(map[string]any, len(names))
	for _, name := range names {
		set[name] = true
	}
	return map[string]any{"features": set}
}

// join dials and opens a session, within Options.RequestTimeout.
func (c *Client) join(ctx context.Context) (*session, error) {
	ctx, cancel := context.WithTimeout(ctx, c.opts.RequestTimeout)
	defer cancel()
	conn, err := c.opts.Dial(ctx)
	if err != nil {
		return nil, err // the transport's error names the address
	}
	// Nothing but Close ends a ReadMessage that waits.
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	s := newSession(c, conn)
	err = s.open(ctx)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		conn.Close()
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return nil, fmt.Errorf("join %s: %w", c.opts.Realm, err)
	}
	return s, nil
}

// open exchanges HELLO and WELCOME, with a challenge between them if the router has one.
func (s *session) open(ctx context.Context) error {
	methods, err := startAttempts(s.client.opts.Auth, s.conn.Transport())
	if err != nil {
		return err
	}
	hello, err := s.hello(methods)
	if err != nil {
		return err
	}
	if err := s.out.sendAlone(hello); err != nil {
		return err
	}
	for used := Auth(nil); ; {
		m, err := s.readHandshake()
		if err != nil {
			return err
		}
		if m.Type == wamp.Welcome {
			if err := s.check(used, m); err != nil {
				return err
			}
			s.welcome = Welcome{Session: m.ID, Details: m.Dict.Clone(), Transport: s.conn.Transport()}
			return nil
		}
		if m.Type != wamp.Challenge || used != nil {
			return s.joinRefused(m)
		}
		if used, err = s.authenticate(methods, m); err != nil {
			return err
		}
	}
}

// hello makes the HELLO message.
func (s *session) hello(auth []Auth) (*outbound, error) {
	o := s.client.opts
	details := map[string]any{"roles": roles, "agent": o.Agent}
	if o.Node.Boot != "" {
		details[wamp.KeyNode] = o.Node.Fields()
	}
	if o.Authid != "" {
		details["authid"] = o.Authid
	}
	var methods []string
	extra := make(map[string]any)
	for _, a := range auth {
		methods = append(methods, a.Method())
		for key, value := range a.Extra() {
			extra[key] = value
		}
	}
	if len(methods) > 0 {
		details["authmethods"] = methods
	}
	if len(extra) > 0 {
		details["authextra"] = extra
	}
	dict, err := codec.NewDict(s.out.serializer, details)
	if err != nil {
		return nil, fmt.Errorf("encode HELLO: %w", err)
	}
	return &outbound{Message: codec.Message{Type: wamp.Hello, Dict: dict}, text: o.Realm}, nil
}

// authenticate answers a CHALLENGE. What it can't answer ends the attempt with ABORT.
func (s *session) authenticate(methods []Auth, m *codec.Message) (Auth, error) {
	c := Challenge{Method: string(m.Text), Extra: m.Dict}
	answer := codec.Message{Type: wamp.Authenticate}
	used, err := chosen(methods, c)
	if err != nil {
		return nil, s.abortJoin(err)
	}
	signature, err := used.Answer(c)
	if err != nil {
		return nil, s.abortJoin(err)
	}
	if a, ok := used.(statefulAuth); ok {
		if answer.Dict, err = codec.NewDict(s.out.serializer, a.answerExtra()); err != nil {
			return nil, s.abortJoin(err)
		}
	}
	return used, s.out.sendAlone(&outbound{Message: answer, text: signature})
}

// check looks whether the router has proved who it is, if the method is one by which it does.
func (s *session) check(used Auth, welcome *codec.Message) error {
	a, ok := used.(statefulAuth)
	if !ok {
		return nil
	}
	if err := a.check(welcome.Dict); err != nil {
		return s.abortJoin(err)
	}
	return nil
}

// turnDown ends the attempt to join with ABORT.
func (s *session) abortJoin(because error) error {
	s.out.sendAlone(&outbound{Message: codec.Message{Type: wamp.Abort}, text: wamp.AuthenticationFailed.Error()})
	return fmt.Errorf("authenticate: %w", because)
}

// refuse says why a message is no answer to HELLO.
func (s *session) joinRefused(m *codec.Message) error {
	if m.Type == wamp.Abort {
		return &endedError{m.Type, received(m)}
	}
	breach := violated("received %s before the session was open", m.Type)
	s.out.sendAlone(&outbound{Message: codec.Message{Type: wamp.Abort}, text: wamp.ProtocolViolation.Error()})
	return breach
}

// hear reads one message.
func (s *session) readHandshake() (*codec.Message, error) {
	data, _, err := s.conn.ReadMessage()
	if err != nil {
		return nil, fmt.Errorf("wait for WELCOME: %w", err)
	}
	m := new(codec.Message)
	if err := codec.Parse(s.out.serializer, data, m); err != nil {
		return nil, violation(err.Error())
	}
	return m, nil
}

// Refused reports whether err is the router's refusal to let this client in, as opposed to a router that is away.
func Refused(err error) bool {
	var e *endedError
	return errors.As(err, &e) && e.message == wamp.Abort
}

// lived reports whether a session begun at start was long enough to call the router well. A router that ends every
// session at once must not be called again and again with the shortest pause.
func stable(start time.Time) bool { return time.Since(start) >= 10*time.Second }
