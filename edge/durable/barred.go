package durable

import "time"

// If several identities may consume a subscription, an event that none of the connected consumers may receive waits
// for a consumer that may: it stays in flight, barred. It is tried again when a consumer connects, and after a while,
// because permissions change. Meanwhile the consumers get the later events. At most maxFlight events are in flight,
// which bounds the memory. At this bound, the older half of the barred events is dropped and leaves a gap.

const barredWait = time.Minute // from one try to the next

// bar records that none of the consumers may receive an event. If the subscription has no owner, another session may receive
// it. own means that a consumer has published the event. The caller holds mu.
func (p *pass) bar(e *entry, own bool) {
	d := p.sub
	if own || d.Owner != "" {
		p.skip(e)
		return
	}
	p.insert(e)
	if e.barred, e.due = true, p.now.Add(barredWait); d.attached != p.attached {
		e.due = time.Time{} // for the consumer that has connected during this pass
	}
}

// barred reports whether the oldest event that is not done waits for a consumer that may receive it. The caller holds mu.
func (d *Subscription) barred() bool { return len(d.flight) > 0 && d.flight[0].barred }

// retryBarred schedules the barred events for another try, because there is a new consumer. The caller holds mu.
func (d *Subscription) retryBarred() {
	for _, e := range d.flight {
		if e.barred && !e.done && e.to == nil {
			e.due = time.Time{}
		}
	}
}

// full reports whether no further event may be in flight. After a barred event, more events than usual may be in flight. The
// caller holds mu.
func (p *pass) full() bool {
	n, d := len(p.sub.flight), p.sub
	if n < p.most || d.barred() && n < maxFlight {
		return false
	}
	return !d.dropBarred()
}

// dropBarred makes room in the flight: it drops the older half of the barred events. It returns false if there are
// none. The caller holds mu.
func (d *Subscription) dropBarred() bool {
	if !d.barred() {
		return false
	}
	list := d.flight[:(len(d.flight)+1)/2]
	g := gap{First: list[0].position, Reason: "permission"}
	for _, e := range list {
		if !e.barred || e.done || e.to != nil {
			continue
		}
		g.Last = e.position
		g.Events++
		e.done = true
		delete(d.byID, e.id)
		d.shrinkBacklog(1, e.size)
	}
	d.advance()
	d.dropped += g.Events
	d.addGap(&g)
	d.store.Log.Warn("dropping durable events that no connected consumer may read", "subscription", d.Name, "events", g.Events,
		"total", d.dropped)
	return g.Events > 0
}
