package budget

import (
	"time"
)

const (
	stuckTime  = time.Second            // a peer that has taken nothing for so long may be cut for its outbox
	barrenTime = 100 * time.Millisecond // after a search in vain
)

// shed cuts peers until all fits or no peer is left to cut.
func (b *Budget) shed() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for b.over() {
		// A little too much may pass in a moment; when it is more, the largest goes, whatever it does.
		if limit := b.limit.Load(); !b.cutOne(b.used.Load()-b.leaving.Load() > limit+limit/16) {
			return
		}
	}
}

// cutOne cuts the peer that has to go first, and reports false if there is none. any lets it be one that does no harm.
// Holds mu.
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

// victim chooses the peer that has to go first; nil if there is none. Holds mu.
func (b *Budget) victim(any bool) *Account {
	var strangers, most int64
	var stranger, stuck, largest *Account
	var strangest, stuckest int64
	before := time.Now().Add(-stuckTime).UnixNano()
	for a := range b.accounts {
		if a.vital {
			continue
		}
		strange, _, outbox, all, _ := a.held()
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

// cut has a peer's connection closed, so that its memory is freed in a moment. Holds mu.
func (b *Budget) cut(a *Account) {
	delete(b.accounts, a)
	a.mu.Lock()
	a.cut, a.leaving = true, a.base+a.octets[0]+a.octets[1]
	b.leaving.Add(a.leaving)
	close(a.done)
	a.mu.Unlock()
	b.cuts.Add(1)
	b.reports.note()
	if a.end != nil {
		go a.end()
	}
}
