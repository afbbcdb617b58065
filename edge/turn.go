package edge

import (
	"sync"

	"runnel/edge/budget"
	"runnel/edge/codec"
	"runnel/edge/wamp"
)

// turn is what a read loop needs from the moment it has a message until nothing more is buffered and all that it caused
// is flushed. An idle session has none, which keeps it small.
type turn struct {
	msg         codec.Message
	touched     []*session // whose outboxes this turn has to flush
	large       []*session // whose outboxes are worth a flush before the turn is over
	crowded     []*session // whose outboxes are over their high mark
	publication publication
	matched     []*subscription      // of the PUBLISH at hand
	frames      [wamp.CBOR + 1]frame // the EVENT at hand, encoded once per serializer
	single      frame                // an EVENT for one subscriber only
	memory      *budget.Budget       // of the router whose messages these are
	work        int                  // octets that it was charged for buffers beyond the large size
	details     codec.Builder
	scratch     []byte
	count       counts
}

// frame is a message encoded for one serializer.
type frame struct {
	bytes []byte
	state frameState
}

type frameState uint8

const (
	stale  frameState = iota // of an earlier EVENT
	ready                    // of the EVENT at hand
	failed                   // it can't be said in this serializer
)

// counts are what one turn adds to the router's counters.
type counts struct{ messages, publications, events, calls uint64 }

var turns = sync.Pool{New: func() any { return new(turn) }}

// noteAppend records what became of an append to peer's outbox.
func (t *turn) noteAppend(peer *session, v verdict, full bool) {
	switch v {
	case needsFlush:
		t.touched = append(t.touched, peer)
	case flushNow:
		t.large = append(t.large, peer)
	}
	if full {
		t.crowded = append(t.crowded, peer)
	}
}

// flush sends what the turn has caused.
func (t *turn) flush() {
	t.large = flushAll(t.large)
	t.touched = flushAll(t.touched)
}

func flushAll(peers []*session) []*session {
	for i, peer := range peers {
		peer.out.flush()
		peers[i] = nil
	}
	return peers[:0]
}

// endDetached ends a turn started by a timer, by leave or by the router itself. It never waits for a slow peer.
func (t *turn) endDetached(r *Router) {
	clear(t.crowded)
	t.crowded = t.crowded[:0]
	t.end(r)
}

// end gives the turn back.
func (t *turn) end(r *Router) {
	t.flush()
	r.counters.add(t.count)
	t.count = counts{}
	t.dropWork()
	t.memory = nil
	clear(t.matched)
	t.matched = t.matched[:0]
	t.msg, t.publication = codec.Message{}, publication{} // their bytes are the transport's
	turns.Put(t)
}
