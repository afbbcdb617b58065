package edge

import (
	"sync"
	"time"
)

// patience bounds how long the read loops of a realm wait for slow peers without success. It belongs to the realm: a
// new session gets no fresh patience while its peers already stall. A wait that ends because the peer reads costs
// nothing; it is the back-pressure on a publisher. The zero value is full patience. Any goroutine may use it.
type patience struct {
	mu    sync.Mutex
	spent time.Duration // time of unsuccessful waits, less what has recovered since; at most maxPatience
	at    time.Time     // when spent was updated
}

// recovery is the ratio of the time to recover patience to the time spent: in the long run a read loop spends at most a
// tenth of its time in unsuccessful waits.
const recovery = 10

// left returns how long a turn may wait now, for all slow peers together.
func (p *patience) left() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.recover()
	return maxPatience - p.spent
}

// spend adds a wait that timed out.
func (p *patience) spend(waited time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.recover()
	p.spent = min(p.spent+waited, maxPatience)
}

// recover updates spent. The caller holds mu.
func (p *patience) recover() {
	now := time.Now()
	if !p.at.IsZero() {
		p.spent = max(0, p.spent-now.Sub(p.at)/recovery)
	}
	p.at = now
}

// minGrace is the minimum wait of a turn for proven peers.
const minGrace = 2 * time.Millisecond

// patiences belong to a realm. Peers that have proved that they read, and newcomers, have separate patience, so newcomers
// cannot use up that of proven peers.
type patiences struct{ proven, newcomers patience }

// applyBackpressure runs after each message of self. It flushes large outboxes, and waits for peers whose outboxes are
// over the high mark: this is the back-pressure on the sessions that fill them. The wait is bounded for all peers
// together, by the realm's patience. A peer still over the mark after that is stalled. Waiting for self's own outbox,
// and for sessions of this process, costs no patience.
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
