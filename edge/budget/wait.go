package budget

import (
	"slices"
	"time"
)

// reader is one that waits to read on.
type reader struct {
	account *Account
	octets  int64
	woken   chan struct{} // holds an element when there may be room
}

const (
	readPatience = time.Second            // the first reader's, before another is cut for it
	readAgain    = 100 * time.Millisecond // and for each further one
)

// Wait charges a buffer for the rest of a message that is longer than a small buffer. While the budget is nearly used up
// it waits, in the order of those that do. When the first has waited for a second, the peer whose message began before
// all others is cut to make room. The error is ErrCut if this peer was cut or is gone, ErrTooLong if there can't be room.
func (a *Account) Wait(octets int, gone <-chan struct{}) error {
	if a == nil || octets <= 0 {
		return nil
	}
	b := a.budget
	r := &reader{account: a, octets: int64(octets), woken: make(chan struct{}, 1)}
	b.mu.Lock()
	if len(b.readers) == 0 && b.charge(r) {
		b.mu.Unlock()
		return nil
	}
	for b.used.Load()-b.leaving.Load()+r.octets > b.readLimit() && b.cutOne(false) { // the idle need not be waited for
	}
	b.readers = append(b.readers, r)
	b.mu.Unlock()
	b.waiting.Add(1)
	b.waits.Add(1)
	b.reports.note()
	err := b.await(r, gone)
	b.waiting.Add(-1)
	b.leave(r)
	return err
}

// readLimit is how full the budget may be for a long message to be read.
func (b *Budget) readLimit() int64 { return b.limit.Load() / 4 * 3 }

// charge charges r if there is room. Holds mu.
func (b *Budget) charge(r *reader) bool {
	if !r.account.vital && b.used.Load()+r.octets > b.readLimit() {
		return false
	}
	r.account.charge(Reading, r.octets)
	return true
}

// await waits until r is the first and is charged.
func (b *Budget) await(r *reader, gone <-chan struct{}) error {
	start, patience := time.Now(), time.NewTimer(readPatience)
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
		case <-r.woken: // it is the first now, or there is more room
			if time.Since(start) >= readPatience {
				patience.Reset(readAgain)
			}
		}
		b.mu.Lock()
		charged := b.readers[0] == r && b.charge(r)
		b.mu.Unlock()
		if charged {
			return nil
		}
	}
}

// makeRoom cuts a peer for r, if it is the first of those that wait.
func (b *Budget) makeRoom(r *reader) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.readers[0] != r {
		return nil
	}
	if b.used.Load()-b.leaving.Load()+r.octets <= b.readLimit() {
		return nil // as soon as those are gone that are cut
	}
	if oldest := b.oldestReader(r.account); oldest != nil {
		b.cut(oldest)
		return nil
	}
	if b.cutOne(false) {
		return nil
	}
	b.refuse(Reading)
	return ErrTooLong
}

// oldestReader returns the account, other than that one, whose message has been on its way for the longest. Holds mu.
func (b *Budget) oldestReader(but *Account) (oldest *Account) {
	var since time.Time
	for a := range b.accounts {
		_, reading, _, _, begun := a.held()
		if a != but && !a.vital && reading > 0 && (oldest == nil || begun.Before(since)) {
			oldest, since = a, begun
		}
	}
	return oldest
}

// leave takes r out of the queue and lets the next have a look.
func (b *Budget) leave(r *reader) {
	b.mu.Lock()
	b.readers = slices.DeleteFunc(b.readers, func(o *reader) bool { return o == r })
	b.mu.Unlock()
	b.wake()
}

// wake has those look who wait for room.
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
