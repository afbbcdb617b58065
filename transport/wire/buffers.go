package wire

import (
	"cmp"
	"sync"
	"sync/atomic"

	"runnel/edge/budget"
)

// bufferSize is the size of a lent buffer in bytes: about 300 events of 200 bytes in one read.
const bufferSize = 64 << 10

// The pool lends at most lentMax buffers (16 MiB; LimitBuffers lowers this) and keeps at most idleMax of them (1 MiB). When
// all are lent, a reader gets a small buffer of its own. Peers that occupy buffers thus slow other peers down, but do not
// use up the router's memory.
const (
	lentMax   = 256
	lentMin   = 16
	idleMax   = 16
	smallSize = 4 << 10
)

var buffers pool

// LimitBuffers bounds the memory that the pool lends, in bytes. The result is kept between lentMin and lentMax buffers.
func LimitBuffers(bytes int64) {
	buffers.mu.Lock()
	defer buffers.mu.Unlock()
	buffers.max = int(min(max(bytes/bufferSize, lentMin), lentMax))
}

// WaitFor charges a reader's account for a buffer of size bytes, and blocks while memory is short or until closed is
// closed. During the wait, the reader still holds its present buffer of have bytes; a lent one is charged meanwhile.
func WaitFor(a *budget.Account, l *Loan, have, size int, closed <-chan struct{}) error {
	if l.active() {
		a.Grow(budget.Reading, have)
		defer a.Shrink(budget.Reading, have)
	}
	return a.Wait(size, closed)
}

type pool struct {
	mu   sync.Mutex
	idle [][]byte
	lent int
	max  int // 0: lentMax
}

// get returns a buffer and reports whether it is lent. A lent buffer must be returned by put or written off by abandon.
func (p *pool) get() (b []byte, lent bool) {
	p.mu.Lock()
	if p.lent >= cmp.Or(p.max, lentMax) {
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

func (p *pool) abandon() {
	p.mu.Lock()
	p.lent--
	p.mu.Unlock()
}

// Loan records whether one buffer is lent by the pool. Only the goroutine that uses the buffer may call Take and Give. Any
// goroutine may call Forget.
type Loan struct{ lent atomic.Bool }

// Take returns a buffer of 64 KiB, or a small one of the caller's own if all are lent.
func (l *Loan) Take() []byte {
	b, lent := buffers.get()
	l.lent.Store(lent)
	return b
}

// Return returns the buffer to the pool, if the pool lent it.
func (l *Loan) Return(b []byte) {
	if l.lent.CompareAndSwap(true, false) {
		buffers.put(b)
	}
}

// Forget writes the buffer off: the pool may lend another one, and the garbage collector frees this one. A connection
// forgets its loans when it is closed, because a reader or writer may still use the buffer and need not come back.
func (l *Loan) Forget() {
	if l.lent.CompareAndSwap(true, false) {
		buffers.abandon()
	}
}

// active reports whether the pool lent the buffer.
func (l *Loan) active() bool { return l.lent.Load() }
