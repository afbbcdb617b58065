package edge

import (
	"context"
	"fmt"
	"time"

	"runnel/edge/auth"
	"runnel/edge/codec"
	"runnel/edge/wamp"
)

// Dynamic authorizers: if no permission of a role decides, the procedure that the role names does (auth.Role, Authorizer).
// Its arguments are those of Crossbar.io's authorizers:
//
//	session  details of the requesting session, as in the meta API, and its realm
//	uri      string
//	action   "publish", "subscribe", "call" or "register"
//	options  options of the request, with match for subscribe and register
//
// It answers with a bool, or with a dict of allow, disclose (callers and publishers are disclosed) and cache (default
// true). An ERROR wamp.error.not_authorized refuses the request. If the authorizer is missing, late or answers anything
// else, the request fails with wamp.error.authorization_failed.
//
// The session's read loop waits for the answer, so its requests keep their order. Other sessions do not wait. An answer is
// cached for one session, action and URI. It expires after a minute, or when a callee of the authorizer registers or leaves.
// An answer about a pattern covers all its topics while the subscription lasts. EVENTs cause no calls.
//
// A session that offers the authorizer is never asked about itself, because it would wait for itself. Its role's
// permissions must cover its needs.

// Bounds of the cached answers.
const (
	maxDecisions = 64 // of one session
	decisionAge  = time.Minute
)

// question is a request that an authorizer decides about. It is the key of cached answers.
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

// decisions are the cached answers of a session.
type decisions struct {
	by      *registration // the authorizer's registration when the answers were made
	answers map[question]decision
}

// permitted checks whether the session may perform an action on one URI; the error says why not. disclose means that
// the session is disclosed to others. It is called from the session's own read loop, without locks.
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

// grant says why a session may subscribe to, or register, a pattern.
type grant struct {
	partly bool // the role's permissions forbid some of the URIs that it matches, so each URI has to be checked
	asked  bool // the authorizer has allowed it, because no permission decides
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

// authorize returns the decision of the role's authorizer, from the cache or by calling the procedure.
func (s *session) authorize(t *turn, procedure string, q question, options codec.Dict) (disclose bool, err error) {
	reg, _ := s.realm.procedure([]byte(procedure))
	d, known := s.decisions.find(reg, q)
	if !known {
		t.flush() // messages to others must not wait for the answer
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

// find returns the cached answer to q, if the authorizer's registration is still the same.
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

// keep caches an answer; by is the authorizer's registration when it was called. A full cache drops its oldest answer.
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

// askAuthorizer calls the authorizer. keep means that the answer may be cached.
func (s *session) askAuthorizer(procedure string, reg *registration, q question, options codec.Dict) (d decision, keep bool, err error) {
	if reg != nil && reg.isOf(s) {
		return d, false, invalidAnswer("an authorizer cannot decide about the session that offers it")
	}
	options, err = q.options(options)
	if err != nil {
		return d, false, err
	}
	details := s.details()
	details["realm"] = s.realm.name
	ctx, cancel := context.WithTimeout(context.Background(), s.realm.router.options().AskTimeout)
	defer cancel()
	results, named, err := s.realm.ask(ctx, procedure, []any{details, q.uri, q.action.String(), options}, nil)
	if isDenial(err) {
		return d, false, nil
	}
	if err != nil {
		return d, false, err
	}
	return readDecision(answerOf(results, named))
}

// options returns the request's options for the authorizer. It does not decode them: the session may have no permission at all.
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
