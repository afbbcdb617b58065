package patterns

import (
	"hash/maphash"
	"math/bits"
	"slices"
)

// trie is an immutable map from strings to V: a hash array mapped trie. with and without return a new map that shares all
// but one path with the old one, so a reader may continue with the snapshot it holds. The zero value is empty.
type trie[V any] struct {
	root *branch[V]
	len  int
}

// branch holds up to 32 children, selected by five bits of the hash. Only existing children are stored. Below the last
// level the hash is used up: the children are unordered, and bitmap is unused.
type branch[V any] struct {
	bitmap   uint32
	children []child[V]
}

// child is either a leaf or, if below is set, a branch.
type child[V any] struct {
	below *branch[V]
	key   string
	value V
}

const (
	levelBits = 5
	lastShift = 60 // from here on the hash is used up
)

var seed = maphash.MakeSeed()

func (b *branch[V]) slot(hash uint64, shift uint) (bit uint32, at int) {
	bit = 1 << (hash >> shift & (1<<levelBits - 1))
	return bit, bits.OnesCount32(b.bitmap & (bit - 1))
}

// get returns the value under key.
func (t trie[V]) get(key []byte) (v V, ok bool) {
	if t.len == 0 {
		return v, false
	}
	hash := maphash.Bytes(seed, key)
	b := t.root
	for shift := uint(0); shift < lastShift; shift += levelBits {
		bit, at := b.slot(hash, shift)
		if b.bitmap&bit == 0 {
			return v, false
		}
		c := &b.children[at]
		if c.below == nil {
			if c.key == string(key) {
				return c.value, true
			}
			return v, false
		}
		b = c.below
	}
	for i := range b.children {
		if b.children[i].key == string(key) {
			return b.children[i].value, true
		}
	}
	return v, false
}

// with returns a map in which key has the value v.
func (t trie[V]) with(key string, v V) trie[V] {
	root := t.root
	if root == nil {
		root = &branch[V]{}
	}
	root, added := root.with(key, v, maphash.String(seed, key), 0)
	if added {
		t.len++
	}
	t.root = root
	return t
}

func (b *branch[V]) with(key string, v V, hash uint64, shift uint) (next *branch[V], added bool) {
	if shift >= lastShift {
		return b.withLast(key, v)
	}
	bit, at := b.slot(hash, shift)
	if b.bitmap&bit == 0 {
		children := make([]child[V], 0, len(b.children)+1)
		children = append(children, b.children[:at]...)
		children = append(children, child[V]{key: key, value: v})
		children = append(children, b.children[at:]...)
		return &branch[V]{b.bitmap | bit, children}, true
	}
	next = &branch[V]{b.bitmap, slices.Clone(b.children)}
	c := &next.children[at]
	switch {
	case c.below != nil:
		c.below, added = c.below.with(key, v, hash, shift+levelBits)
	case c.key == key:
		c.value = v
	default: // two keys share this slot, so both move one level down
		below := &branch[V]{}
		below, _ = below.with(c.key, c.value, maphash.String(seed, c.key), shift+levelBits)
		below, _ = below.with(key, v, hash, shift+levelBits)
		*c, added = child[V]{below: below}, true
	}
	return next, added
}

func (b *branch[V]) withLast(key string, v V) (next *branch[V], added bool) {
	next = &branch[V]{children: slices.Clone(b.children)}
	for i := range next.children {
		if next.children[i].key == key {
			next.children[i].value = v
			return next, false
		}
	}
	next.children = append(next.children, child[V]{key: key, value: v})
	return next, true
}

// without returns a map that lacks key.
func (t trie[V]) without(key string) trie[V] {
	if t.len == 0 {
		return t
	}
	root, removed := t.root.without(key, maphash.String(seed, key), 0)
	if !removed {
		return t
	}
	return trie[V]{root, t.len - 1}
}

func (b *branch[V]) without(key string, hash uint64, shift uint) (next *branch[V], removed bool) {
	var bit uint32
	at := slices.IndexFunc(b.children, func(c child[V]) bool { return c.below == nil && c.key == key })
	if shift < lastShift {
		bit, at = b.slot(hash, shift)
		if b.bitmap&bit == 0 {
			return b, false
		}
		if c := b.children[at]; c.below != nil {
			below, removed := c.below.without(key, hash, shift+levelBits)
			if !removed {
				return b, false
			}
			if len(below.children) > 0 {
				next = &branch[V]{b.bitmap, slices.Clone(b.children)}
				next.children[at].below = below
				return next, true
			}
		} else if c.key != key {
			return b, false
		}
	} else if at < 0 {
		return b, false
	}
	children := make([]child[V], 0, len(b.children)-1)
	children = append(append(children, b.children[:at]...), b.children[at+1:]...)
	return &branch[V]{b.bitmap &^ bit, children}, true
}

// all calls yield for each entry, in no particular order, until it returns false.
func (t trie[V]) all(yield func(string, V) bool) {
	if t.root != nil {
		t.root.all(yield)
	}
}

func (b *branch[V]) all(yield func(string, V) bool) bool {
	for i := range b.children {
		c := &b.children[i]
		if c.below != nil {
			if !c.below.all(yield) {
				return false
			}
		} else if !yield(c.key, c.value) {
			return false
		}
	}
	return true
}
