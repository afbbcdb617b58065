package wire

import "sync"

// bufferSize is the size of a borrowed read buffer: some 300 events of 200 octets in one read.
const bufferSize = 64 << 10

// The pool lends at most lentMax buffers (16 MiB) and keeps at most idleMax (1 MiB). A reader that comes when all are
// lent gets a small one of its own: peers that hold on to buffers cost others speed, not the router its memory.
const (
	lentMax   = 256
	idleMax   = 16
	smallSize = 4 << 10
)

var buffers pool

type pool struct {
	mu   sync.Mutex
	idle [][]byte
	lent int
}

// get returns a buffer, and whether it is lent: then it must be put back.
func (p *pool) get() (b []byte, lent bool) {
	p.mu.Lock()
	if p.lent == lentMax {
		p.mu.Unlock()
		return make([]byte, smallSize+restMax), false
	}
	p.lent++
	if n := len(p.idle); n > 0 {
		b = p.idle[n-1]
		p.idle = p.idle[:n-1]
	}
	p.mu.Unlock()
	if b == nil {
		b = make([]byte, bufferSize)
	}
	return b, true
}

func (p *pool) put(b []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lent--
	if len(p.idle) < idleMax {
		p.idle = append(p.idle, b)
	}
}

// Borrow returns a buffer of some 64 KiB, or a smaller one when too many are lent; give gives it back.
func Borrow() (b []byte, give func([]byte)) {
	b, lent := buffers.get()
	if !lent {
		return b, func([]byte) {}
	}
	return b, buffers.put
}
