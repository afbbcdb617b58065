package durable

import (
	"time"

	"runnel/edge/store"
)

// State is a snapshot of a subscription.
type State struct {
	Name      string     `json:"name"`
	Owner     string     `json:"owner,omitempty"` // the identity that may consume; absent: all sessions that may subscribe
	URI       string     `json:"uri"`
	Match     string     `json:"match"`
	Declared  bool       `json:"declared"`  // by the configuration
	Sessions  int        `json:"sessions"`  // that consume now
	Events    int        `json:"events"`    // that are kept and not acknowledged
	Octets    int64      `json:"bytes"`     // their size
	Barred    int        `json:"barred"`    // that none of the sessions may receive
	UnderWay  int        `json:"under_way"` // sent and not acknowledged
	Oldest    float64    `json:"oldest"`    // age of the oldest event in seconds, at most
	Floor     uint64     `json:"position"`  // everything up to this position is done
	Delivered uint64     `json:"delivered"` // since the router started
	Again     uint64     `json:"redelivered"`
	Acked     uint64     `json:"acknowledged"`
	Dropped   uint64     `json:"dropped"` // at a limit, since the subscription was created
	Expired   uint64     `json:"expired"` // expired before they could be delivered, since the router started
	Created   *time.Time `json:"created,omitempty"`
}

// State returns the current state.
func (d *Subscription) State() State {
	d.store.mu.Lock()
	defer d.store.mu.Unlock()
	st := State{
		Name: d.Name, Owner: ownerText(d.Owner), URI: d.URI, Match: d.Match.String(), Declared: d.declared, Sessions: len(d.consumers),
		Events: d.events, Octets: d.octets, Floor: d.floor, Delivered: d.delivered, Again: d.redelivered, Acked: d.acked, Dropped: d.dropped, Expired: d.expired,
	}
	for _, e := range d.flight {
		if e.barred && !e.done {
			st.Barred++
		}
	}
	for _, a := range d.consumers {
		st.UnderWay += a.underWay
	}
	if d.events > 0 {
		st.Oldest = time.Since(time.UnixMilli(d.oldest)).Seconds()
	}
	if !d.created.IsZero() {
		st.Created = &d.created
	}
	return st
}

// Past is an event of a backlog.
type Past struct {
	*store.Event
	Position uint64
	At       time.Time
	Lost     *Gap // the record is a gap
}

const maxPeeked = 1 << 20 // bytes

// Peek returns the oldest events of the backlog, up to a limit of their total size. It reads the disk.
func (d *Subscription) Peek(count int) (list []Past, err error) {
	d.store.mu.Lock()
	from, floor := d.floorAt, d.floor
	d.store.mu.Unlock()
	size := 0
	err = d.store.scan(from, new(unpacker), func(h *head, _, _ place) bool {
		if h.position <= floor || !d.matches(h) {
			return true
		}
		past := Past{Position: h.position, At: time.UnixMilli(h.at)}
		if p, err := h.event(new(store.Event), d.store.ReadOptions); err == nil {
			past.Event = &store.RestorePast(p.Event, p.At, p.End).Event
		} else if g, err := h.loss(); err == nil {
			past.Lost = &Gap{First: h.position, Last: h.position, Events: g.events, Reason: g.reason}
		} else {
			return true
		}
		list = append(list, past)
		size += int(h.size)
		return len(list) < count && size < maxPeeked
	})
	return list, err
}

// Size estimates the encoded size of the event in bytes.
func (p *Past) Size() int {
	if p.Event == nil {
		return 100
	}
	return 100 + len(p.Topic) + 2*len(p.Payload.Raw)
}

// Fields returns the event as runnel.durable.peek reports it. Arguments that cannot be decoded are left out.
func (p *Past) Fields() map[string]any {
	fields := map[string]any{"position": p.Position, "time": p.At.UTC().Format("2006-01-02T15:04:05.000Z")}
	if p.Lost != nil {
		fields["gap"] = map[string]any{"events": p.Lost.Events, "reason": p.Lost.Reason}
		return fields
	}
	fields["topic"], fields["publication"] = string(p.Topic), p.ID
	if args, kwargs, err := p.Payload.Decode(); err == nil {
		fields["args"], fields["kwargs"] = args, kwargs
	}
	return fields
}
