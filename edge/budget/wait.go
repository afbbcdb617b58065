package budget

import (
	"slices"
	"time"
)

// reader is a peer that waits to read on.
type reader struct {
	account *Account
	octets  int64
	begun   time.Time     // when its message began
	short   time.Time     // when readers began to wait
	woken   chan struct{} // capacity 1: there may be room
}

const (
	readPatience = time.Second            // how long readers wait before a peer is cut, and the time that a peer has to use granted memory
	readAgain    = 100 * time.Millisecond // between two cuts
)

// Wait charges a buffer for the rest of a message that is longer than a small buffer. While the budget is nearly used
// up, readers wait in the order in which their messages began, so that the oldest message is completed first. Once
// readers have waited for a second, a peer is cut to make room for the first reader. It is the peer that has had the
// most time to send an incomplete message, if that time is more than a second. If all peers wait for the router, it is
// the one with the most bytes read. The error is ErrCut if this peer was cut or has ended, and ErrTooLong if there
// cannot be room.
func (a *Account) Wait(octets int, gone <-chan struct{}) error {
	if a == nil || octets <= 0 {
		return nil
	}
	b := a.budget
	r := &reader{account: a, octets: int64(octets), begun: a.since(), woken: make(chan struct{}, 1)}
	b.mu.Lock()
	if len(b.readers) == 0 && b.charge(r) {
		b.mu.Unlock()
		return nil
	}
	for b.used.Load()-b.leaving.Load()+r.octets > b.readLimit() && b.cutOne(false) {
		// Peers that read nothing are cut at once.
	}
	if len(b.readers) == 0 {
		b.short = time.Now()
	}
	r.short = b.short
	at, _ := slices.BinarySearchFunc(b.readers, r.begun.Add(1), func(o *reader, t time.Time) int { return o.begun.Compare(t) })
	b.readers = slices.Insert(b.readers, at, r)
	b.mu.Unlock()
	b.waiting.Add(1)
	b.waits.Add(1)
	b.reports.note()
	err := b.await(r, gone)
	b.waiting.Add(-1)
	b.dequeue(r)
	return err
}

// readLimit returns how much of the budget may be used for a long message to be read.
func (b *Budget) readLimit() int64 { return b.limit.Load() / 4 * 3 }

// charge charges r if there is room. It is called with mu held.
func (b *Budget) charge(r *reader) bool {
	if !r.account.vital && b.used.Load()+r.octets > b.readLimit() {
		return false
	}
	r.account.charge(Reading, r.octets)
	r.account.grant()
	return true
}

// await waits until r is the first reader and is charged.
func (b *Budget) await(r *reader, gone <-chan struct{}) error {
	patience := time.NewTimer(max(readAgain, readPatience-time.Since(r.short)))
	defer patience.Stop()
	for {
		select {
		case <-r.account.done:
			return ErrCut
		case <-gone:
			return ErrCut
		case <-patience.C:
			if err := b.makeRoom(r); err != nil {
				return err
			}
			patience.Reset(readAgain)
		case <-r.woken: // the reader may be the first now, or there is more room
		}
		b.mu.Lock()
		charged := b.readers[0] == r && b.charge(r)
		b.mu.Unlock()
		if charged {
			return nil
		}
	}
}

// makeRoom cuts a peer for r if it is the first reader.
func (b *Budget) makeRoom(r *reader) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.readers[0] != r {
		return nil
	}
	if b.used.Load()-b.leaving.Load()+r.octets <= b.readLimit() {
		return nil // there will be room once the peers that were cut are closed
	}
	if slowest, since := b.slowestSender(); slowest != nil {
		if time.Since(since) >= readPatience {
			b.cut(slowest)
		}
		return nil
	}
	if b.cutOne(false) {
		return nil
	}
	if largest := b.largestReader(); largest != nil {
		b.cut(largest)
		return nil
	}
	b.refuse(Reading)
	return ErrTooLong
}

// slowestSender returns the peer that could send longest without finishing its message, and since when it could. Peers
// whose reader waits for the router cannot send. It is called with mu held.
func (b *Budget) slowestSender() (slowest *Account, since time.Time) {
	waiting := make(map[*Account]bool, len(b.readers))
	for _, r := range b.readers {
		waiting[r.account] = true
	}
	for a := range b.accounts {
		reading, granted := a.sending()
		if reading > 0 && !a.vital && !waiting[a] && (slowest == nil || granted.Before(since)) {
			slowest, since = a, granted
		}
	}
	return slowest, since
}

// largestReader returns the peer, other than the first reader, with the most bytes of a message; of equals, the one whose
// message began last. It is called with mu held.
func (b *Budget) largestReader() (largest *Account) {
	var most int64
	for _, r := range b.readers[1:] {
		if reading, _ := r.account.sending(); reading >= max(most, 1) && !r.account.vital {
			largest, most = r.account, reading
		}
	}
	return largest
}

// dequeue removes r from the queue and wakes the next reader.
func (b *Budget) dequeue(r *reader) {
	b.mu.Lock()
	b.readers = slices.DeleteFunc(b.readers, func(o *reader) bool { return o == r })
	b.mu.Unlock()
	b.wake()
}

// wake wakes the goroutines that wait for room.
func (b *Budget) wake() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.freed != nil {
		close(b.freed)
		b.freed = nil
	}
	if len(b.readers) == 0 {
		return
	}
	select {
	case b.readers[0].woken <- struct{}{}:
	default:
	}
}
