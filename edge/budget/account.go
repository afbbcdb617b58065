package budget

import (
	"sync"
	"sync/atomic"
	"time"
)

// Buffer returns the charge in bytes for a buffer of the given size. A small buffer costs nothing, because it is part
// of the memory of an idle connection.
func Buffer(octets int) int {
	if octets <= 8<<10 {
		return 0
	}
	return octets
}

// Account is the part of the budget that one peer uses.
type Account struct {
	// Static after construction.
	budget    *Budget
	peer      string
	base      int64
	system    int64 // bytes that the system buffers for a peer that reads nothing
	closePeer func()
	vital     bool

	done  chan struct{} // closed when the peer is cut or the account is closed
	stuck atomic.Int64  // when the peer stopped reading, in Unix nanoseconds; 0: it reads

	mu       sync.Mutex
	stranger bool
	closed   bool
	cut      bool
	leaving  int64     // bytes that the peer had when it was cut
	octets   [2]int64  // bytes of Reading and Outboxes
	begun    time.Time // when the first byte of the current message arrived
	granted  time.Time // when the router last let the peer send without waiting
}

// Peer describes the owner of an account.
type Peer struct {
	Name   string // for the log
	Base   int    // bytes that the connection takes at rest
	System int    // bytes that the system may buffer for a peer that reads nothing
	Close  func() // closes the connection; called in a goroutine of its own
	Joined bool   // the peer has joined a realm
	Vital  bool   // part of this process; never refused and never cut
}

// Open opens an account. The error is ErrFull.
func (b *Budget) Open(p Peer) (*Account, error) {
	if b == nil {
		return nil, nil
	}
	a := &Account{budget: b, peer: p.Name, base: int64(p.Base), system: int64(p.System), closePeer: p.Close, vital: p.Vital,
		stranger: !p.Joined, done: make(chan struct{})}
	b.mu.Lock()
	defer b.mu.Unlock()
	for !p.Vital && b.used.Load()-b.leaving.Load()+a.base > b.limit.Load() {
		if !b.cutOne(false) {
			b.refuse(Connections)
			return nil, ErrFull
		}
	}
	b.accounts[a] = struct{}{}
	b.add0(Connections, a.base)
	return a, nil
}

// add0 is add with mu held.
func (b *Budget) add0(k Kind, n int64) {
	b.kinds[k].Add(n)
	b.used.Add(n)
}

// Joined records that the peer has joined a realm.
func (a *Account) Joined() {
	if a == nil {
		return
	}
	a.mu.Lock()
	a.stranger = false
	a.mu.Unlock()
}

// Grow charges memory that is needed in any case. If the budget is exceeded, peers are cut.
func (a *Account) Grow(k Kind, octets int) {
	if a == nil || octets <= 0 || !a.charge(k, int64(octets)) {
		return
	}
	if a.budget.exceeded() {
		a.budget.shed()
	}
}

// Try charges memory if there is room for it, and reports whether there was.
func (a *Account) Try(k Kind, octets int) bool {
	if a == nil {
		return true
	}
	if !a.vital && a.budget.used.Load()+int64(octets) > a.budget.limit.Load() {
		return false
	}
	a.charge(k, int64(octets))
	return true
}

// charge changes the charge by n bytes. It returns false if the account is closed.
func (a *Account) charge(k Kind, n int64) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return false
	}
	if k == Reading && a.octets[0] == 0 {
		a.begun = time.Now()
		a.granted = a.begun
	}
	a.octets[k-Reading] += n
	a.budget.add0(k, n)
	return true
}

// since returns when the current message began, or the current time if the account is not charged for one.
func (a *Account) since() time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.octets[0] == 0 {
		return time.Now()
	}
	return a.begun
}

// grant records that the reader has waited and can continue.
func (a *Account) grant() {
	a.mu.Lock()
	a.granted = time.Now()
	a.mu.Unlock()
}

// Shrink releases memory that was charged.
func (a *Account) Shrink(k Kind, octets int) {
	if a == nil || octets <= 0 {
		return
	}
	a.mu.Lock()
	closed := a.closed
	if !closed {
		a.octets[k-Reading] -= int64(octets)
	}
	a.mu.Unlock()
	if !closed {
		a.budget.add(k, -int64(octets))
	}
}

// Stuck records that the peer has stopped reading. The memory that the system buffers for it is charged until Flows is called.
func (a *Account) Stuck() {
	if a == nil {
		return
	}
	if a.stuck.Swap(time.Now().UnixNano()) == 0 {
		a.Grow(Outboxes, int(a.system))
	}
}

// Flows records that the peer has read all sent data.
func (a *Account) Flows() {
	if a != nil && a.stuck.Load() != 0 && a.stuck.Swap(0) != 0 {
		a.Shrink(Outboxes, int(a.system))
	}
}

// Tight is Budget.Tight.
func (a *Account) Tight() bool { return a != nil && !a.vital && a.budget.Tight() }

// Err returns ErrCut if the peer was cut.
func (a *Account) Err() error {
	if a == nil {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.cut {
		return ErrCut
	}
	return nil
}

// Close releases all memory of the peer. Call it once the connection is closed.
func (a *Account) Close() {
	if a == nil {
		return
	}
	a.budget.mu.Lock()
	delete(a.budget.accounts, a)
	a.close0()
	a.budget.mu.Unlock()
	if a.budget.waiting.Load() > 0 {
		a.budget.wake()
	}
}

// close0 closes the account. It is called with budget.mu held.
func (a *Account) close0() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return
	}
	a.closed = true
	if !a.cut {
		close(a.done)
	}
	a.budget.leaving.Add(-a.leaving)
	a.budget.add0(Connections, -a.base)
	a.budget.add0(Reading, -a.octets[0])
	a.budget.add0(Outboxes, -a.octets[1])
}

// held returns the memory of the peer in bytes.
func (a *Account) held() (stranger bool, outbox, all int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.stranger, a.octets[1], a.base + a.octets[0] + a.octets[1]
}

// sending returns how many bytes of its message the peer has sent, and since when it can send without waiting.
func (a *Account) sending() (reading int64, granted time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.octets[0], a.granted
}
