package durable

import (
	"time"

	"runnel/edge/wamp"
)

// gap is a run of dropped events.
type gap struct {
	First, Last, Events uint64
	Reason              string

	id  wamp.ID     // by which it is acknowledged; 0: no consumer has got it
	to  *Attachment // nil: it is not in flight
	due time.Time
}

// addGap adds dropped events to the gap that the consumers get. The caller holds mu.
func (d *Subscription) addGap(g *gap) {
	if old := d.gap; old != nil {
		g.First, g.Events = old.First, g.Events+old.Events
	}
	d.gap = g
	d.changed()
	wake(d.wake)
}

// gap gives a gap that is not in flight to the first consumer that has room. It returns false if no consumer has room.
// The later events then wait, because a consumer must get the gap in order.
func (p *pass) gap() bool {
	for {
		a, report, waits := p.assignGap()
		if a == nil {
			return !waits
		}
		v := a.Consumer.DeliverGap(report)
		if v == Full || v == Gone {
			p.block(a)
		}
		if p.recordGapDelivery(&report, v) {
			return true
		}
	}
}

// assignGap records that the gap is in flight to a consumer. a is nil if there is nothing to deliver, or if the gap
// waits for room.
func (p *pass) assignGap() (a *Attachment, report Gap, waits bool) {
	d := p.sub
	d.store.mu.Lock()
	defer d.store.mu.Unlock()
	g := d.gap
	if g == nil || g.to != nil {
		return nil, report, false
	}
	if a = p.choose(nil); a == nil {
		return nil, report, true
	}
	again := g.id != 0
	g.id, g.to, g.due = wamp.NewID(), a, p.now.Add(a.AckWait)
	return a, Gap{ID: g.id, First: g.First, Last: g.Last, Events: g.Events, Reason: g.Reason, Redelivered: again, Sent: a.Sent}, true
}

// recordGapDelivery records the result of a delivery. It returns false if another consumer must be tried.
func (p *pass) recordGapDelivery(report *Gap, v Verdict) bool {
	d := p.sub
	d.store.mu.Lock()
	defer d.store.mu.Unlock()
	switch {
	case d.gap == nil || d.gap.id != report.ID: // acknowledged, or it has grown
		return true
	case v == Delivered && report.Sent, v == Impossible:
		d.gap = nil
		d.changed()
		return true
	case v == Delivered:
		return true
	}
	if d.gap.to = nil; !report.Redelivered {
		d.gap.id = 0
	}
	return false
}
