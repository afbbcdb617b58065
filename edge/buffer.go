package edge

import "sync"

// buffer holds the messages of an outbox until they are written. An empty outbox has no buffer.
type buffer struct {
	bytes   []byte
	charged int // bytes that the peer's account was charged for it
}

// Buffers have few sizes. An outbox starts with the tiny one, because a turn may have one event for each of a thousand
// peers. Most batches fit the small one. An outbox that outgrows a size gets one of the next at once rather than by doubling. Unused buffers are kept in lists rather than in a sync.Pool: every garbage collection empties a pool,
// and with a router's small heap collections are frequent when buffers are needed most. Buffers beyond the large size are
// left to the garbage collector.
const (
	tinyBuffer   = 512
	smallBuffer  = 4 << 10
	mediumBuffer = 16 << 10
	largeBuffer  = 128 << 10
)

var (
	tinyBuffers   = stock{size: tinyBuffer, max: 1024}  // 512 KiB
	smallBuffers  = stock{size: smallBuffer, max: 128}  // 512 KiB
	mediumBuffers = stock{size: mediumBuffer, max: 128} // 2 MiB
	largeBuffers  = stock{size: largeBuffer, max: 16}   // 2 MiB
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

// giveBuffer takes back a buffer that is no longer used.
func giveBuffer(b *buffer) {
	switch cap(b.bytes) {
	case tinyBuffer:
		tinyBuffers.give(b)
	case smallBuffer:
		smallBuffers.give(b)
	case mediumBuffer:
		mediumBuffers.give(b)
	case largeBuffer:
		largeBuffers.give(b)
	}
}
