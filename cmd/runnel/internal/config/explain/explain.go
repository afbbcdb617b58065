// Package explain finds the setting of a configuration that allows or denies the use of a URI to a peer.
package explain

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"runnel/cmd/runnel/internal/config"
	"runnel/cmd/runnel/internal/config/spelling"
	"runnel/edge/auth"
	"runnel/edge/wamp"
)

// explanation answers a question about a configuration: whether a peer may use a URI, and which setting decides that.
type explanation struct {
	config *config.Config
	realm  *config.Realm
	out    io.Writer

	authid, action, uri string
	match               wamp.Match // of SUBSCRIBE and REGISTER
}

// QuestionError is the error of a question that names an unknown action or realm, or an invalid URI.
type QuestionError string

func (e QuestionError) Error() string { return string(e) }

// ErrDenied means that the answer is "denied". Permission has printed it.
var ErrDenied = errors.New("denied")

// Permission answers "runnel check --explain AUTHID ACTION URI".
func Permission(c *config.Config, realm string, match config.Match, args []string, out io.Writer) error {
	e := explanation{config: c, out: out, authid: args[0], action: args[1], uri: args[2], match: wamp.Match(match)}
	if !slices.Contains(config.Actions, e.action) {
		return QuestionError(fmt.Sprintf("%q is not an action; use %s", e.action, config.OneOf(config.Actions...)))
	}
	if e.match != wamp.Exact && e.action != "subscribe" && e.action != "register" {
		return QuestionError("--match is for subscribe and register")
	}
	if !wamp.ValidURI(e.uri, e.match, false) {
		return QuestionError(fmt.Sprintf("%q is not a WAMP URI (match = %q)", e.uri, e.match))
	}
	if err := e.findRealm(realm); err != nil {
		return err
	}
	name, because, err := e.role()
	if err != nil {
		return err
	}
	i := slices.IndexFunc(e.realm.Roles, func(r config.Role) bool { return r.Name == name })
	return e.decide(&e.realm.Roles[i], because)
}

func (e *explanation) findRealm(name string) error {
	var names []string
	for i := range e.config.Realms {
		r := &e.config.Realms[i]
		names = append(names, r.Name)
		if r.Name == name || name == "" && len(e.config.Realms) == 1 {
			e.realm = r
		}
	}
	if e.realm != nil {
		return nil
	}
	if name == "" {
		return QuestionError("--realm is missing; use " + config.OneOf(names...))
	}
	return QuestionError(fmt.Sprintf("there is no realm %q; use %s", name, config.OneOf(names...)))
}

// role returns the role of the authid in question, and the reason why the authid has it.
func (e *explanation) role() (name, because string, err error) {
	type holder struct {
		authid, role, realm string
		place               config.Place
	}
	list := []holder{}
	for _, p := range e.realm.Principals {
		list = append(list, holder{p.Authid, p.Role, e.realm.Name, p.Place})
	}
	for _, l := range e.config.Listens {
		list = append(list, holder{l.Authid, l.Role, l.Realm, l.Place})
	}
	for _, s := range e.config.Serials {
		list = append(list, holder{s.Authid, s.Role, s.Realm, s.Place})
	}
	for _, w := range e.config.Webhooks {
		list = append(list, holder{w.Authid, w.Role, w.Realm, w.Place})
	}
	known := []string{}
	for _, l := range e.config.Listens {
		if l.Anonymous != "" {
			known = append(known, "anonymous at "+l.URL)
		}
	}
	for _, h := range list {
		if h.realm != e.realm.Name || h.role == "" || h.authid == "" {
			continue
		}
		if h.authid == e.authid {
			return h.role, fmt.Sprintf("%q has the role %q (%s)", e.authid, h.role, h.place), nil
		}
		known = append(known, h.authid)
	}
	for _, l := range e.config.Listens { // "anonymous at URL"
		if role := e.realm.Role(l.Anonymous); role != nil && e.authid == "anonymous at "+l.URL {
			return role.Name, fmt.Sprintf("anonymous sessions at %s have the role %q (%s)", l.URL, role.Name, l.Place.Of("anonymous")), nil
		}
	}
	if e.authid == "anonymous" && e.realm.Anonymous != "" {
		return e.realm.Anonymous, fmt.Sprintf("anonymous sessions have the role %q (%s)", e.realm.Anonymous, e.realm.Place.Of("anonymous")), nil
	}
	if role, ok := strings.CutPrefix(e.authid, "role:"); ok && slices.ContainsFunc(e.realm.Roles, func(r config.Role) bool { return r.Name == role }) {
		return role, fmt.Sprintf("the question names the role %q", role), nil
	}
	return "", "", fmt.Errorf("realm %s has no principal %q%s; use \"anonymous\" for sessions that don't authenticate, or \"role:NAME\" for a role",
		e.realm.Name, e.authid, alternatives(e.authid, known))
}

func alternatives(name string, known []string) string {
	if near := spelling.Nearest(name, known); near != "" {
		return fmt.Sprintf(" (did you mean %q?)", near)
	}
	return ""
}

// decide prints the answer and the setting that decides. The error is ErrDenied unless the role may use the URI.
func (e *explanation) decide(role *config.Role, because string) error {
	action, _ := auth.ParseAction(e.action)
	compiled := role.Compile()
	decides, ok, partly := compiled.ExplainPattern(e.uri, e.match)
	allowed, why := ok && decides.Allow&action != 0, ""
	switch {
	case wamp.Reserved(e.uri) && (e.action == "publish" || e.action == "register"):
		allowed, why = false, "URIs that begin with \"wamp.\" belong to the router, and no permission can allow them"
	case ok:
		why = describe(role, decides)
	case role.Authorizer != "":
		why = fmt.Sprintf("no permission decides, so the router calls the authorizer %s (%s)", role.Authorizer, role.Place.Of("authorizer"))
	default:
		why = fmt.Sprintf("no permission of the role matches, so it is denied (%s)", role.Place)
	}
	if allowed && partly && e.action == "register" {
		allowed, why = false, why+"\n  but other permissions decide for some of the URIs that it matches, and a pattern is registered only if all of them are allowed"
	} else if allowed && partly {
		why += "\n  other permissions decide for some of the URIs that it matches: of those, the router delivers only the events that they allow"
	}
	verdict := "denied"
	if allowed {
		verdict = "allowed"
	} else if !ok && role.Authorizer != "" {
		verdict = "left to an authorizer"
	}
	pattern := ""
	if e.match != wamp.Exact {
		pattern = fmt.Sprintf(" (match = %q)", e.match)
	}
	_, err := fmt.Fprintf(e.out, "%s: %s %s %s%s in realm %s\n  %s\n  %s\n", verdict, e.authid, e.action, e.uri, pattern, e.realm.Name, because, why)
	if err == nil && !allowed {
		return ErrDenied
	}
	return err
}

// describe returns a sentence about the permission that decides, with its place in the file.
func describe(role *config.Role, p auth.Permission) string {
	allows := "nothing"
	if p.Allow != 0 {
		allows = strings.ReplaceAll(p.Allow.String(), ",", ", ")
	}
	text := fmt.Sprintf("the permission for %s %q decides: it allows %s", p.Match, p.URI, allows)
	for _, at := range role.Permissions {
		if at.URI == p.URI && wamp.Match(at.Match) == p.Match {
			text += fmt.Sprintf(" (%s)", at.Place)
		}
	}
	return text
}
