// Package buffers keeps unused byte buffers in lists rather than in a sync.Pool. Every garbage collection empties a pool, and
// with a router's small heap, collections are most frequent when buffers are needed most. Any goroutine may call its functions.
package buffers

import "sync"

// Buffer holds messages until they are written. It has one owner at a time.
type Buffer struct {
	Bytes   []byte
	Charged int // bytes that its owner's account was charged for it
}

// Sizes of buffers, in bytes. An outbox starts with a tiny buffer, because a turn may have one event for each of a thousand
// peers. Most batches fit a small one. An outbox that outgrows a size gets a buffer of the next at once rather than by doubling.
const (
	TinySize   = 512
	SmallSize  = 4 << 10
	MediumSize = 16 << 10
	LargeSize  = 128 << 10
)

// The lists of unused buffers. They hold at most 5 MiB together.
var (
	Tiny   = Stock{Size: TinySize, max: 1024}
	Small  = Stock{Size: SmallSize, max: 128}
	Medium = Stock{Size: MediumSize, max: 128}
	Large  = Stock{Size: LargeSize, max: 16}
)

// Stock is a bounded list of unused buffers of one size.
type Stock struct {
	Size int // in bytes
	max  int

	mu   sync.Mutex
	free []*Buffer
}

// Take returns an empty buffer, which the caller owns until it calls Give.
func (s *Stock) Take() *Buffer {
	s.mu.Lock()
	if n := len(s.free); n > 0 {
		b := s.free[n-1]
		s.free = s.free[:n-1]
		s.mu.Unlock()
		return b
	}
	s.mu.Unlock()
	return &Buffer{Bytes: make([]byte, 0, s.Size)}
}

func (s *Stock) put(b *Buffer) {
	b.Bytes = b.Bytes[:0]
	s.mu.Lock()
	if len(s.free) < s.max {
		s.free = append(s.free, b)
	}
	s.mu.Unlock()
}

// Give takes back a buffer that is no longer used. A buffer of another size is left to the garbage collector.
func Give(b *Buffer) {
	switch cap(b.Bytes) {
	case TinySize:
		Tiny.put(b)
	case SmallSize:
		Small.put(b)
	case MediumSize:
		Medium.put(b)
	case LargeSize:
		Large.put(b)
	}
}
