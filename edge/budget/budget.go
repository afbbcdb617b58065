// Package budget limits the memory of the router as a whole: messages being read, outboxes, and stored data.
//
// A Budget is a number of bytes shared by all parts of the router. Each peer has an Account. Parts charge buffers when
// these grow and shrink; they do not charge messages, so a small message costs nothing here. Only memory that was
// received or allocated is charged. A length that a peer announces is neither charged nor allocated.
//
//	half             of the budget is the limit for stored data: retained events, histories, testaments, tables,
//	         events of durable subscriptions in flight
//	three quarters   used: a message longer than a small buffer waits before it is read further (Account.Wait)
//	all              used: an EVENT waits for room and is dropped if there is none (Account.Try, Budget.Room); other growth
//	                 proceeds, and peers are cut until the budget suffices: the largest peer that has not joined, if these
//	                 together have more than an eighth; otherwise the largest outbox whose peer reads nothing
//
// A nil Budget has no limit, and neither has a nil Account; their methods may be called. All methods may be called from
// any goroutine and with any lock held, because callbacks run in goroutines of their own.
package budget

import (
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// Kind is a use of memory.
type Kind uint8

// The kinds. The first three belong to an Account; the others are stored data and work of the router.
const (
	Connections Kind = iota // connections at rest
	Reading                 // messages being read
	Outboxes                // messages that wait to be written, in the router and in the system
	Retained                // retained events
	Histories               // past events
	Testaments
	Tables  // subscriptions and registrations
	Calls   // calls in progress
	Durable // events of durable subscriptions that are sent and not acknowledged
	Work    // long messages being routed
	kinds
)

var kindNames = [kinds]string{"connections", "reading", "outboxes", "retained", "histories", "testaments", "tables", "calls", "durable", "work"}

func (k Kind) String() string { return kindNames[k] }

// Errors of the budget. ErrCut means that a peer was cut, ErrTooLong that a message was not read, ErrFull that a connection
// was refused.
var (
	ErrCut     = errors.New("the router was out of memory and closed this connection to free some")
	ErrTooLong = errors.New("the router has no memory for a message of this length")
	ErrFull    = errors.New("the router has no memory for more connections")
)

// Budget is the memory that all parts of the router may use together.
type Budget struct {
	log *slog.Logger // static

	limit   atomic.Int64
	used    atomic.Int64 // by all kinds
	leaving atomic.Int64 // part of used: peers that were cut and are not closed yet
	kept    atomic.Int64 // by data without an account
	kinds   [kinds]atomic.Int64
	refused [kinds]atomic.Uint64
	waits   atomic.Uint64 // reads that had to wait
	cuts    atomic.Uint64 // peers
	waiting atomic.Int32  // goroutines that wait for room

	mu       sync.Mutex
	accounts map[*Account]struct{}
	readers  []*reader     // those that wait to read on, in the order in which their messages began
	short    time.Time     // when a reader last joined an empty queue
	freed    chan struct{} // closed when memory is released; nil while only readers wait
	barren   time.Time     // until then, cutOne searches only if any is set

	reports report
}

// New returns a budget of the given number of bytes.
func New(octets int64, log *slog.Logger) *Budget {
	b := &Budget{log: log, accounts: make(map[*Account]struct{})}
	b.reports.budget = b
	b.limit.Store(octets)
	return b
}

// SetLimit changes the number of bytes. Existing memory stays as far as the rules above allow.
func (b *Budget) SetLimit(octets int64) {
	if b == nil {
		return
	}
	b.limit.Store(octets)
	if b.exceeded() {
		b.shed()
	}
	b.wake()
}

// Limit returns the number of bytes; 0 means no limit.
func (b *Budget) Limit() int64 {
	if b == nil {
		return 0
	}
	return b.limit.Load()
}

// Tight reports whether less than a quarter is left. Buffers should then be small and short-lived.
func (b *Budget) Tight() bool { return b != nil && b.used.Load() > b.limit.Load()/4*3 }

// exceeded reports whether the budget would still be exceeded once all cut peers are closed.
func (b *Budget) exceeded() bool { return b.used.Load()-b.leaving.Load() > b.limit.Load() }

// Spend charges working memory that is needed in any case and only briefly. Drop releases it.
func (b *Budget) Spend(octets int) {
	if b == nil {
		return
	}
	b.Drop(Work, -octets)
	if b.exceeded() {
		b.shed()
	}
}

// Keep charges stored data, and reports whether there is room for it.
func (b *Budget) Keep(k Kind, octets int) bool {
	if b == nil {
		return true
	}
	return b.keep(k, int64(octets), b.limit.Load()/2)
}

// KeepBasic is Keep for the little memory without which a peer cannot be served. It may use the whole budget instead of
// half, so that full tables do not lock a peer out.
func (b *Budget) KeepBasic(k Kind, octets int) bool {
	if b == nil {
		return true
	}
	return b.keep(k, int64(octets), b.limit.Load())
}

// keep charges n bytes if all stored data then stays within most, and all memory within the budget.
func (b *Budget) keep(k Kind, n, most int64) bool {
	kept := b.kept.Add(n)
	if n > 0 && (kept > most || b.used.Load()+n > b.limit.Load()) {
		b.kept.Add(-n)
		b.refuse(k)
		return false
	}
	b.add(k, n)
	return true
}

// Drop releases memory charged by Keep. A negative number charges memory unconditionally.
func (b *Budget) Drop(k Kind, octets int) {
	if b == nil || octets == 0 {
		return
	}
	b.kept.Add(-int64(octets))
	b.add(k, -int64(octets))
}

// add charges memory, or releases it if n is negative.
func (b *Budget) add(k Kind, n int64) {
	b.kinds[k].Add(n)
	b.used.Add(n)
	if n < 0 && b.waiting.Load() > 0 {
		b.wake()
	}
}

// Refused counts data that was dropped for lack of memory.
func (b *Budget) Refused(k Kind) {
	if b != nil {
		b.refuse(k)
	}
}

// refuse counts a refusal and schedules a log line.
func (b *Budget) refuse(k Kind) {
	b.refused[k].Add(1)
	b.reports.note()
}

// WaitForRoom waits at most limit until there is room for the given number of bytes. It reports whether there is. It may
// disconnect peers that read nothing.
func (b *Budget) WaitForRoom(octets int, limit time.Duration) bool {
	if b == nil {
		return true
	}
	b.waiting.Add(1)
	defer b.waiting.Add(-1)
	for end := time.Now().Add(limit); ; {
		freed, ok := b.reclaim(int64(octets))
		left := time.Until(end)
		if ok || left <= 0 {
			return ok
		}
		again := time.NewTimer(min(left, barrenTime))
		select {
		case <-freed:
		case <-again.C: // some peer may have read nothing for long enough now
		}
		again.Stop()
	}
}

// reclaim reports whether there is room, after cutting peers that may be cut. freed is closed when there may be more.
func (b *Budget) reclaim(octets int64) (freed <-chan struct{}, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.freed == nil {
		b.freed = make(chan struct{})
	}
	for b.used.Load()-b.leaving.Load()+octets > b.limit.Load() && b.cutOne(false) {
	}
	return b.freed, b.used.Load()+octets <= b.limit.Load()
}
