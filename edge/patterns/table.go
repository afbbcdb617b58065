// Package patterns finds the entries that match a URI: Table is a map from URIs and URI patterns to values, and Set answers which
// patterns overlap.
package patterns

import (
	"bytes"
	"slices"
	"strings"
	"sync/atomic"

	"runnel/edge/wamp"
)

// Table is a map from URIs and URI patterns to values. The router's topic table and procedure table are Tables. The key is a URI
// together with its match policy: "com.a" as exact and "com.a" as prefix are two entries. The zero value is empty.
//
// Any goroutine may read at any time; reads take no lock and allocate nothing. One goroutine at a time may call Set and
// Remove. A read that runs beside a write finds each entry in its state before or after the write. A read that begins after
// a write has returned finds the new state.
type Table[V any] struct {
	exact     trie[V]
	prefix    trie[V]
	lengths   atomic.Pointer[[]int] // lengths of the prefixes in bytes, ascending: only these need a look-up
	counts    map[int]int           // number of prefixes by length. Only writers use it.
	wildcard  components[V]
	wildcards atomic.Int32
}

// components is a node of the wildcard patterns' tree, which has one level for each component.
type components[V any] struct {
	literal trie[*components[V]]
	any     atomic.Pointer[components[V]]
	value   atomic.Pointer[V] // nil: no pattern ends here
}

// Len returns the number of entries.
func (p *Table[V]) Len() int {
	return int(p.exact.len.Load() + p.prefix.len.Load() + p.wildcards.Load())
}

// Get returns the value of exactly this URI or pattern.
func (p *Table[V]) Get(m wamp.Match, uri string) (v V, ok bool) {
	switch m {
	case wamp.Prefix:
		return p.prefix.get([]byte(uri))
	case wamp.Wildcard:
		return p.wildcard.find(uri).load()
	}
	return p.exact.get([]byte(uri))
}

// Set gives the URI or pattern the value v.
func (p *Table[V]) Set(m wamp.Match, uri string, v V) {
	switch m {
	case wamp.Prefix:
		if p.prefix.set(uri, v) {
			p.countLength(len(uri), +1)
		}
	case wamp.Wildcard:
		if p.wildcard.set(uri, v) {
			p.wildcards.Add(1)
		}
	default:
		p.exact.set(uri, v)
	}
}

// Remove removes the URI or pattern.
func (p *Table[V]) Remove(m wamp.Match, uri string) {
	switch m {
	case wamp.Prefix:
		if p.prefix.remove(uri) {
			p.countLength(len(uri), -1)
		}
	case wamp.Wildcard:
		if p.wildcard.remove(uri, true) {
			p.wildcards.Add(-1)
		}
	default:
		p.exact.remove(uri)
	}
}

// countLength counts a prefix. It stores another list only when the first prefix of a length is added or the last one removed.
func (p *Table[V]) countLength(length, by int) {
	if p.counts == nil {
		p.counts = map[int]int{}
	}
	p.counts[length] += by
	list := slices.Clone(p.prefixLengths())
	at, listed := slices.BinarySearch(list, length)
	switch {
	case p.counts[length] == 0:
		delete(p.counts, length)
		list = slices.Delete(list, at, at+1)
	case listed:
		return
	default:
		list = slices.Insert(list, at, length)
	}
	p.lengths.Store(&list)
}

func (p *Table[V]) prefixLengths() []int {
	if list := p.lengths.Load(); list != nil {
		return *list
	}
	return nil
}

