package edge

import (
	"time"

	"runnel/edge/patience"
)

// minGrace is the minimum wait of a turn for proven peers.
const minGrace = 2 * time.Millisecond

// patiences bound how long the read loops of a realm wait for slow peers without success. They belong to the realm: a new
// session gets no fresh patience while its peers already stall. Peers that have proved that they read, and newcomers, have
// separate patience, so newcomers cannot use up that of proven peers.
type patiences struct{ proven, newcomers patience.Patience }

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
	proven, newcomers := max(all.proven.Left(), minGrace), all.newcomers.Left()
	start := time.Now()
	var inVain struct{ proven, newcomers time.Duration }
	for i, peer := range t.crowded {
		t.crowded[i] = nil
		switch {
		case peer.internal():
			peer.out.waitForRoom(ownPatience - time.Since(start))
		case peer == self:
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
	all.proven.Spend(inVain.proven)
	all.newcomers.Spend(inVain.newcomers)
}
