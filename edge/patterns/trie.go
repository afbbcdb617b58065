package patterns

import (
	"hash/maphash"
	"math/bits"
	"slices"
	"sync/atomic"
)

// trie is a map from strings to V: a hash array mapped trie. Any number of goroutines may read it while one writes; the
// callers write one at a time. A write replaces one branch and copies no other, so its cost and its garbage do not grow with
// the map. A reader that has loaded the old branch sees the state before the write. The zero value is empty.
type trie[V any] struct {
	root atomic.Pointer[branch[V]]
	len  atomic.Int32
}

// branch holds up to 32 children, selected by five bits of the hash. Only existing children are stored. Below the last
// level the hash is used up: the children are unordered, and bitmap is unused. A branch does not change, except that its
// children's branches are replaced.
type branch[V any] struct {
	bitmap   uint32
	children []child[V]
}

// child is either a leaf or, if below is set, a branch. A leaf never becomes a branch, nor a branch a leaf.
type child[V any] struct {
	below atomic.Pointer[branch[V]]
	key   string
	value V
}

const (
	levelBits = 5
	lastShift = 60 // from here on the hash is used up
)

var seed = maphash.MakeSeed()

func slotBit(hash uint64, shift uint) uint32 { return 1 << (hash >> shift & (1<<levelBits - 1)) }

func (b *branch[V]) index(bit uint32) int { return bits.OnesCount32(b.bitmap & (bit - 1)) }

// get returns the value under key.
func (t *trie[V]) get(key []byte) (v V, ok bool) {
	if root := t.root.Load(); root != nil {
		return root.get(key, maphash.Bytes(seed, key), 0)
	}
	return v, false
}

// get returns the value of key in the branch, which is at shift, or below it.
func (b *branch[V]) get(key []byte, hash uint64, shift uint) (v V, ok bool) {
	for ; shift < lastShift; shift += levelBits {
		bit := slotBit(hash, shift)
		if b.bitmap&bit == 0 {
			return v, false
		}
		c := &b.children[b.index(bit)]
		below := c.below.Load()
		if below == nil {
			if c.key == string(key) {
				return c.value, true
			}
			return v, false
		}
		b = below
	}
	if at := b.search(string(key)); at >= 0 {
		return b.children[at].value, true
	}
	return v, false
}

// set gives key the value v, and reports whether the key is new.
func (t *trie[V]) set(key string, v V) (added bool) {
	if t.root.Load() == nil {
		t.root.Store(&branch[V]{})
	}
	if added = put(&t.root, key, v, maphash.String(seed, key), 0); added {
		t.len.Add(1)
	}
	return added
}

// put replaces the branch at a place, or one below it.
func put[V any](place *atomic.Pointer[branch[V]], key string, v V, hash uint64, shift uint) (added bool) {
	b := place.Load()
	if shift >= lastShift {
		return putLast(place, key, v)
	}
	bit := slotBit(hash, shift)
	at := b.index(bit)
	if b.bitmap&bit == 0 {
		place.Store(b.inserted(at, bit, key, v))
		return true
	}
	c := &b.children[at]
	if c.below.Load() != nil {
		return put(&c.below, key, v, hash, shift+levelBits)
	}
	next := &branch[V]{b.bitmap, slices.Clone(b.children)}
	if c.key == key {
		next.children[at].value = v
		place.Store(next)
		return false
	}
	// Two keys share this slot, so both move one level down.
	below := &next.children[at].below
	below.Store(&branch[V]{})
	put(below, c.key, c.value, maphash.String(seed, c.key), shift+levelBits)
	put(below, key, v, hash, shift+levelBits)
	next.children[at].key = ""
	var none V
	next.children[at].value = none
	place.Store(next)
	return true
}

func putLast[V any](place *atomic.Pointer[branch[V]], key string, v V) (added bool) {
	b := place.Load()
	at := b.search(key)
	if at < 0 {
		place.Store(b.inserted(len(b.children), 0, key, v))
		return true
	}
	next := &branch[V]{children: slices.Clone(b.children)}
	next.children[at].value = v
	place.Store(next)
	return false
}

// search returns the index of a key among children below the last level, or -1.
func (b *branch[V]) search(key string) int {
	for i := range b.children {
		if b.children[i].key == key {
			return i
		}
	}
	return -1
}

// inserted returns the branch with one more leaf.
func (b *branch[V]) inserted(at int, bit uint32, key string, v V) *branch[V] {
	children := make([]child[V], len(b.children)+1)
	copy(children, b.children[:at])
	children[at].key, children[at].value = key, v
	copy(children[at+1:], b.children[at:])
	return &branch[V]{b.bitmap | bit, children}
}

// remove removes key, and reports whether it was there.
func (t *trie[V]) remove(key string) (removed bool) {
	if t.root.Load() == nil {
		return false
	}
	if removed = drop(&t.root, key, maphash.String(seed, key), 0); removed {
		t.len.Add(-1)
	}
	return removed
}

// drop replaces the branch at a place, or one below it. The branch may be empty afterwards; its parent then drops it.
func drop[V any](place *atomic.Pointer[branch[V]], key string, hash uint64, shift uint) (removed bool) {
	b := place.Load()
	var bit uint32
	var at int
	if shift < lastShift {
		bit = slotBit(hash, shift)
		at = b.index(bit)
		if b.bitmap&bit == 0 {
			return false
		}
	} else if at = b.search(key); at < 0 {
		return false
	}
	c := &b.children[at]
	if c.below.Load() != nil {
		if !drop(&c.below, key, hash, shift+levelBits) {
			return false
		}
		if len(c.below.Load().children) > 0 {
			return true
		}
	} else if c.key != key {
		return false
	}
	children := make([]child[V], len(b.children)-1)
	copy(children, b.children[:at])
	copy(children[at:], b.children[at+1:])
	place.Store(&branch[V]{b.bitmap &^ bit, children})
	return true
}

// all calls yield for each entry, in no particular order, until it returns false. It visits each entry that is not added or
// removed meanwhile exactly once.
func (t *trie[V]) all(yield func(string, V) bool) {
	if root := t.root.Load(); root != nil {
		root.all(yield)
	}
}

func (b *branch[V]) all(yield func(string, V) bool) bool {
	for i := range b.children {
		c := &b.children[i]
		if below := c.below.Load(); below != nil {
			if !below.all(yield) {
				return false
			}
		} else if !yield(c.key, c.value) {
			return false
		}
	}
	return true
}
