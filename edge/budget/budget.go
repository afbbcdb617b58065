// Package budget bounds the memory of the router as a whole: messages being read, outboxes, and what is kept.
//
// A Budget is one number of octets that all parts draw on. Each peer has an Account. Parts charge buffers when they grow
// and shrink, never messages, so a small message costs nothing here. What is charged is what was received or is really
// allocated; a length that a peer announces is never charged, nor allocated.
//
//	half             of the budget, at most, is for what is kept: retained events, histories, testaments, tables
//	three quarters   full: a message longer than a small buffer waits before it is read on (Account.Wait)
//	full             an EVENT waits for room and is dropped if there is none (Account.Try, Budget.Room); other growth
//	                 goes ahead, and peers are cut until all fits again: the largest that has not joined, if those
//	                 together have more than an eighth; else the largest outbox whose peer takes nothing
//
// A nil Budget is without bounds, and so is a nil Account; their methods may be called. All methods may be called by any
// goroutine and with any lock held, as they call nothing back but in a goroutine of its own.
package budget

import (
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// Kind is what memory is used for.
type Kind uint8

// The kinds. The first three belong to an Account, the others are kept for the router's users.
const (
	Connections Kind = iota // what a connection takes at rest
	Reading                 // messages being read
	Outboxes                // messages that wait to be written, in the router and in the system
	Retained                // retained events
	Histories               // past events
	Testaments
	Tables // subscriptions and registrations
	Calls  // calls under way
	Work   // long messages being routed
	kinds
)

var kindNames = [kinds]string{"connections", "reading", "outboxes", "retained", "histories", "testaments", "tables", "calls", "work"}

func (k Kind) String() string { return kindNames[k] }

// ErrCut is why a peer is cut; ErrTooLong is why a message is not read.
var (
	ErrCut     = errors.New("the router is out of memory, and this peer had the most of it")
	ErrTooLong = errors.New("the router has no memory for a message of this length")
	ErrFull    = errors.New("the router has no memory for more connections")
)

// Budget is the memory that all parts together may have.
type Budget struct {
	log *slog.Logger // static

	limit   atomic.Int64
	used    atomic.Int64 // by all kinds
	leaving atomic.Int64 // of used: what peers have that are cut, but not gone yet
	kept    atomic.Int64 // by those without an account
	kinds   [kinds]atomic.Int64
	refused [kinds]atomic.Uint64
	waits   atomic.Uint64 // reads that had to wait
	cuts    atomic.Uint64 // peers
	waiting atomic.Int32  // goroutines that wait for room

	mu       sync.Mutex
	accounts map[*Account]struct{}
	readers  []*reader     // who wait to read on, in order
	freed    chan struct{} // closed when memory is freed; nil while only readers wait
	barren   time.Time     // until when a search for a peer to cut would find none

	reports report
}

// New returns a budget of that many octets.
func New(octets int64, log *slog.Logger) *Budget {
	b := &Budget{log: log, accounts: make(map[*Account]struct{})}
	b.reports.budget = b
	b.limit.Store(octets)
	return b
}

// SetLimit makes it that many octets. What there is already stays, as far as the rules above let it.
func (b *Budget) SetLimit(octets int64) {
	if b == nil {
		return
	}
	b.limit.Store(octets)
	if b.over() {
		b.shed()
	}
	b.wake()
}

// Limit returns how many octets there are; 0 is without bounds.
func (b *Budget) Limit() int64 {
	if b == nil {
		return 0
	}
	return b.limit.Load()
}

// Tight reports whether less than a quarter is left: buffers should be small and short-lived.
func (b *Budget) Tight() bool { return b != nil && b.used.Load() > b.limit.Load()/4*3 }

// over reports whether there would still be too much if those had gone that are cut.
func (b *Budget) over() bool { return b.used.Load()-b.leaving.Load() > b.limit.Load() }

// Spend charges working memory that is needed in any case and for a moment; Drop takes it back.
func (b *Budget) Spend(octets int) {
	if b == nil {
		return
	}
	b.Drop(Work, -octets)
	if b.over() {
		b.shed()
	}
}

// Keep charges what is kept, and reports whether there is room for it.
func (b *Budget) Keep(k Kind, octets int) bool {
	if b == nil {
		return true
	}
	return b.keep(k, int64(octets), b.limit.Load()/2)
}

// KeepBasic is Keep for the little that a peer needs to be served at all. Full tables do not refuse it: it may use the
// whole budget, not half of it.
func (b *Budget) KeepBasic(k Kind, octets int) bool {
	if b == nil {
		return true
	}
	return b.keep(k, int64(octets), b.limit.Load())
}

// keep charges n if what is kept stays within most, and all of it within the budget.
func (b *Budget) keep(k Kind, n, most int64) bool {
	if n > 0 && (b.kept.Add(n) > most || b.used.Load()+n > b.limit.Load()) {
		b.kept.Add(-n)
		b.refuse(k)
		return false
	}
	if n <= 0 {
		b.kept.Add(n)
	}
	b.add(k, n)
	return true
}

// Drop takes back what Keep charged. A negative number charges without a question.
func (b *Budget) Drop(k Kind, octets int) {
	if b == nil || octets == 0 {
		return
	}
	b.kept.Add(-int64(octets))
	b.add(k, -int64(octets))
}

// add charges, or with a negative number frees.
func (b *Budget) add(k Kind, n int64) {
	b.kinds[k].Add(n)
	b.used.Add(n)
	if n < 0 && b.waiting.Load() > 0 {
		b.wake()
	}
}

// Refused counts what was dropped because there was no memory for it.
func (b *Budget) Refused(k Kind) {
	if b != nil {
		b.refuse(k)
	}
}

// refuse counts what there was no room for, and has the log told.
func (b *Budget) refuse(k Kind) {
	b.refused[k].Add(1)
	b.reports.note()
}

// Room waits until there is room for that many octets, at most for limit, and reports whether there is. Peers that take
// nothing of what they are sent make room for others.
func (b *Budget) Room(octets int, limit time.Duration) bool {
	if b == nil {
		return true
	}
	b.waiting.Add(1)
	defer b.waiting.Add(-1)
	for end := time.Now().Add(limit); ; {
		freed, ok := b.seek(int64(octets))
		left := time.Until(end)
		if ok || left <= 0 {
			return ok
		}
		again := time.NewTimer(min(left, barrenTime))
		select {
		case <-freed:
		case <-again.C: // a peer may have taken nothing for long enough now
		}
		again.Stop()
	}
}

// seek reports whether there is room, now that those have gone that may have to. freed is closed when there may be more.
func (b *Budget) seek(octets int64) (freed <-chan struct{}, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.freed == nil {
		b.freed = make(chan struct{})
	}
	for b.used.Load()-b.leaving.Load()+octets > b.limit.Load() && b.cutOne(false) {
	}
	return b.freed, b.used.Load()+octets <= b.limit.Load()
}
