package edge

import (
	"context"
	"fmt"
	"time"

	"runnel/edge/auth"
	"runnel/edge/codec"
	"runnel/edge/wamp"
)

// Dynamic authorizers: where no permission of a role decides, the procedure that the role names does (auth.Role,
// Authorizer). It is called, as Crossbar.io calls its own, with
//
//	session  the asking session's details, as in the meta API, and its realm
//	uri      string
//	action   "publish", "subscribe", "call" or "register"
//	options  those of the request, with match for subscribe and register
//
// and answers with a bool, or with a dict of allow, disclose (callers and publishers are disclosed) and cache (default
// true). An ERROR wamp.error.not_authorized is a no. Where it is absent, late or answers anything else, the request fails
// with wamp.error.authorization_failed.
//
// The session's read loop waits for the answer, so that its requests keep their order; nobody else does. An answer is
// kept for the session, the action and the URI, for a minute, and until a callee of the authorizer comes or goes. What it
// says of a pattern stands for the topics of the pattern as long as the subscription; nobody is asked at an EVENT.
//
// A session that offers the authorizer is not asked about itself, which would be a wait for itself: what it needs must be
// among its role's permissions.

// What is kept of an authorizer's answers.
const (
	maxDecisions = 64 // a session
	decisionAge  = time.Minute
)

// question is what an authorizer is asked, and by what its answers are kept.
type question struct {
	action auth.Action
	match  wamp.Match
	uri    string
}

// decision is an authorizer's answer.
type decision struct {
	allow, disclose bool
	made            time.Time
}

// decisions are the answers that a session keeps.
type decisions struct {
	by      *registration // of the authorizer, when they were made
	answers map[question]decision
}

// permitted reports whether the session may do what it asks for at one URI: the error says why not. disclose says that
// others are to know who it is. Called from the session's own read loop, without locks.
func (s *session) permitted(t *turn, a auth.Action, uri []byte, options codec.Dict) (disclose bool, err error) {
	role := s.role()
	allowed, disclose := role.Decide(a, uri)
	switch {
	case allowed:
		return disclose, nil
	case role.Authorizer() == "":
		return false, wamp.NotAuthorized
	}
	q := question{a, wamp.Exact, string(uri)}
	if role.Covers(q.uri, q.match) {
		return false, wamp.NotAuthorized
	}
	return s.authorize(t, role.Authorizer(), q, options)
}

// grant is by what right a session subscribes to, or registers, a pattern.
type grant struct {
	partly bool // the role's permissions forbid some of what it matches, so that each URI is to be asked for
	asked  bool // the authorizer has allowed what no permission decides
}

// permittedPattern is permitted for SUBSCRIBE and REGISTER.
func (s *session) permittedPattern(t *turn, q question, options codec.Dict) (grant, error) {
	role := s.role()
	allowed, partly := role.DecidePattern(q.action, q.uri, q.match)
	switch {
	case allowed:
		return grant{partly: partly}, nil
	case role.Authorizer() == "" || role.Covers(q.uri, q.match):
		return grant{}, wamp.NotAuthorized
	}
	_, err := s.authorize(t, role.Authorizer(), q, options)
	return grant{partly: partly, asked: true}, err
}

// authorize finds out what the role's authorizer, the procedure, says.
func (s *session) authorize(t *turn, procedure string, q question, options codec.Dict) (disclose bool, err error) {
	reg, _ := s.realm.procedure([]byte(procedure))
	d, known := s.decisions.find(reg, q)
	if !known {
		t.flush() // what others are to get must not wait for the answer
		var keep bool
		d, keep, err = s.askAuthorizer(procedure, reg, q, options)
		if err != nil {
			s.realm.reportProcedure("authorizer", procedure, err)
			return false, wamp.AuthorizationFailed
		}
		if keep {
			s.decisions.keep(reg, q, d)
		}
	}
	if !d.allow {
		return false, wamp.NotAuthorized
	}
	return d.disclose, nil
}

// find returns the answer to q that is kept, if the authorizer is the same as then.
func (c *decisions) find(by *registration, q question) (d decision, ok bool) {
	if c.by != by {
		c.by, c.answers = by, nil
	}
	d, ok = c.answers[q]
	if ok && time.Since(d.made) >= decisionAge {
		delete(c.answers, q)
		return decision{}, false
	}
	return d, ok
}

// keep keeps an answer of the authorizer that by was when it was asked, in place of the oldest if there are too many.
func (c *decisions) keep(by *registration, q question, d decision) {
	if c.answers == nil {
		c.answers = make(map[question]decision)
	}
	if len(c.answers) >= maxDecisions {
		oldest, at := question{}, time.Time{}
		for each, made := range c.answers {
			if at.IsZero() || made.made.Before(at) {
				oldest, at = each, made.made
			}
		}
		delete(c.answers, oldest)
	}
	c.answers[q] = d
}

// askAuthorizer asks the authorizer. keep says that the answer may be kept.
func (s *session) askAuthorizer(procedure string, reg *registration, q question, options codec.Dict) (d decision, keep bool, err error) {
	if reg != nil && reg.isOf(s) {
		return d, false, invalidAnswer("it cannot be asked about the session that offers it")
	}
	told, err := q.options(options)
	if err != nil {
		return d, false, err
	}
	details := s.details()
	details["realm"] = s.realm.name
	ctx, cancel := context.WithTimeout(context.Background(), s.realm.router.options().AskTimeout)
	defer cancel()
	results, named, err := s.realm.ask(ctx, procedure, []any{details, q.uri, q.action.String(), told}, nil)
	if isDenial(err) {
		return d, false, nil
	}
	if err != nil {
		return d, false, err
	}
	return readDecision(answerOf(results, named))
}

// options returns a request's options as an authorizer is told them. They are not decoded: the one who asks may not be
// allowed anything.
func (q question) options(given codec.Dict) (codec.Dict, error) {
	if q.action != auth.Subscribe && q.action != auth.Register {
		return given, nil
	}
	var b codec.Builder
	serializer := given.Serializer
	if len(given.Raw) == 0 {
		serializer = wamp.CBOR
	}
	b.Reset(serializer, nil)
	for f := given.Fields(); f.Next(); {
		if string(f.Key()) != "match" {
			b.Value(string(f.Key()), f.Value())
		}
	}
	b.String("match", q.match.String())
	return b.Dict(), b.Err()
}

// isOf reports whether s is one of the callees.
func (r *registration) isOf(s *session) bool {
	for _, seat := range r.callees {
		if seat.session == s {
			return true
		}
	}
	return false
}

// readDecision reads an authorizer's answer.
func readDecision(answer any) (d decision, keep bool, err error) {
	d.made = time.Now()
	fields, ok := answer.(map[string]any)
	if !ok {
		if d.allow, ok = answer.(bool); !ok {
			return d, false, invalidAnswer(fmt.Sprintf("a %T, neither a bool nor a dict", answer))
		}
		return d, true, nil
	}
	if d.allow, ok = fields["allow"].(bool); !ok {
		return d, false, invalidAnswer("allow is not a bool")
	}
	keep = true
	for name, into := range map[string]*bool{"disclose": &d.disclose, "cache": &keep} {
		given := fields[name]
		if given == nil {
			continue
		}
		if *into, ok = given.(bool); !ok {
			return d, false, invalidAnswer(name + " is not a bool")
		}
	}
	return d, keep, nil
}
