package edge

import (
	"sync"

	"runnel/edge/budget"
	"runnel/edge/codec"
	"runnel/edge/wamp"
)

// turn is the scratch memory of a read loop while it handles messages: from the first one until no more are buffered
// and all outboxes are flushed. An idle session has none, which keeps it small.
type turn struct {
	msg         codec.Message
	touched     []*session // outboxes to be flushed by this turn
	large       []*session // outboxes to be flushed before the turn ends
	crowded     []*session // outboxes over their high mark
	publication publication
	matched     []*subscription      // by the current PUBLISH
	frames      [wamp.CBOR + 1]frame // the current EVENT, encoded once per serializer
	single      frame                // an EVENT for a single subscriber
	memory      *budget.Budget       // of the router
	work        int                  // bytes charged for the turn's large buffers
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
	ready                    // of the current EVENT
	failed                   // the EVENT cannot be encoded in this serializer
)

// counts is what one turn adds to the router's counters.
type counts struct{ messages, publications, events, calls uint64 }

var turns = sync.Pool{New: func() any { return new(turn) }}

// noteAppend records the result of an append to peer's outbox.
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

// flush flushes the outboxes that the turn has appended to.
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

// endDetached ends a turn that was not started by a read loop. It never waits for a slow peer.
func (t *turn) endDetached(r *Router) {
	clear(t.crowded)
	t.crowded = t.crowded[:0]
	t.release(r)
}

// release puts the turn back into the pool.
func (t *turn) release(r *Router) {
	t.flush()
	r.counters.add(t.count)
	t.count = counts{}
	t.dropWork()
	t.memory = nil
	clear(t.matched)
	t.matched = t.matched[:0]
	t.msg, t.publication = codec.Message{}, publication{} // their bytes belong to the transport
	turns.Put(t)
}
