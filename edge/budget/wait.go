package budget

import (
	"slices"
	"time"
)

// reader is a peer that waits to read on.
type reader struct {
	account *Account
	octets  int64
	woken   chan struct{} // capacity 1: there may be room
}

const (
	readPatience = time.Second            // of the first reader, before another peer is cut for it
	readAgain    = 100 * time.Millisecond // of each further one
)

// Wait charges a buffer for the rest of a message that is longer than a small buffer. While the budget is nearly used
// up, readers wait in order. If the first has waited for a second, the peer whose message began earliest is cut to make
// room. The error is ErrCut if this peer was cut or is gone, and ErrTooLong if there cannot be room.
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
	for b.used.Load()-b.leaving.Load()+r.octets > b.readLimit() && b.cutOne(false) {
		// peers that read nothing need not be waited for
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

// readLimit returns how much of the budget may be used for a long message to be read.
func (b *Budget) readLimit() int64 { return b.limit.Load() / 4 * 3 }

// charge charges r if there is room. It is called with mu held.
func (b *Budget) charge(r *reader) bool {
	if !r.account.vital && b.used.Load()+r.octets > b.readLimit() {
		return false
	}
	r.account.charge(Reading, r.octets)
	return true
}

// await waits until r is the first reader and is charged.
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

// makeRoom cuts a peer for r if it is the first reader.
func (b *Budget) makeRoom(r *reader) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.readers[0] != r {
		return nil
	}
	if b.used.Load()-b.leaving.Load()+r.octets <= b.readLimit() {
		return nil // there is room once the peers that were cut are closed
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

// oldestReader returns the account other than but whose message began earliest. It is called with mu held.
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

// leave removes r from the queue and wakes the next reader.
func (b *Budget) leave(r *reader) {
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
