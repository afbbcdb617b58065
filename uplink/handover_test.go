package uplink

import (
	"testing"
	"testing/synctest"
	"time"

	"runnel/edge/wamp"
)

// The new link stores no event that the old one has stored. It asks for the first one before the old link has left.
func TestHandover(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHandover()
		h.store(1)
		first := make(chan bool, 1)
		go func() { first <- h.hasStored(1) }()
		synctest.Wait()
		if len(first) > 0 {
			t.Error("the new link did not wait for the old one")
		}
		h.store(2)
		h.store(3)
		h.finishStoring()
		if !<-first || !h.hasStored(2) {
			t.Error("a stored event is unknown")
		}
		if h.hasStored(4) {
			t.Error("an event is known that was not stored")
		}
		time.Sleep(storedFor + 1)
		if h.hasStored(3) {
			t.Error("the handover keeps the events for ever")
		}
		h.store(5)
		if h.hasStored(5) {
			t.Error("the handover notes events after its time")
		}
	})
}

func TestHandoverIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHandover()
		for id := wamp.ID(1); id <= maxStored+1; id++ {
			h.store(id)
		}
		h.finishStoring()
		if !h.hasStored(maxStored) || h.hasStored(maxStored+1) {
			t.Errorf("the handover must note the first %d events, and no more", maxStored)
		}
	})
}

// A link that replaces none asks a nil Handover.
func TestNoHandover(t *testing.T) {
	var h *Handover
	h.store(1)
	h.wait()
	if h.hasStored(1) {
		t.Error("an event was stored by no link")
	}
}
