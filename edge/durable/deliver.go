package durable

import (
	"slices"
	"time"

	"runnel/edge/store"
	"runnel/edge/wamp"
)

// deliver delivers events until there is no consumer. It is the only goroutine that advances read by reading.
func (d *Subscription) deliver() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	var p pass
	for {
		if !p.begin(d) {
			return
		}
		p.run()
		var expired <-chan time.Time
		if wait, ok := p.nextWait(); ok {
			timer.Reset(wait)
			expired = timer.C
		}
		select {
		case <-d.wake:
		case <-expired:
		case <-p.room:
		}
	}
}

// spread bounds the distance, in windows, between the oldest event that is not acknowledged and the newest in flight.
const spread = 8

const maxFlight = 1 << 14 // entries in flight of one subscription, regardless of its consumers' windows; about 3 MB

const readSize = 64 << 10 // bytes, of a read from disk

const flushEvery = 256 // events; events that were handed out must not wait until the log has been searched

// pass is one pass over the log. It stops at the end of the log, or when no consumer has room.
type pass struct {
	sub       *Subscription
	now       time.Time
	version   int
	from      place
	reading   bool   // there may be records to read
	next      uint64 // position of the next event or gap, if none is lost
	events    int    // that were read
	consumers []*Attachment
	attached  int             // Subscription.attached when the pass began
	most      int             // limit of entries in flight, including finished ones after an unfinished one
	room      <-chan struct{} // closed when a consumer that was full may have room

	// Memory that passes share.
	recent   recent
	unpacker unpacker
	kept     store.Event
	delivery Delivery
	spare    *entry // taken from the subscription, and not in flight
}

// begin prepares the pass. It returns false if deliver must end.
func (p *pass) begin(d *Subscription) bool {
	clear(p.consumers)
	*p = pass{sub: d, now: time.Now(), consumers: p.consumers[:0], recent: p.recent, unpacker: unpacker{buf: p.unpacker.buf}, spare: p.spare}
	d.store.mu.Lock()
	defer d.store.mu.Unlock()
	if len(d.consumers) == 0 || d.removed || d.store.closed {
		d.running = false
		d.unused = nil
		d.uncharge()
		return false
	}
	p.version, p.from, p.next, d.pausing = d.version, d.readAt, d.read+1, false
	p.consumers = append(p.consumers, d.consumers...)
	p.reading = d.read < d.store.written
	p.attached = d.attached
	for _, a := range p.consumers {
		p.most += spread * a.Window
	}
	p.most = min(p.most, maxFlight)
	first, held := true, false
	for _, e := range d.flight {
		if !e.done && e.to != nil && !p.now.Before(e.due) {
			e.free(time.Time{})
		}
		if first && e.isFree(p.now) {
			p.from, p.next, p.reading, first = e.at, e.position, true, false
		}
		held = held || e.waits(p.now)
	}
	if held && slices.ContainsFunc(p.consumers, func(a *Attachment) bool { return a.Origin }) {
		p.reading = false // it comes first
	}
	if g := d.gap; g != nil && g.to != nil && !p.now.Before(g.due) {
		g.to = nil
	}
	return true
}

// isFree reports whether the entry may be delivered now. The caller holds mu.
func (e *entry) isFree(now time.Time) bool { return !e.done && e.to == nil && !now.Before(e.due) }

// waits reports whether the entry was refused and must be delivered again later. The caller holds mu.
func (e *entry) waits(now time.Time) bool {
	return !e.done && e.to == nil && !e.barred && now.Before(e.due)
}

func (p *pass) run() {
	for _, a := range p.consumers {
		a.blocked = a.Consumer.Room()
	}
	if p.gap() && p.reading {
		if err := p.read(); err != nil {
			p.sub.store.Report(err)
		}
	}
	p.flush()
}

// read delivers the records from the beginning of the pass on. It takes them from memory if possible.
func (p *pass) read() error {
	s := p.sub.store
	s.mu.Lock()
	held := s.recent.copyTo(&p.recent, p.from)
	s.mu.Unlock()
	if held {
		p.recent.each(&p.unpacker, p.event)
		p.unpacker.buf = nil
		return nil
	}
	if p.unpacker.buf == nil {
		p.unpacker.buf = make([]byte, 0, readSize)
	}
	return s.scan(p.from, &p.unpacker, p.event)
}

func (p *pass) flush() {
	for _, a := range p.consumers {
		a.Consumer.Flush()
	}
}

