package rest

import (
	"strconv"
	"strings"
	"time"

	"runnel/edge/client"
	"runnel/edge/wamp"
)

// The router must not forget an event of a durable subscription before the client has it. The client confirms by
// Last-Event-ID, and only when it reconnects. The connection may lose the latest events, so a stream holds back their
// acknowledgements. It acknowledges them when they are old enough or when many more have been written. If the stream
// ends, the router delivers them to the next one, which skips those that Last-Event-ID confirms.
const (
	durableWindow = 4096            // events that the router sends without acknowledgement
	durableHold   = 3584            // written events whose acknowledgement is held back
	durableAge    = time.Minute     // after which a written event is acknowledged: a dead connection is detected earlier
	durableWait   = 5 * time.Minute // after which the router delivers an event again
)

// place is the place of an event in its durable subscription, as its id encodes it. A different epoch means that the
// subscription has started again, so that earlier positions are used again.
type place struct{ epoch, position uint64 }

// readPlace reads an id that write has written.
func readPlace(id string) (p place, ok bool) {
	epoch, position, ok := strings.Cut(id, "-")
	var err, failed error
	p.epoch, err = strconv.ParseUint(epoch, 10, 63)
	p.position, failed = strconv.ParseUint(position, 10, 63)
	return p, ok && err == nil && failed == nil
}

// placeOf returns the place of an event. A gap has the epoch of the events before.
func (t *stream) placeOf(e *client.Event) place {
	position, _ := fieldOf(e.Details, wamp.KeyPosition).Uint()
	if o := e.Origin(); o != nil {
		t.epoch = o.Epoch
	}
	return place{t.epoch, position}
}

// written is an event that was written and is not acknowledged.
type written struct {
	event *client.Event // without its content
	at    time.Time
}

// sendDurable writes an event of a durable subscription, unless the client already has it.
func (t *stream) sendDurable(e *client.Event) error {
	at := t.placeOf(e)
	if at.position != 0 && at.epoch == t.last.epoch && at.position <= t.last.position {
		e.Confirm(nil)
		t.mu.Lock()
		defer t.mu.Unlock()
		return t.flush() // time for which this event may wait
	}
	if err := t.send(e, at); err != nil {
		return err
	}
	kept := *e
	kept.Body = client.Body{}
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	t.sent = append(t.sent, written{&kept, now})
	t.acknowledge(now)
	return nil
}

// acknowledge acknowledges the written events that are old enough, and the oldest of too many. The caller holds mu.
func (t *stream) acknowledge(now time.Time) {
	n := max(len(t.sent)-durableHold, 0)
	for n < len(t.sent) && now.Sub(t.sent[n].at) > durableAge {
		n++
	}
	for _, one := range t.sent[:n] {
		one.event.Confirm(nil)
	}
	t.sent = append(t.sent[:0], t.sent[n:]...)
}
