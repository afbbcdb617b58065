package client

import (
	"context"
	"errors"
	"fmt"
	"time"

	"runnel/edge/codec"
	"runnel/edge/wamp"
)

// Welcome is the content of the router's WELCOME.
type Welcome struct {
	Session   wamp.ID
	Details   codec.Dict
	Transport *wamp.Transport
}

// Authid returns the authid that the router assigned.
func (w Welcome) Authid() string { return w.text("authid") }

// Authrole returns the role that the router assigned.
func (w Welcome) Authrole() string { return w.text("authrole") }

// Feature reports whether the router announced a feature of a role, "broker" or "dealer".
func (w Welcome) Feature(role, name string) bool {
	d := w.Details
	for _, key := range []string{"roles", role, "features"} {
		d, _ = field(d, key).Dict()
	}
	announced, _ := field(d, name).Bool()
	return announced
}

// Nodes returns the router and those reached through its links, nearest first. Only Runnel sends them, and only to links.
func (w Welcome) Nodes() (nodes []wamp.Node) {
	for list, ok := field(w.Details, wamp.KeyNodes).Items(); ok && list.Next(); {
		v, _ := list.Value().Any()
		if n, ok := wamp.ReadNode(v); ok {
			nodes = append(nodes, n)
		}
	}
	return nodes
}

// Durable reports whether the realm is known to have durable subscriptions, and whether the session may create them.
func (w Welcome) Durable() (known, may bool) {
	may, known = field(w.Details, wamp.KeyDurable).Bool()
	return known, may
}

func (w Welcome) text(key string) string {
	text, _ := field(w.Details, key).Text()
	return string(text)
}

// roles is HELLO.Details.roles: the features of this package, named as in advanced/features.md.
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
	// Only Close unblocks ReadMessage.
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

// open exchanges HELLO and WELCOME, and CHALLENGE and AUTHENTICATE if the router requires them.
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

// hello returns the HELLO message.
func (s *session) hello(auth []Auth) (*outbound, error) {
	o := s.client.opts
	details := map[string]any{"roles": roles, "agent": o.Agent}
	if o.Node.Boot != "" {
		details[wamp.KeyNode] = o.Node.Fields()
	}
	if o.Brief {
		details[wamp.KeyBrief] = true
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

// authenticate answers CHALLENGE. If it cannot, it sends ABORT.
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
		if answer.Dict, err = codec.NewDict(s.out.serializer, a.AnswerExtra()); err != nil {
			return nil, s.abortJoin(err)
		}
	}
	return used, s.out.sendAlone(&outbound{Message: answer, text: signature})
}

// check verifies the router, if the authentication method does that.
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

// abortJoin sends ABORT and returns the error of the attempt to join.
func (s *session) abortJoin(because error) error {
	s.out.sendAlone(&outbound{Message: codec.Message{Type: wamp.Abort}, text: wamp.AuthenticationFailed.Error()})
	return fmt.Errorf("authenticate: %w", because)
}

// joinRefused returns the error for a message that is neither WELCOME nor an expected CHALLENGE.
func (s *session) joinRefused(m *codec.Message) error {
	if m.Type == wamp.Abort {
		return &endedError{m.Type, received(m)}
	}
	breach := violated("received %s before the session was open", m.Type)
	s.out.sendAlone(&outbound{Message: codec.Message{Type: wamp.Abort}, text: wamp.ProtocolViolation.Error()})
	return breach
}

// readHandshake reads one message before WELCOME.
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

// Refused reports whether err means that the router refused to let this client join, rather than being unreachable.
func Refused(err error) bool {
	var e *endedError
	return errors.As(err, &e) && e.message == wamp.Abort
}

// stable reports whether a session that started at start lasted long enough to reset the back-off. Without this
// condition, a router that ends every session at once would be dialled again and again after the shortest pause.
func stable(start time.Time) bool { return time.Since(start) >= 10*time.Second }
