package wire

import (
	"cmp"
	"sync"
	"sync/atomic"

	"runnel/edge/budget"
)

// Sizes of buffers in bytes. A large one takes about 300 events of 200 bytes in one read. A small one is enough for a
// peer that sends a message now and then. Many busy sessions therefore do not fill the memory with large buffers.
const (
	largeSize = 64 << 10
	smallSize = 4 << 10
)

// The pool lends at most lentMax large buffers (16 MiB; LimitBuffers lowers this) and keeps at most idleMax of them (1 MiB).
// When all are lent, a reader gets its own small buffer. Peers that occupy buffers thus slow other peers down, but do not use
// up the router's memory. Small buffers are lent without limit, and smallIdleMax of them are kept.
const (
	lentMax      = 256
	lentMin      = 16
	idleMax      = 16
	smallIdleMax = 64
)

var buffers pool

// LimitBuffers bounds the memory that the pool lends, in bytes. The result is kept between lentMin and lentMax buffers.
func LimitBuffers(bytes int64) {
	buffers.mu.Lock()
	defer buffers.mu.Unlock()
	buffers.max = int(min(max(bytes/largeSize, lentMin), lentMax))
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

// loan says which buffer, if any, a user has from the pool.
type loan = uint32

const (
	nothing loan = iota // its own buffer, or none
	small
	large
)

type pool struct {
	mu        sync.Mutex
	idle      [][]byte // large
	idleSmall [][]byte
	lent      int // large buffers
	lentSmall int
	max       int // of large buffers; 0: lentMax
}

// get returns a buffer and says how it is lent. A lent buffer must be returned by put or written off by abandon.
func (p *pool) get(size loan) (b []byte, is loan) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if size == small {
		p.lentSmall++
		return take(&p.idleSmall, smallSize), small
	}
	if p.lent >= cmp.Or(p.max, lentMax) {
		return make([]byte, smallSize+restMax), nothing
	}
	p.lent++
	return take(&p.idle, largeSize), large
}

// take removes the last buffer of a list, or makes one.
func take(list *[][]byte, size int) []byte {
	n := len(*list)
	if n == 0 {
		return make([]byte, size)
	}
	b := (*list)[n-1]
	*list = (*list)[:n-1]
	return b
}

func (p *pool) put(b []byte, is loan) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case is == small && len(p.idleSmall) < smallIdleMax:
		p.idleSmall = append(p.idleSmall, b)
	case is == large && len(p.idle) < idleMax:
		p.idle = append(p.idle, b)
	}
	p.count(is)
}

func (p *pool) abandon(is loan) {
	p.mu.Lock()
	p.count(is)
	p.mu.Unlock()
}

// count counts a returned buffer. The caller holds mu.
func (p *pool) count(is loan) {
	if is == small {
		p.lentSmall--
	} else {
		p.lent--
	}
}

// Loan records whether one buffer is lent by the pool. Only the goroutine that uses the buffer may call Take and Return. Any
// goroutine may call Forget.
type Loan struct{ is atomic.Uint32 }

// Take returns a buffer of 64 KiB, or one of the caller's own if all are lent.
func (l *Loan) Take() []byte {
	b, is := buffers.get(large)
	l.is.Store(is)
	return b
}

// Return returns the buffer to the pool, if the pool lent it.
func (l *Loan) Return(b []byte) {
	if is := l.is.Swap(nothing); is != nothing {
		buffers.put(b, is)
	}
}

// Forget gives the buffer up: the pool may lend another one, and the garbage collector frees this one. A connection
// forgets its loans when it is closed, because a reader or writer may still use the buffer and need not come back.
func (l *Loan) Forget() {
	if is := l.is.Swap(nothing); is != nothing {
		buffers.abandon(is)
	}
}

// active reports whether the pool lent the buffer.
func (l *Loan) active() bool { return l.is.Load() != nothing }
