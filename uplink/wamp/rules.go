package wamp

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"runnel/edge/wamp"
	"runnel/uplink"
)

// direction says on which side a rule's topics or procedures are.
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
	uplink.Rule
	direction direction
	kind      string // "topic" or "procedure"
	uri       string // with its name on the side of its origin

	subscribed atomic.Int32 // subscriptions that bring events
	recent     recent       // owned by the goroutine that hands over events
}

// home returns the rule's pattern on its own side, and abroad the pattern on the other side.
func (r *rule) home() wamp.Pattern   { return wamp.Pattern{URI: r.uri, Match: r.Match} }
func (r *rule) abroad() wamp.Pattern { return wamp.Pattern{URI: r.rewrite(r.uri), Match: r.Match} }

// newRule checks a Rule.
func newRule(d direction, given uplink.Rule) (*rule, error) {
	r := &rule{Rule: given, direction: d, kind: "topic", uri: given.URI()}
	if given.Procedure != "" {
		r.kind = "procedure"
	}
	if err := r.check(); err != nil {
		return nil, fmt.Errorf("%s: %w", r, err)
	}
	return r, nil
}

func (r *rule) check() error {
	from := r.LocalPrefix
	if r.direction == imports {
		from = r.RemotePrefix
	}
	switch {
	case r.Topic != "" && r.Procedure != "":
		return errors.New("both a topic and a procedure")
	case !wamp.ValidURI(r.uri, r.Match, false):
		return fmt.Errorf("%q is not a valid URI", r.uri)
	case !wamp.ValidURI(r.LocalPrefix, wamp.Prefix, false) || !wamp.ValidURI(r.RemotePrefix, wamp.Prefix, false):
		return errors.New("a prefix to replace is not valid")
	case !strings.HasPrefix(r.uri, from):
		return fmt.Errorf("it does not begin with the prefix to replace, %q", from)
	case !wamp.ValidURI(r.rewrite(r.uri), r.Match, false):
		return fmt.Errorf("it would become %q, which is not a valid URI", r.rewrite(r.uri))
	}
	return nil
}

// rewrite returns the name on the other side of a URI that the rule matches, or of its pattern.
func (r *rule) rewrite(uri string) string {
	if r.direction == exports {
		return r.ToRemote(uri)
	}
	return r.ToLocal(uri)
}

// reverse is the inverse of rewrite.
func (r *rule) reverse(uri string) string {
	if r.direction == exports {
		return r.ToLocal(uri)
	}
	return r.ToRemote(uri)
}

// String names the rule as the configuration does: "export topic com.example. (prefix)".
func (r *rule) String() string {
	name := r.direction.String() + " " + r.kind + " " + r.uri
	if r.Match != wamp.Exact {
		name += " (" + r.Match.String() + ")"
	}
	return name
}

func (l *Link) of(d direction, kind string) (list []*rule) {
	for _, r := range l.rules {
		if r.direction == d && r.kind == kind {
			list = append(list, r)
		}
	}
	return list
}

func home(rules []*rule) (list []wamp.Pattern) {
	for _, r := range rules {
		list = append(list, r.home())
	}
	return list
}

func abroad(rules []*rule) (list []wamp.Pattern) {
	for _, r := range rules {
		list = append(list, r.abroad())
	}
	return list
}

func overlap(one, other []wamp.Pattern) bool {
	return slices.ContainsFunc(one, func(p wamp.Pattern) bool { return slices.ContainsFunc(other, p.Overlaps) })
}

func following(rules []*rule) bool {
	return slices.ContainsFunc(rules, func(r *rule) bool { return !r.Static })
}

// best reports whether r is the rule that decides about a topic, among all rules of its direction.
func (l *Link) best(r *rule, topic string) bool {
	set := &l.imported
	if r.direction == exports {
		set = &l.exported
	}
	best, _ := set.Best(topic)
	return best == r
}
