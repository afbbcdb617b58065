package auth

import (
	"slices"
	"sort"
	"strings"

	"runnel/edge/wamp"
)

// Action is a set of things that a session may do with a URI.
type Action uint8

const (
	Publish Action = 1 << iota
	Subscribe
	Call
	Register

	Everything = Publish | Subscribe | Call | Register
)

var actionNames = [...]string{"publish", "subscribe", "call", "register"}

// ParseAction returns the action with a name.
func ParseAction(name string) (a Action, ok bool) {
	i := slices.Index(actionNames[:], name)
	if i < 0 {
		return 0, false
	}
	return 1 << i, true
}

// String returns the actions' names, joined by commas.
func (a Action) String() string {
	var names []string
	for i, name := range actionNames {
		if a&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, ",")
}

// Permission allows actions on the URIs that it matches, and denies all others on them.
type Permission struct {
	URI      string
	Match    wamp.Match
	Allow    Action
	Disclose bool // always disclose callers and publishers to their peers

	// Trust is the trust level of the role's calls and publications to these URIs, 0 or higher; nil: none is sent
	// (advanced/rpc_call_trustlevels.md, advanced/pubsub_publication_trustlevels.md).
	Trust *int
}

// Role is a name with permissions. It is immutable: any goroutine may use it. The most specific permission that matches
// a URI decides: an exact one, then the longest prefix, then the wildcard with the most literal components in front.
// Without a matching permission everything is denied.
type Role struct {
	name     string
	exact    map[string]Permission
	patterns []Permission // prefixes, longest first, then wildcards, most specific first
	trusts   bool         // some permission has a trust level

	authorizer string // see authorizer.go
	forward    bool   // see forward.go
	durable    bool   // see durable.go
}

// NewRole compiles permissions. Of two for the same URI and match policy, the later takes effect.
func NewRole(name string, permissions []Permission) *Role {
	r := &Role{name: name, exact: make(map[string]Permission)}
	for _, p := range permissions {
		r.trusts = r.trusts || p.Trust != nil
		if p.Match == wamp.Exact {
			r.exact[p.URI] = p
		} else {
			r.patterns = slices.DeleteFunc(r.patterns, func(q Permission) bool { return q.Match == p.Match && q.URI == p.URI })
			r.patterns = append(r.patterns, p)
		}
	}
	sort.SliceStable(r.patterns, func(i, j int) bool { return moreSpecific(r.patterns[i], r.patterns[j]) })
	return r
}

func moreSpecific(a, b Permission) bool {
	return wamp.Pattern{URI: a.URI, Match: a.Match}.CompareSpecificity(wamp.Pattern{URI: b.URI, Match: b.Match}) < 0
}

// Name returns the role's name, which is the session's authrole.
func (r *Role) Name() string { return r.name }

// Decide reports whether the role allows the action on a URI. It does not allocate.
func (r *Role) Decide(a Action, uri []byte) (allowed, disclose bool) {
	if p, ok := r.exact[string(uri)]; ok {
		return p.Allow&a != 0, p.Disclose
	}
	if p := r.pattern(uri); p != nil {
		return p.Allow&a != 0, p.Disclose
	}
	return false, false
}

// Trust returns the trust level of the role's calls and publications to uri. ok is false if none is configured.
func (r *Role) Trust(uri []byte) (level int, ok bool) {
	if !r.trusts {
		return 0, false
	}
	p, _ := r.Explain(string(uri))
	if p.Trust == nil {
		return 0, false
	}
	return *p.Trust, true
}

// Explain returns the permission that decides about a URI. ok is false if there is none; then everything is denied.
func (r *Role) Explain(uri string) (p Permission, ok bool) {
	if p, ok := r.exact[uri]; ok {
		return p, true
	}
	if p := r.pattern([]byte(uri)); p != nil {
		return *p, true
	}
	return Permission{}, false
}

// pattern returns the most specific prefix or wildcard permission that matches uri; nil if there is none.
func (r *Role) pattern(uri []byte) *Permission {
	for i := range r.patterns {
		p := &r.patterns[i]
		if p.Match == wamp.Prefix {
			if len(uri) >= len(p.URI) && string(uri[:len(p.URI)]) == p.URI {
				return p
			}
		} else if wamp.MatchesWildcard(p.URI, uri) {
			return p
		}
	}
	return nil
}

// DecidePattern reports whether the role allows the action (Subscribe or Register) on a pattern. The most specific
// permission that covers every URI of the pattern decides. partly means that a more specific permission may decide
// otherwise for some of these URIs: then the caller must decide for each URI.
func (r *Role) DecidePattern(a Action, pattern string, match wamp.Match) (allowed, partly bool) {
	if match == wamp.Exact {
		allowed, _ = r.Decide(a, []byte(pattern))
		return allowed, false
	}
	p, ok, partly := r.ExplainPattern(pattern, match)
	return ok && p.Allow&a != 0, partly
}

// ExplainPattern is Explain for a pattern: it returns the permission that covers every URI of the pattern. partly means
// that a more specific one may decide otherwise for some of them.
func (r *Role) ExplainPattern(pattern string, match wamp.Match) (p Permission, ok, partly bool) {
	if match == wamp.Exact {
		p, ok = r.Explain(pattern)
		return p, ok, false
	}
	for _, p := range r.exact {
		partly = partly || match.Matches(pattern, p.URI)
	}
	for _, p := range r.patterns {
		if covers(p, pattern, match) {
			return p, true, partly
		}
		partly = partly || overlaps(p, pattern, match)
	}
	return Permission{}, false, partly
}

// covers reports whether p matches every URI that the pattern matches.
func covers(p Permission, pattern string, match wamp.Match) bool {
	if p.Match == wamp.Prefix {
		return strings.HasPrefix(literalStart(pattern, match), p.URI)
	}
	if match != wamp.Wildcard || strings.Count(p.URI, ".") != strings.Count(pattern, ".") {
		return false
	}
	have := strings.Split(pattern, ".")
	for i, want := range strings.Split(p.URI, ".") {
		if want != "" && want != have[i] {
			return false
		}
	}
	return true
}

// overlaps reports whether there may be a URI that both match. It may return true without need.
func overlaps(p Permission, pattern string, match wamp.Match) bool {
	a, b := literalStart(p.URI, p.Match), literalStart(pattern, match)
	return strings.HasPrefix(a, b) || strings.HasPrefix(b, a)
}

// literalStart returns the text that every URI of the pattern begins with.
func literalStart(pattern string, match wamp.Match) string {
	if match != wamp.Wildcard {
		return pattern
	}
	if strings.HasPrefix(pattern, ".") || pattern == "" {
		return ""
	}
	if start, _, found := strings.Cut(pattern, ".."); found {
		return start + "."
	}
	return pattern // a trailing "." is followed by any component
}
