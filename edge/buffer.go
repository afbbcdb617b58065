package edge

import "sync"

// buffer is what an outbox fills and a write empties. Only an outbox with something in it has one.
type buffer struct {
	bytes   []byte
	charged int // octets that the peer's account was charged for it
}

// Buffers come in two sizes: most batches fit the small one, and what outgrows it gets a large one at once rather than
// by doubling. Both are kept in lists of their own: a sync.Pool is emptied by every collection, and with the small heap
// of a router collections are frequent just when buffers are wanted. What outgrows the large size is the collector's.
const (
	smallBuffer = 4 << 10
	largeBuffer = 128 << 10
)

var (
	smallBuffers = stock{size: smallBuffer, max: 128} // 512 KiB
	largeBuffers = stock{size: largeBuffer, max: 32}  // 2 MiB
)

// stock is a bounded list of buffers of one size that are not in use.
type stock struct {
	size, max int

	mu   sync.Mutex
	free []*buffer
}

func (s *stock) take() *buffer {
	s.mu.Lock()
	if n := len(s.free); n > 0 {
		b := s.free[n-1]
		s.free = s.free[:n-1]
		s.mu.Unlock()
		return b
	}
	s.mu.Unlock()
	return &buffer{bytes: make([]byte, 0, s.size)}
}

func (s *stock) give(b *buffer) {
	b.bytes = b.bytes[:0]
	s.mu.Lock()
	if len(s.free) < s.max {
		s.free = append(s.free, b)
	}
	s.mu.Unlock()
}

// giveBuffer takes back a buffer that nobody uses any more.
func giveBuffer(b *buffer) {
	switch cap(b.bytes) {
	case smallBuffer:
		smallBuffers.give(b)
	case largeBuffer:
		largeBuffers.give(b)
	}
}
