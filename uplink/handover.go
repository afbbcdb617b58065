package uplink

import (
	"context"
	"sync"
	"time"

	"runnel/edge/wamp"
	"runnel/uplink/spool"
)

// Handover passes the spool of a link, and the duty to store exported events, to the link that replaces it. For a moment both
// are subscribed to the exports, so that no event is missed:
//
//	SetHandover    the old link notes which publications it stores from now on
//	Run       the new link subscribes; its events wait
//	          the old link is stopped: it unsubscribes and stores the events that the router has sent before (finishStoring)
//	          the new link stores the waiting events, except those that the old one has stored (hasStored)
//	          the old link has left the far side (finish): the new one dials
//
// The order of events holds across the replacement.
type Handover struct {
	left  chan struct{} // closed by finishStoring
	ended chan struct{} // closed by finish

	stop func() // ends the spool's Run; set before ended is closed

	mu     sync.Mutex
	stored map[wamp.ID]struct{} // guarded by mu; nil: no longer needed
}

const (
	maxStored = 1 << 16     // publications that a handover remembers; with more, repeats are possible
	storedFor = time.Minute // counted from finishStoring; the waiting events are stored by then

	// A publisher may still route by a topic table that is older than the new link's subscription, but no longer than
	// this time.
	stragglers = 200 * time.Millisecond
)

// NewHandover returns a Handover for one replacement.
func NewHandover() *Handover {
	return &Handover{left: make(chan struct{}), ended: make(chan struct{}), stored: make(map[wamp.ID]struct{})}
}

// store records a publication that the old link stores. h may be nil.
func (h *Handover) store(id wamp.ID) {
	if h == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.stored != nil && len(h.stored) < maxStored {
		h.stored[id] = struct{}{}
	}
}

// awaitStragglers waits until every event reaches the new link. The old link calls it when it is stopped.
func (h *Handover) awaitStragglers() { time.Sleep(stragglers) }

// awaitStoring waits for finishStoring. The old link's local session stays until then.
func (h *Handover) awaitStoring() { <-h.left }

// finishStoring records that the old link stores no more events.
func (h *Handover) finishStoring() {
	close(h.left)
	time.AfterFunc(storedFor, h.forget)
}

func (h *Handover) forget() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stored = nil
}

// hasStored waits until the old link stores no more events, and reports whether it has stored this publication. h may be nil.
func (h *Handover) hasStored(id wamp.ID) bool {
	if h == nil {
		return false
	}
	<-h.left
	h.mu.Lock()
	defer h.mu.Unlock()
	_, ok := h.stored[id]
	delete(h.stored, id)
	return ok
}

// finish records that the old link has ended. stop ends the spool's Run and waits for it.
func (h *Handover) finish(stop func()) {
	h.stop = stop
	close(h.ended)
}

// wait waits until the old link has ended. h may be nil.
func (h *Handover) wait() {
	if h != nil {
		<-h.ended
	}
}

// runSpool runs a spool, unless the previous link has left it running, and returns the function that ends it. It must be
// called after wait. h may be nil.
func (h *Handover) runSpool(s *spool.Spool) (stop func()) {
	if h != nil {
		return h.stop
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.Run(ctx)
	}()
	return func() {
		cancel()
		<-done
	}
}
