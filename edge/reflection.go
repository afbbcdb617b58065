package edge

import (
	"fmt"
	"slices"
	"sync"

	"runnel/edge/auth"
	"runnel/edge/codec"
	"runnel/edge/wamp"
)

// Reflection: peers describe procedures, topics and errors, and other peers list and read the descriptions
// (advanced/interface_reflection.md). The specification only names the procedures and events. In this router:
//
//	wamp.reflect.define(uri, description, kind=)   kind: "procedure" (default), "topic" or "error"; null undefines
//	wamp.reflect.describe(uri)                     the description, or null
//	wamp.reflection.KIND.list()                    the URIs of that kind, sorted, that the caller may use
//	wamp.reflection.KIND.describe(uri)             as above, of that kind
//	wamp.reflect.on_define(uri, kind, description), wamp.reflect.on_undefine(uri, kind)
//
// Registered and subscribed URIs are listed, too, even without a description. A description is removed when its session ends.
type reflection struct {
	mu     sync.Mutex
	known  map[described]description
	octets int // bytes of all descriptions
}

// described identifies the subject of a description.
type described struct{ kind, uri string }

type description struct {
	by    *session
	value codec.Payload // one positional argument, unchanged
}

const (
	maxDescriptions = 1000     // per session
	maxDescription  = 64 << 10 // bytes
	maxDescribed    = 4 << 20  // bytes of all descriptions in a realm

	descriptionOverhead = 256 // estimated memory of a description besides its text, in bytes
)

// reflected lists the kinds, each with the permissions needed to define a description and to see it.
var reflected = map[string]struct{ define, see auth.Action }{
	"procedure": {auth.Register, auth.Call},
	"topic":     {auth.Publish, auth.Subscribe},
	"error":     {auth.Register, auth.Call},
}

func (c *metaCall) reflectDefine() ([]any, error) {
	what, err := c.described()
	if err != nil {
		return nil, err
	}
	if wamp.OfNode(what.uri) {
		if err := c.caller.checkProcedure(what.uri, wamp.Exact); err != nil {
			return nil, err
		}
	}
	if _, err := c.caller.permitted(c.turn, reflected[what.kind].define, []byte(what.uri), codec.Dict{}); err != nil {
		return nil, err
	}
	if len(c.args) < 2 {
		return nil, refusal{wamp.InvalidArgument, "argument 2 must be the description, or null"}
	}
	r := &c.realm.reflection
	if !isGiven(c.arg(1)) {
		if r.undefine(what, c.caller) {
			c.realm.announce(c.turn, "wamp.reflect.on_undefine", what.uri, what.kind)
		}
		return nil, nil
	}
	value, err := codec.NewPayload(c.caller.serializer, []any{c.args[1]}, nil)
	if err != nil || len(value.Raw) > maxDescription {
		return nil, refusal{wamp.InvalidArgument, fmt.Sprintf("a description may have at most %d bytes", maxDescription)}
	}
	if err := r.define(what, description{c.caller, value}); err != nil {
		return nil, err
	}
	c.realm.announce(c.turn, "wamp.reflect.on_define", what.uri, what.kind, c.args[1])
	return nil, nil
}

// described reads the URI and the kind in the arguments of a call.
func (c *metaCall) described() (described, error) {
	uri, err := c.text(0)
	if err != nil {
		return described{}, err
	}
	kind := "procedure"
	if v := c.keyword("kind"); isGiven(v) {
		kind, _ = textOf(v)
	}
	if _, ok := reflected[kind]; !ok {
		return described{}, refusal{wamp.InvalidArgument, "kind must be procedure, topic or error"}
	}
	if wamp.Reserved(uri) || !wamp.ValidURI(uri, wamp.Wildcard, c.caller.strict) {
		return described{}, wamp.InvalidURI
	}
	return described{kind, uri}, nil
}

func (r *reflection) define(what described, d description) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.known == nil {
		r.known = make(map[described]description)
	}
	old, again := r.known[what]
	if again && old.by != d.by {
		return refusal{wamp.NotAuthorized, "another session has described it"}
	}
	octets := r.octets - old.octets(what) + d.octets(what)
	if octets > maxDescribed {
		return refusal{wamp.Unavailable, fmt.Sprintf("all descriptions together may have at most %d bytes", maxDescribed)}
	}
	n := 0
	for _, other := range r.known {
		if other.by == d.by {
			n++
		}
	}
	if n >= maxDescriptions && !again {
		return refusal{wamp.Unavailable, fmt.Sprintf("the session has already made %d descriptions", maxDescriptions)}
	}
	r.known[what], r.octets = d, octets
	return nil
}

// octets returns the memory of a description; 0 for the zero description.
func (d description) octets(what described) int {
	if d.by == nil {
		return 0
	}
	return descriptionOverhead + len(what.uri) + len(d.value.Raw)
}

// remove removes a description. The caller holds mu.
func (r *reflection) remove(what described) {
	r.octets -= r.known[what].octets(what)
	delete(r.known, what)
}

// undefine removes a session's own description.
func (r *reflection) undefine(what described, by *session) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	own := r.known[what].by == by
	if own {
		r.remove(what)
	}
	return own
}

// removeAll removes the descriptions of s and returns their keys.
func (r *reflection) removeAll(s *session) (gone []described) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for what, d := range r.known {
		if d.by == s {
			r.remove(what)
			gone = append(gone, what)
		}
	}
	return gone
}

// reflectDescribe describes the URI in the arguments as one of the given kinds; without kinds, as any.
func (c *metaCall) reflectDescribe(kinds ...string) ([]any, error) {
	uri, err := c.text(0)
	if err != nil {
		return nil, err
	}
	for _, kind := range kinds {
		if _, err := c.caller.permitted(c.turn, reflected[kind].see, []byte(uri), codec.Dict{}); err != nil {
			continue
		}
		c.realm.reflection.mu.Lock()
		d, ok := c.realm.reflection.known[described{kind, uri}]
		c.realm.reflection.mu.Unlock()
		if ok {
			value, _, err := d.value.Split()
			if list, ok := value.Items(); ok && list.Next() {
				return []any{list.Value()}, err
			}
		}
	}
	return []any{nil}, nil
}

// reflectList lists the URIs of a kind that the caller may use by its role's permissions. The authorizer is not asked.
func (c *metaCall) reflectList(kind string) ([]any, error) {
	uris := make(map[string]bool)
	c.realm.reflection.mu.Lock()
	for what := range c.realm.reflection.known {
		if what.kind == kind {
			uris[what.uri] = true
		}
	}
	c.realm.reflection.mu.Unlock()
	switch kind {
	case "procedure":
		c.realm.procedures.All(func(r *registration) bool { uris[r.uri] = true; return true })
	case "topic":
		c.realm.topics.All(func(s *subscription) bool { uris[s.uri] = true; return true })
	}
	list := []string{}
	for uri := range uris {
		if allowed, _ := c.caller.role().Decide(reflected[kind].see, []byte(uri)); allowed {
			list = append(list, uri)
		}
	}
	slices.Sort(list)
	return []any{list}, nil
}