// nextWait returns the longest time to wait for the next pass.
func (p *pass) nextWait() (wait time.Duration, ok bool) {
	d := p.sub
	d.store.mu.Lock()
	defer d.store.mu.Unlock()
	var next time.Time
	sooner := func(t time.Time) {
		if !t.IsZero() && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	for _, e := range d.flight {
		if !e.done && (e.to != nil || e.due.After(p.now)) {
			sooner(e.due)
		}
	}
	if g := d.gap; g != nil && g.to != nil {
		sooner(g.due)
	}
	for _, a := range p.consumers {
		if a.blocked != nil && p.room == nil {
			p.room = a.blocked
		}
	}
	return max(time.Until(next), time.Millisecond), !next.IsZero()
}

// choose returns the next consumer with room that is not in tried; nil if there is none. The caller holds mu.
func (p *pass) choose(tried []*Attachment) *Attachment {
	d := p.sub
	for i := range p.consumers {
		a := p.consumers[(d.turn+i)%len(p.consumers)]
		if a.gone || a.blocked != nil || a.underWay >= a.Window || slices.Contains(tried, a) {
			continue
		}
		d.turn = (d.turn + i + 1) % len(p.consumers)
		return a
	}
	return nil
}

// block records that a consumer has no room.
func (p *pass) block(a *Attachment) {
	if a.blocked = a.Consumer.Room(); a.blocked == nil { // it has room again, or is about to leave
		soon := make(chan struct{})
		time.AfterFunc(10*time.Millisecond, func() { close(soon) })
		a.blocked = soon
	}
}

// event handles one event or gap of the log. It returns false to end the pass.
func (p *pass) event(h *head, at, next place) bool {
	if h.position < p.next {
		return true // the pass begins within a block
	}
	if p.events++; p.events%flushEvery == 0 {
		p.flush()
	}
	d := p.sub
	matches := d.matches(h)
	d.store.mu.Lock()
	if d.version != p.version {
		d.store.mu.Unlock()
		wake(d.wake)
		return false
	}
	p.passLost(h.position)
	e, _ := d.find(h.position)
	switch {
	case e != nil && !e.isFree(p.now), e == nil && h.position <= d.read:
		d.store.mu.Unlock()
		return true
	case e == nil && p.full(), e == nil && matches && !d.charge():
		d.store.mu.Unlock()
		return false
	case !matches:
		d.setRead(h.position, next)
		if len(d.flight) == 0 {
			d.setFloor(h.position, next)
		}
		d.store.mu.Unlock()
		return true
	}
	if e == nil {
		e = p.entry()
		*e = entry{position: h.position, size: h.size, at: at, next: next, occurred: h.at, counted: true}
	}
	d.store.mu.Unlock()
	return p.deliver(h, e)
}

// entry returns an unused entry. The caller holds mu.
func (p *pass) entry() *entry {
	d := p.sub
	if n := len(d.unused); p.spare == nil && n > 0 {
		p.spare, d.unused = d.unused[n-1], d.unused[:n-1]
	}
	if p.spare == nil {
		p.spare = new(entry)
	}
	return p.spare
}

// passLost ends the events whose records are missing: those before position that the pass has not found. A failed sync or a
// damaged file has lost them. The caller holds mu.
func (p *pass) passLost(position uint64) {
	d := p.sub
	for p.next < position {
		_, i := d.find(p.next)
		if i == len(d.flight) || d.flight[i].position >= position {
			break
		}
		e := d.flight[i]
		p.next = e.position + 1
		if !e.done {
			d.dropped++
			d.finish(e)
		}
	}
	p.next = position + 1
}

// offer is an event that a pass delivers, and the results of the consumers that were tried.
type offer struct {
	*head
	entry    *entry
	err      error // of reading the event: it is a gap, or damaged
	lost     loss
	gapErr   error // nil: it is a gap
	occurred time.Time
	dated    bool

	tried    []*Attachment
	own, old bool // one of them has published the event; it is too old for one of them
}

// deliver gives an event to the first consumer that may receive it and has room, and for which the event is not too old.
func (p *pass) deliver(h *head, e *entry) bool {
	o := offer{head: h, entry: e}
	_, o.err = h.event(&p.kept, p.sub.store.ReadOptions)
	o.lost, o.gapErr = h.loss()
	if o.err == nil {
		o.occurred, o.dated = published(&p.kept, h.at)
	}
	for {
		a, more := p.chooseFor(&o)
		if a == nil {
			return more
		}
		if !p.admits(&o, a) {
			continue
		}
		id := p.kept.ID
		if o.err != nil {
			id = wamp.NewID()
		}
		again, ok := p.assign(e, a, id)
		if ok && p.recordDelivery(e, a, p.send(&o, a, id, again), again) {
			return true
		}
	}
}

// chooseFor returns the next consumer to try. Without one, more reports whether the pass continues: the event needs no
// consumer, or none may receive it.
func (p *pass) chooseFor(o *offer) (a *Attachment, more bool) {
	d, e := p.sub, o.entry
	d.store.mu.Lock()
	defer d.store.mu.Unlock()
	if d.version != p.version || e.done {
		wake(d.wake)
		return nil, e.done
	}
	over := o.expired(p.now) || o.old && p.allOf(o.tried)
	if o.err != nil && o.gapErr != nil || over {
		p.skip(e)
		if over {
			d.expired++
		}
		return nil, true
	}
	if a = p.choose(o.tried); a == nil && p.allOf(o.tried) {
		p.bar(e, o.own)
		return nil, true
	}
	return a, false
}

// admits reports whether a consumer may receive the event. Otherwise it notes that the consumer was tried.
func (p *pass) admits(o *offer, a *Attachment) bool {
	if o.err != nil {
		return true
	}
	may, own := a.Consumer.Admits(&p.kept)
	if may && !p.tooOld(a, o.occurred, o.expires) {
		return true
	}
	o.tried, o.own, o.old = append(o.tried, a), o.own || !may && own, o.old || may
	return false
}

// send sends an event or a gap to a consumer.
func (p *pass) send(o *offer, a *Attachment, id wamp.ID, again bool) Verdict {
	if o.gapErr == nil {
		return a.Consumer.DeliverGap(Gap{ID: id, First: o.position, Last: o.position, Events: o.lost.events, Reason: o.lost.reason, Redelivered: again, Sent: a.Sent})
	}
	p.delivery = Delivery{
		Event: &p.kept, Position: o.position, Epoch: p.sub.epoch.Load(), At: time.UnixMilli(o.at), Dated: o.dated, Redelivered: again, Sent: a.Sent,
	}
	return a.Consumer.Deliver(&p.delivery)
}

// tooOld reports whether the event has reached the consumer's MaxAge. Otherwise it sets the event's TTL to the time
// that is left until then, or until the event's own expiry (in ms since 1970, 0: none) if that is earlier.
func (p *pass) tooOld(a *Attachment, occurred time.Time, expires int64) bool {
	end, limit := time.UnixMilli(expires), occurred.Add(a.MaxAge)
	if a.MaxAge > 0 {
		if p.now.After(limit) {
			return true
		}
		if expires == 0 || limit.Before(end) {
			end = limit
		}
	}
	if p.kept.TTL = 0; expires != 0 || a.MaxAge > 0 {
		p.kept.TTL = max(time.Until(end), 1)
	}
	return false
}

// allOf reports whether consumers are present, and all of them are in tried. The caller holds mu.
func (p *pass) allOf(tried []*Attachment) (all bool) {
	for _, a := range p.consumers {
		if a.gone {
			continue
		}
		if all = slices.Contains(tried, a); !all {
			return false
		}
	}
	return all
}

// skip ends an event that no consumer will get. The caller holds mu.
func (p *pass) skip(e *entry) {
	p.insert(e)
	p.sub.finish(e)
}

// insert adds a new entry to the flight. The caller holds mu.
func (p *pass) insert(e *entry) {
	d := p.sub
	if e.position <= d.read {
		return
	}
	if p.spare == e {
		p.spare = nil
	}
	d.addEntry(e)
	d.setRead(e.position, e.next)
}

// assign records that an event is in flight to a consumer, before the consumer can acknowledge it. ok is false if the
// consumer has left.
func (p *pass) assign(e *entry, a *Attachment, id wamp.ID) (again, ok bool) {
	d := p.sub
	d.store.mu.Lock()
	defer d.store.mu.Unlock()
	if a.gone || d.version != p.version {
		return false, false
	}
	again = e.again
	p.insert(e)
	e.to, e.due, e.barred = a, p.now.Add(a.AckWait), false
	a.underWay++
	if d.byID == nil {
		d.byID = make(map[wamp.ID]*entry)
	}
	delete(d.byID, e.id) // a gap gets a new id
	e.id = id
	d.byID[id] = e
	return again, true
}

// recordDelivery records the result of a delivery. It returns false if another consumer must be tried.
func (p *pass) recordDelivery(e *entry, a *Attachment, v Verdict, again bool) bool {
	d := p.sub
	if v == Full || v == Gone {
		p.block(a)
	}
	d.store.mu.Lock()
	defer d.store.mu.Unlock()
	switch v {
	case Delivered:
		if d.delivered++; again {
			d.redelivered++
		}
		if a.Sent {
			d.finish(e)
		}
		return true
	case Impossible:
		d.dropped++
		d.finish(e)
		return true
	}
	if e.to == a {
		e.release()
		e.again, e.due = again, time.Time{}
	}
	return false
}
