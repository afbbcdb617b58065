package uplink

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"

	"runnel/edge/wamp"
	"runnel/uplink/spool"
)

// Rule says what crosses a link: a topic or a procedure, by URI or pattern. In Options.Export it is a local one, in
// Options.Import one of the central router.
type Rule struct {
	Topic, Procedure string // one of them
	Match            wamp.Match

	// If one of them is set, URIs have LocalPrefix here where they have RemotePrefix there. The URI or pattern must begin
	// with the prefix of its side.
	LocalPrefix, RemotePrefix string

	Store spool.Class // of exported topics: what their events are to survive until the centre has them

	// Static makes it cross whether somebody is interested on the other side or not.
	Static bool
}

// direction is which way a rule offers something.
type direction bool

const (
	exports direction = true
	imports direction = false
)

func (d direction) String() string {
	if d == exports {
		return "export"
	}
	return "import"
}

// rule is a Rule, checked, with its direction.
type rule struct {
	direction direction
	kind      string // "topic" or "procedure"
	uri       string // where it comes from
	match     wamp.Match
	from, to  string // the prefixes exchanged on the way
	static    bool   // nobody's interest is asked for
	store     spool.Class
	number    int // in the order in which they were given

	subscribed atomic.Int32 // how many subscriptions bring events
	recent     recent       // owned by who hands over events
}

// home is the rule's pattern where it comes from, abroad where it goes to.
func (r *rule) home() wamp.Pattern   { return wamp.Pattern{URI: r.uri, Match: r.match} }
func (r *rule) abroad() wamp.Pattern { return wamp.Pattern{URI: r.rewrite(r.uri), Match: r.match} }

// newRule checks r.
func newRule(d direction, r Rule) (*rule, error) {
	n := &rule{direction: d, kind: "topic", uri: r.Topic, match: r.Match, from: r.LocalPrefix, to: r.RemotePrefix,
		static: r.Static, store: r.Store}
	if d == imports {
		n.from, n.to = n.to, n.from
	}
	if r.Procedure != "" {
		n.kind, n.uri = "procedure", r.Procedure
	}
	if err := n.check(r); err != nil {
		return nil, fmt.Errorf("%s: %w", n, err)
	}
	return n, nil
}

func (r *rule) check(given Rule) error {
	switch {
	case given.Topic != "" && given.Procedure != "":
		return errors.New("both a topic and a procedure")
	case !wamp.ValidURI(r.uri, r.match, false):
		return fmt.Errorf("%q is not a valid URI", r.uri)
	case !wamp.ValidURI(r.from, wamp.Prefix, false) || !wamp.ValidURI(r.to, wamp.Prefix, false):
		return errors.New("a prefix to exchange is not a valid one")
	case !strings.HasPrefix(r.uri, r.from):
		return fmt.Errorf("it does not begin with the prefix to exchange, %q", r.from)
	case !wamp.ValidURI(r.rewrite(r.uri), r.match, false):
		return fmt.Errorf("it would become %q, which is not a valid URI", r.rewrite(r.uri))
	}
	return nil
}

// rewrite returns what a URI that the rule matches, or its pattern, is called on the other side.
func (r *rule) rewrite(uri string) string {
	if r.from == r.to {
		return uri
	}
	return r.to + strings.TrimPrefix(uri, r.from)
}

// reverse undoes rewrite.
func (r *rule) reverse(uri string) string {
	if r.from == r.to {
		return uri
	}
	return r.from + strings.TrimPrefix(uri, r.to)
}

// String names the rule as the configuration does: "export topic com.example. (prefix)".
func (r *rule) String() string {
	name := r.direction.String() + " " + r.kind + " " + r.uri
	if r.match != wamp.Exact {
		name += " (" + r.match.String() + ")"
	}
	return name
}
