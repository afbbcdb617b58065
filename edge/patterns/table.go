// Package patterns finds the entries that match a URI: Table is an immutable map from URIs and URI patterns to values, and
// Set answers which patterns overlap.
package patterns

import (
	"bytes"
	"slices"
	"strings"

	"runnel/edge/wamp"
)

// Table is an immutable map from URIs and URI patterns to values. The router's topic table and procedure table are
// Tables. The key is a URI together with its match policy: "com.a" as exact and "com.a" as prefix are two entries. The
// zero value is empty.
type Table[V any] struct {
	exact     trie[V]
	prefix    trie[V]
	lengths   []prefixLength // lengths of the prefixes, ascending: only these need a look-up
	wildcard  *components[V]
	wildcards int
}

// prefixLength counts the prefixes of one length, in bytes.
type prefixLength struct{ length, prefixes int }

// components is a node of the wildcard patterns' tree, which has one level for each component.
type components[V any] struct {
	literal trie[*components[V]]
	any     *components[V]
	set     bool // a pattern ends here
	value   V
}

// Len returns the number of entries.
func (p *Table[V]) Len() int { return p.exact.len + p.prefix.len + p.wildcards }

// Get returns the value of exactly this URI or pattern.
func (p *Table[V]) Get(m wamp.Match, uri string) (v V, ok bool) {
	switch m {
	case wamp.Prefix:
		return p.prefix.get([]byte(uri))
	case wamp.Wildcard:
		if n := p.wildcard.find(uri); n != nil && n.set {
			return n.value, true
		}
		return v, false
	}
	return p.exact.get([]byte(uri))
}

// With returns a table in which the URI or pattern has the value v.
func (p *Table[V]) With(m wamp.Match, uri string, v V) *Table[V] {
	next := *p
	switch m {
	case wamp.Prefix:
		next.prefix = p.prefix.with(uri, v)
		if next.prefix.len > p.prefix.len {
			next.lengths = countLength(p.lengths, len(uri), +1)
		}
	case wamp.Wildcard:
		var added bool
		next.wildcard, added = p.wildcard.with(strings.Split(uri, "."), v)
		if added {
			next.wildcards++
		}
	default:
		next.exact = p.exact.with(uri, v)
	}
	return &next
}

// Without returns a table that lacks the URI or pattern.
func (p *Table[V]) Without(m wamp.Match, uri string) *Table[V] {
	next := *p
	switch m {
	case wamp.Prefix:
		next.prefix = p.prefix.without(uri)
		if next.prefix.len < p.prefix.len {
			next.lengths = countLength(p.lengths, len(uri), -1)
		}
	case wamp.Wildcard:
		var removed bool
		next.wildcard, removed = p.wildcard.without(strings.Split(uri, "."))
		if removed {
			next.wildcards--
		}
	default:
		next.exact = p.exact.without(uri)
	}
	return &next
}

func countLength(old []prefixLength, length, by int) []prefixLength {
	at, found := slices.BinarySearchFunc(old, length, func(l prefixLength, n int) int { return l.length - n })
	next := slices.Clone(old)
	if !found {
		return slices.Insert(next, at, prefixLength{length, by})
	}
	if next[at].prefixes += by; next[at].prefixes == 0 {
		next = slices.Delete(next, at, at+1)
	}
	return next
}

// Match appends the values of all entries that match uri to into: first the exact entry, then prefixes from short to
// long, then wildcards.
func (p *Table[V]) Match(uri []byte, into []V) []V {
	if v, ok := p.exact.get(uri); ok {
		into = append(into, v)
	}
	for _, l := range p.lengths {
		if l.length > len(uri) {
			break
		}
		if v, ok := p.prefix.get(uri[:l.length]); ok {
			into = append(into, v)
		}
	}
	if p.wildcards > 0 {
		into = p.wildcard.match(uri, into)
	}
	return into
}

