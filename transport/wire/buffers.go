package wire

import (
	"cmp"
	"sync"
	"sync/atomic"

	"runnel/edge/budget"
)

// bufferSize is the size of a borrowed read buffer: some 300 events of 200 octets in one read.
const bufferSize = 64 << 10

// The pool lends at most lentMax buffers (16 MiB, or less by LimitBuffers) and keeps at most idleMax (1 MiB). A reader that comes when all are
// lent gets a small one of its own: peers that hold on to buffers cost others speed, not the router its memory.
const (
	lentMax   = 256
	lentMin   = 16
	idleMax   = 16
	smallSize = 4 << 10
)

var buffers pool

// LimitBuffers bounds what the pool lends, in octets, within its bounds.
func LimitBuffers(octets int64) {
	buffers.mu.Lock()
	defer buffers.mu.Unlock()
	buffers.max = int(min(max(octets/bufferSize, lentMin), lentMax))
}

// WaitFor charges a reader's account for a buffer of size octets, and waits while memory is short. Meanwhile it has its
// present one, of have octets, which is charged as well if it is a borrowed one.
func WaitFor(a *budget.Account, l *Loan, have, size int, gone <-chan struct{}) error {
	if a != nil && l.out() {
		a.Grow(budget.Reading, have)
		defer a.Shrink(budget.Reading, have)
	}
	return a.Wait(size, gone)
}

type pool struct {
	mu   sync.Mutex
	idle [][]byte
	lent int
	max  int // 0: lentMax
}

// get returns a buffer, and whether it is lent: then it must be put back, or counted as gone.
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

func (p *pool) gone() {
	p.mu.Lock()
	p.lent--
	p.mu.Unlock()
}

// Loan is the place of one buffer that may be borrowed. Take and Give belong to the goroutine that uses the buffer,
// Forget to any.
type Loan struct{ lent atomic.Bool }

// Take returns a buffer of some 64 KiB, or a smaller one when too many are lent.
func (l *Loan) Take() []byte {
	b, lent := buffers.get()
	l.lent.Store(lent)
	return b
}

// Give gives the buffer back, if it is a borrowed one.
func (l *Loan) Give(b []byte) {
	if l.lent.CompareAndSwap(true, false) {
		buffers.put(b)
	}
}

// Forget is for when the buffer may still be looked at, but nobody will come to give it back: it goes to the garbage
// collector in time. A connection that is closed forgets its loans.
func (l *Loan) Forget() {
	if l.lent.CompareAndSwap(true, false) {
		buffers.gone()
	}
}

// out reports whether the buffer is a borrowed one.
func (l *Loan) out() bool { return l.lent.Load() }
