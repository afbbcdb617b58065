package edge

import (
	"sync"
	"time"
)

// patience bounds how long the read loops of a realm wait in vain for slow peers. It belongs to the realm: a new session
// gets no fresh patience while its peers stall already. A wait that a peer ends by taking what it is sent costs
// nothing: that is the back-pressure on a publisher. The zero value is full. Any goroutine.
type patience struct {
	mu    sync.Mutex
	spent time.Duration // waited in vain, less what has come back since; at most maxPatience
	at    time.Time     // when spent was brought up to date
}

// recovery is how many times longer patience takes to come back than it took to spend it: in the long run a read loop
// waits in vain for no more than a tenth of its time.
const recovery = 10

// left returns how long a turn may wait now, for all slow peers together.
func (p *patience) left() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.recover()
	return maxPatience - p.spent
}

// spend notes a wait that a peer let run out.
func (p *patience) spend(waited time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.recover()
	p.spent = min(p.spent+waited, maxPatience)
}

// recover brings spent up to date. Holds mu.
func (p *patience) recover() {
	now := time.Now()
	if !p.at.IsZero() {
		p.spent = max(0, p.spent-now.Sub(p.at)/recovery)
	}
	p.at = now
}

// minGrace is the least time that a turn gives peers which have taken what they were sent so far.
const minGrace = 2 * time.Millisecond

// patiences are a realm's: one for peers that have shown that they take what they are sent, and one for those that have
// not yet, so that these can't use up the time of those.
type patiences struct{ proven, newcomers patience }

// applyBackpressure runs after each message of self: it flushes the outboxes that have much in them, and it waits for the peers
// whose outboxes are over the mark, which is the back-pressure on whoever fills them. All of them have the same time
// together: the wait ends when the realm's patience does, however many are slow. A peer that is still over the mark then
// is stalled. self waits for its own outbox at its own expense, and so does every peer for the sessions of this process.
func (t *turn) applyBackpressure(self *session) {
	t.large = flushAll(t.large)
	if t.work > 0 && t.memory.Tight() {
		t.dropWork()
	}
	if len(t.crowded) == 0 {
		return
	}
	t.flush()
	all := &self.realm.patiences
	proven, newcomers := max(all.proven.left(), minGrace), all.newcomers.left()
	start := time.Now()
	var inVain struct{ proven, newcomers time.Duration }
	for i, peer := range t.crowded {
		t.crowded[i] = nil
		switch {
		case peer == self || peer.internal():
			peer.out.waitForRoom(maxPatience - time.Since(start))
		case peer.out.proven():
			if peer.out.waitForRoom(proven - time.Since(start)) {
				inVain.proven = time.Since(start)
			}
		case peer.out.waitForRoom(newcomers - time.Since(start)):
			inVain.newcomers = time.Since(start)
		}
	}
	t.crowded = t.crowded[:0]
	all.proven.spend(inVain.proven)
	all.newcomers.spend(inVain.newcomers)
}