// Best returns the value of the most specific entry that matches uri: the exact entry, else the longest prefix, else a
// wildcard. The most specific wildcard has the longest run of literal components before its first wildcard, then before
// its second, and so on (advanced/rpc_pattern_based_registration.md, "Calls matching multiple registrations").
func (p *Table[V]) Best(uri []byte) (v V, ok bool) {
	if v, ok = p.exact.get(uri); ok {
		return v, true
	}
	for i := len(p.lengths) - 1; i >= 0; i-- {
		if n := p.lengths[i].length; n <= len(uri) {
			if v, ok = p.prefix.get(uri[:n]); ok {
				return v, true
			}
		}
	}
	if p.wildcards > 0 {
		return p.wildcard.best(uri)
	}
	return v, false
}

// All calls yield for each value until it returns false.
func (p *Table[V]) All(yield func(V) bool) {
	ok := true
	each := func(_ string, v V) bool { ok = yield(v); return ok }
	p.exact.all(each)
	if ok {
		p.prefix.all(each)
	}
	if ok && p.wildcard != nil {
		p.wildcard.all(yield)
	}
}

func (n *components[V]) find(pattern string) *components[V] {
	for more := true; more && n != nil; {
		var component string
		component, pattern, more = strings.Cut(pattern, ".")
		if component == "" {
			n = n.any
		} else {
			n, _ = n.literal.get([]byte(component))
		}
	}
	return n
}

func (n *components[V]) with(pattern []string, v V) (next *components[V], added bool) {
	next = &components[V]{}
	if n != nil {
		*next = *n
	}
	if len(pattern) == 0 {
		added = !next.set
		next.set, next.value = true, v
		return next, added
	}
	if pattern[0] == "" {
		next.any, added = next.any.with(pattern[1:], v)
		return next, added
	}
	below, _ := next.literal.get([]byte(pattern[0]))
	below, added = below.with(pattern[1:], v)
	next.literal = next.literal.with(pattern[0], below)
	return next, added
}

// without returns nil if the node is empty afterwards.
func (n *components[V]) without(pattern []string) (next *components[V], removed bool) {
	if n == nil {
		return nil, false
	}
	c := *n
	switch {
	case len(pattern) == 0:
		var none V
		removed = c.set
		c.set, c.value = false, none
	case pattern[0] == "":
		c.any, removed = c.any.without(pattern[1:])
	default:
		below, ok := c.literal.get([]byte(pattern[0]))
		if !ok {
			return n, false
		}
		if below, removed = below.without(pattern[1:]); below == nil {
			c.literal = c.literal.without(pattern[0])
		} else {
			c.literal = c.literal.with(pattern[0], below)
		}
	}
	if !c.set && c.any == nil && c.literal.len == 0 {
		return nil, removed
	}
	return &c, removed
}

func (n *components[V]) match(uri []byte, into []V) []V {
	component, rest, more := bytes.Cut(uri, dot)
	if below, ok := n.literal.get(component); ok {
		into = below.matchRest(rest, more, into)
	}
	if n.any != nil {
		into = n.any.matchRest(rest, more, into)
	}
	return into
}

func (n *components[V]) matchRest(uri []byte, more bool, into []V) []V {
	if more {
		return n.match(uri, into)
	}
	if n.set {
		into = append(into, n.value)
	}
	return into
}

// best tries literal components before wildcards, so it meets the most specific pattern first.
func (n *components[V]) best(uri []byte) (v V, ok bool) {
	component, rest, more := bytes.Cut(uri, dot)
	if below, found := n.literal.get(component); found {
		if v, ok = below.bestRest(rest, more); ok {
			return v, true
		}
	}
	if n.any != nil {
		return n.any.bestRest(rest, more)
	}
	return v, false
}

func (n *components[V]) bestRest(uri []byte, more bool) (v V, ok bool) {
	if more {
		return n.best(uri)
	}
	return n.value, n.set
}

func (n *components[V]) all(yield func(V) bool) bool {
	if n.set && !yield(n.value) {
		return false
	}
	if n.any != nil && !n.any.all(yield) {
		return false
	}
	ok := true
	n.literal.all(func(_ string, below *components[V]) bool { ok = below.all(yield); return ok })
	return ok
}

var dot = []byte(".")
