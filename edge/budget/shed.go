package budget

import (
	"time"
)

const (
	stuckTime  = time.Second            // a peer that has read nothing for this long may be cut because of its outbox
	barrenTime = 100 * time.Millisecond // pause after a search that found no peer to cut
)

// shed cuts peers until the budget suffices or no peer is left to cut.
func (b *Budget) shed() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for b.exceeded() {
		// A small excess may pass in a moment. If it is larger, the largest peer is cut even if it does no harm.
		if limit := b.limit.Load(); !b.cutOne(b.used.Load()-b.leaving.Load() > limit+limit/16) {
			return
		}
	}
}

// cutOne cuts the first peer in the order of the package comment, and returns false if there is none. any admits peers that
// read. It is called with mu held.
func (b *Budget) cutOne(any bool) bool {
	if !any && time.Now().Before(b.barren) {
		return false
	}
	victim := b.victim(any)
	if victim == nil {
		b.barren = time.Now().Add(barrenTime)
		return false
	}
	b.cut(victim)
	return true
}

// victim returns the peer to be cut next, or nil. It is called with mu held.
func (b *Budget) victim(any bool) *Account {
	var strangers, most int64
	var stranger, stuck, largest *Account
	var strangest, stuckest int64
	before := time.Now().Add(-stuckTime).UnixNano()
	for a := range b.accounts {
		if a.vital {
			continue
		}
		strange, outbox, all := a.held()
		if strange {
			strangers += all
			if all > strangest {
				stranger, strangest = a, all
			}
		}
		if since := a.stuck.Load(); since != 0 && since < before && outbox > stuckest {
			stuck, stuckest = a, outbox
		}
		if all > most {
			largest, most = a, all
		}
	}
	switch {
	case strangers > b.limit.Load()/8:
		return stranger
	case stuck != nil:
		return stuck
	case any:
		return largest
	}
	return nil
}

// cut closes the connection of a peer, which releases its memory shortly after. It is called with mu held.
func (b *Budget) cut(a *Account) {
	delete(b.accounts, a)
	a.mu.Lock()
	a.cut, a.leaving = true, a.base+a.octets[0]+a.octets[1]
	b.leaving.Add(a.leaving)
	close(a.done)
	a.mu.Unlock()
	b.cuts.Add(1)
	b.reports.note()
	if a.closePeer != nil {
		go a.closePeer()
	}
}