// Match appends the values of all entries that match uri to into: first the exact entry, then prefixes from short to
// long, then wildcards.
func (p *Table[V]) Match(uri []byte, into []V) []V {
	if v, ok := p.exact.get(uri); ok {
		into = append(into, v)
	}
	for _, n := range p.prefixLengths() {
		if n > len(uri) {
			break
		}
		if v, ok := p.prefix.get(uri[:n]); ok {
			into = append(into, v)
		}
	}
	if p.wildcards.Load() > 0 {
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
	lengths := p.prefixLengths()
	for i := len(lengths) - 1; i >= 0; i-- {
		if n := lengths[i]; n <= len(uri) {
			if v, ok = p.prefix.get(uri[:n]); ok {
				return v, true
			}
		}
	}
	if p.wildcards.Load() > 0 {
		return p.wildcard.best(uri)
	}
	return v, false
}

// All calls yield for each value until it returns false. It visits each entry that is not added or removed meanwhile exactly
// once.
func (p *Table[V]) All(yield func(V) bool) {
	ok := true
	each := func(_ string, v V) bool { ok = yield(v); return ok }
	p.exact.all(each)
	if ok {
		p.prefix.all(each)
	}
	if ok {
		p.wildcard.all(yield)
	}
}

// find returns the node at which a pattern ends, or nil.
func (n *components[V]) find(pattern string) *components[V] {
	for more := true; more && n != nil; {
		var component string
		component, pattern, more = strings.Cut(pattern, ".")
		n = n.below(component)
	}
	return n
}

// below returns the node for a component of a pattern below n, or nil.
func (n *components[V]) below(component string) *components[V] {
	if component == "" {
		return n.any.Load()
	}
	below, _ := n.literal.get([]byte(component))
	return below
}

// load returns the value of the pattern that ends at n, which may be nil.
func (n *components[V]) load() (v V, ok bool) {
	if n == nil {
		return v, false
	}
	if value := n.value.Load(); value != nil {
		return *value, true
	}
	return v, false
}

// set gives a pattern the value v, and reports whether the pattern is new.
func (n *components[V]) set(pattern string, v V) (added bool) {
	for more := true; more; {
		var component string
		component, pattern, more = strings.Cut(pattern, ".")
		next := n.below(component)
		if next == nil {
			next = &components[V]{}
			if component == "" {
				n.any.Store(next)
			} else {
				n.literal.set(component, next)
			}
		}
		n = next
	}
	return n.value.Swap(&v) == nil
}

// remove removes a pattern and the nodes that are empty afterwards. more says that components follow in pattern. It reports
// whether the pattern was there.
func (n *components[V]) remove(pattern string, more bool) (removed bool) {
	if !more {
		return n.value.Swap(nil) != nil
	}
	component, rest, more := strings.Cut(pattern, ".")
	below := n.below(component)
	if below == nil || !below.remove(rest, more) {
		return false
	}
	switch {
	case !below.empty():
	case component == "":
		n.any.Store(nil)
	default:
		n.literal.remove(component)
	}
	return true
}

func (n *components[V]) empty() bool {
	return n.value.Load() == nil && n.any.Load() == nil && n.literal.len.Load() == 0
}

func (n *components[V]) match(uri []byte, into []V) []V {
	component, rest, more := bytes.Cut(uri, dot)
	if below, ok := n.literal.get(component); ok {
		into = below.matchRest(rest, more, into)
	}
	if below := n.any.Load(); below != nil {
		into = below.matchRest(rest, more, into)
	}
	return into
}

func (n *components[V]) matchRest(uri []byte, more bool, into []V) []V {
	if more {
		return n.match(uri, into)
	}
	if v, ok := n.load(); ok {
		into = append(into, v)
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
	if below := n.any.Load(); below != nil {
		return below.bestRest(rest, more)
	}
	return v, false
}

func (n *components[V]) bestRest(uri []byte, more bool) (v V, ok bool) {
	if more {
		return n.best(uri)
	}
	return n.load()
}

func (n *components[V]) all(yield func(V) bool) bool {
	if v, ok := n.load(); ok && !yield(v) {
		return false
	}
	if below := n.any.Load(); below != nil && !below.all(yield) {
		return false
	}
	ok := true
	n.literal.all(func(_ string, below *components[V]) bool { ok = below.all(yield); return ok })
	return ok
}

var dot = []byte(".")
