package uplink

import (
	"context"
	"sync"
	"time"

	"runnel/edge/wamp"
	"runnel/uplink/spool"
)

// Handover passes the spool of a link to the link that takes its place, and with it the duty to store what is exported.
// Both subscribe to the exports for a moment, so that there is none in which nobody stores them:
//
//	GiveTo    the old link notes which publications it stores from now on
//	Run       the new link subscribes; its events wait
//	          the old link is stopped: it unsubscribes, and stores what the router has sent it before (leave)
//	          the new link stores what has waited, except what the old one has stored already (hasStored)
//	          the old link has left the far side (end): the new one dials
//
// The order of events holds across the exchange.
type Handover struct {
	left  chan struct{} // closed by leave
	ended chan struct{} // closed by end

	stop func() // ends the spool's Run; set before ended is closed

	mu     sync.Mutex
	stored map[wamp.ID]struct{} // guarded by mu; nil: nothing has to be looked up any more
}

const (
	maxStored = 1 << 16     // publications that a handover remembers; repeats of more than that are possible
	storedFor = time.Minute // from leave on; what has waited is stored by then

	// A publisher may route by a table of topics that is older than the new link's subscription. It is long done with it when
	// so much time has passed.
	stragglers = 200 * time.Millisecond
)

// NewHandover makes a Handover for one exchange.
func NewHandover() *Handover {
	return &Handover{left: make(chan struct{}), ended: make(chan struct{}), stored: make(map[wamp.ID]struct{})}
}

// store notes a publication that the old link stores. h may be nil: there is no exchange.
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

// settle waits until every event reaches the new link. The old link calls it when it is stopped.
func (h *Handover) settle() { time.Sleep(stragglers) }

// waitLeft waits for leave. The old link's local session stays as long.
func (h *Handover) waitLeft() { <-h.left }

// leave says that the old link stores nothing more.
func (h *Handover) leave() {
	close(h.left)
	time.AfterFunc(storedFor, h.forget)
}

func (h *Handover) forget() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stored = nil
}

// hasStored waits until the old link stores nothing more, and reports whether it has stored this publication. h may be nil.
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

// end says that the old link has ended. stop ends the spool's Run and waits for it.
func (h *Handover) end(stop func()) {
	h.stop = stop
	close(h.ended)
}

// wait waits until the old link has ended. h may be nil.
func (h *Handover) wait() {
	if h != nil {
		<-h.ended
	}
}

// runSpool runs a link's spool, unless it runs already because the link before has left it so, and returns what ends it. It
// is called after wait, or when h is nil.
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
