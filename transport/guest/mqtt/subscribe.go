package mqtt

import (
	"errors"

	"runnel/edge/codec"
	"runnel/edge/wamp"
	"runnel/transport/mqtt/packet"
)

// subscription is a subscription of the client's session at the router. Several filters may share it. It is guarded by Conn.mu.
type subscription struct {
	id       wamp.ID
	part     wamp.Pattern
	topic    string // of an exact subscription, as it is in MQTT
	durable  bool
	retained bool // only for retained events, until it has ended
	filters  []*filter
}

// request is a request of the client that the router has not answered.
type request struct {
	subscribe *subscribing
	filter    *filter
	index     int // of the filter in SUBSCRIBE
	part      wamp.Pattern
	durable   bool
	retained  bool // the subscription is only for the retained events of a durable one

	call *rpc
	will bool    // it makes the will a testament
	then func()  // after that
	ends wamp.ID // the subscription of an UNSUBSCRIBE
}

// subscribing is a SUBSCRIBE that is not answered. It is guarded by Conn.mu.
type subscribing struct {
	id    uint16 // 0: the session is restored, and the client has sent no SUBSCRIBE
	codes []packet.Code
	errs  []error
	left  int // answers of the router
}

// unanswered is the code of a filter for which the router has not answered yet.
const unanswered packet.Code = 0xff

// maxFilters bounds the filters of a session. The router bounds its subscriptions, too.
const maxFilters = 1000

// subscribe handles SUBSCRIBE (3.8).
func (c *Conn) subscribe(p *packet.Subscribe) error {
	op := &subscribing{id: p.ID, codes: make([]packet.Code, len(p.Filters)), errs: make([]error, len(p.Filters))}
	type item struct {
		f     *filter
		again bool
	}
	var list []item
	c.mu.Lock()
	for i, asked := range p.Filters {
		f, err := parseFilter(asked.Topic)
		if err == nil && f.share != "" && asked.Options&packet.NoLocal != 0 {
			c.mu.Unlock()
			return violation("no local at a shared subscription") // 3.8.3.1
		}
		again := false
		if op.codes[i] = unanswered; err != nil {
			op.codes[i], op.errs[i] = packet.TopicFilterInvalid, err
		} else if old := c.filters[asked.Topic]; old != nil {
			f, again = old, true
		} else if len(c.filters) >= maxFilters {
			op.codes[i], op.errs[i] = packet.QuotaExceeded, errors.New("too many filters")
		}
		if op.codes[i] != unanswered {
			list = append(list, item{})
			continue
		}
		f.options, f.ident, f.granted = asked.Options, p.Properties.Number(packet.SubscriptionID, 0), asked.Options.QoS()
		if c.bridge {
			f.options |= packet.NoLocal | packet.RetainAsPublished
		}
		c.keep(f)
		op.left += len(f.parts)
		list = append(list, item{f, again})
	}
	if op.left == 0 {
		c.putSuback(op)
	}
	c.mu.Unlock()
	for i, it := range list {
		if it.f != nil {
			c.subscribeParts(op, i, it.f, it.f.wantsRetained(it.again))
		}
	}
	return nil
}

// keep adds a filter. The caller holds mu.
func (c *Conn) keep(f *filter) {
	if c.filters == nil {
		c.filters = map[string]*filter{}
	}
	if c.filters[f.text] = f; f.share != "" && f.group == nil {
		f.group = c.broker.gather(c, f)
	}
	c.countLocal()
}

// countLocal records whether subscriptions want the client's own messages. The caller holds mu.
func (c *Conn) countLocal() {
	c.local, c.mixed = false, false
	others := false
	for _, f := range c.filters {
		if f.options&packet.NoLocal == 0 {
			c.local = true
		} else {
			others = true
		}
	}
	c.mixed = c.local && others
}

// subscribeParts queues the SUBSCRIBEs for a filter.
func (c *Conn) subscribeParts(op *subscribing, index int, f *filter, retained bool) {
	for _, part := range f.parts {
		c.subscribePart(request{subscribe: op, index: index, filter: f, part: part, durable: c.keeps(f)}, retained)
	}
}

// keeps reports whether the router keeps the messages of a filter while the client is not connected.
func (c *Conn) keeps(f *filter) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.durable && c.expiry > 0 && f.granted > 0 && f.share == ""
}

// subscribePart queues a SUBSCRIBE. A durable subscription has no retained event, so an ordinary one fetches it first.
func (c *Conn) subscribePart(r request, retained bool) {
	if r.durable && retained {
		first := r
		first.durable, first.retained = false, true
		c.mu.Lock()
		r.subscribe.left++
		c.mu.Unlock()
		c.subscribePart(first, true)
		retained = false
	}
	var b codec.Builder
	b.Reset(wamp.JSON, nil)
	if r.part.Match != wamp.Exact {
		b.String("match", r.part.Match.String())
	}
	if retained {
		b.Bool("get_retained", true)
	}
	if r.durable {
		b.String(wamp.KeyDurable, c.durableName(r.part))
		b.Uint(wamp.KeyWindow, uint64(min(c.flight.limit, maxWindow)))
		b.Uint(wamp.KeyMaxAge, uint64(c.expiry)*1000)
		b.Uint(wamp.KeyAckWait, ackWait)
	}
	m := codec.Message{Type: wamp.Subscribe, Request: c.number(), Text: []byte(r.part.URI), Dict: b.Dict()}
	c.mu.Lock()
	c.expect(m.Request, &r)
	c.mu.Unlock()
	c.queueMessage(&m)
}

// expect records a request that the router will answer. The caller holds mu.
func (c *Conn) expect(id wamp.ID, r *request) {
	if c.pending == nil {
		c.pending = map[wamp.ID]*request{}
	}
	c.pending[id] = r
}

const (
	maxWindow = 256          // events in flight of a durable subscription
	ackWait   = 86400 * 1000 // ms; a message is sent again after a reconnect only (4.4)
)

// subscribed handles SUBSCRIBED, or the error for SUBSCRIBE. The caller holds mu.
func (c *Conn) subscribed(r *request, id wamp.ID, err error) {
	op := r.subscribe
	if err != nil && r.durable { // no permission, or too many: use an ordinary subscription while the client is connected
		again := *r
		again.durable = false
		c.broker.log.Warn("MQTT session is not kept for a filter", "client_id", c.transport.Client, "authid", c.owner.Authid, "topic", r.filter.text, "err", err)
		c.later(func() { c.subscribePart(again, false) })
		return
	}
	switch {
	case err == nil:
		op.codes[r.index] = packet.Code(r.filter.granted)
		c.attach(r, id)
	case op.codes[r.index] == unanswered || op.codes[r.index].Failed():
		if op.codes[r.index], op.errs[r.index] = codeOf(err), err; op.codes[r.index] == packet.TopicNameInvalid {
			op.codes[r.index] = packet.TopicFilterInvalid
		}
	}
	if op.left--; op.left == 0 {
		c.dropRefusedFilter(r)
		c.putSuback(op)
		c.later(func() { c.save() })
	}
}

// dropRefusedFilter removes a filter whose parts the router has all refused. The caller holds mu.
func (c *Conn) dropRefusedFilter(r *request) {
	if f := r.filter; len(f.subs) == 0 && c.filters[f.text] == f {
		c.broker.removeFromGroup(c, f)
		delete(c.filters, f.text)
	}
	c.countLocal()
}

// attach connects a filter with its subscription. The caller holds mu.
func (c *Conn) attach(r *request, id wamp.ID) {
	s := c.subs[id]
	switch {
	case s != nil && r.retained:
		return // the other filter gets the retained events
	case r.retained:
		c.later(func() { c.endSubscription(id) })
	case r.filter.gone && s == nil:
		c.later(func() { c.endSubscription(id) })
		return
	case r.filter.gone:
		return
	}
	if s == nil {
		s = &subscription{id: id, part: r.part, durable: r.durable, retained: r.retained}
		if r.part.Match == wamp.Exact {
			s.topic = topicOf(r.part.URI)
		}
		if c.subs == nil {
			c.subs = map[wamp.ID]*subscription{}
		}
		c.subs[id] = s
	}
	for _, f := range s.filters {
		if f == r.filter {
			return
		}
	}
	s.filters = append(s.filters, r.filter)
	if !r.retained {
		r.filter.subs = append(r.filter.subs, id)
	}
}

// endSubscription queues UNSUBSCRIBE.
func (c *Conn) endSubscription(id wamp.ID) {
	m := codec.Message{Type: wamp.Unsubscribe, Request: c.number(), ID: id}
	c.mu.Lock()
	if s := c.subs[id]; s != nil { // its retained events may still arrive
		c.pending[m.Request] = &request{ends: id}
	}
	c.mu.Unlock()
	c.queueMessage(&m)
}

// putSuback answers SUBSCRIBE. The caller holds mu.
func (c *Conn) putSuback(op *subscribing) {
	if op.id == 0 {
		return
	}
	p := packet.Suback{Type: packet.TypeSuback, ID: op.id, Codes: op.codes}
	for i, code := range op.codes {
		if !code.Failed() {
			continue
		}
		if len(p.Properties) == 0 {
			p.Properties = c.reason(nil, op.errs[i])
		}
		if c.version < packet.V5 {
			op.codes[i] = packet.UnspecifiedError // 3.1.1, 3.9.3
		}
	}
	c.put(&p)
}

// unsubscribe handles UNSUBSCRIBE (3.10).
func (c *Conn) unsubscribe(p *packet.Unsubscribe) {
	ack := packet.Suback{Type: packet.TypeUnsuback, ID: p.ID}
	var ended []wamp.ID
	kept := false
	c.mu.Lock()
	for _, text := range p.Topics {
		f := c.filters[text]
		if f == nil {
			ack.Codes = append(ack.Codes, noSubscription)
			continue
		}
		ack.Codes = append(ack.Codes, packet.Success)
		delete(c.filters, text)
		f.gone = true
		c.broker.removeFromGroup(c, f)
		for _, id := range f.subs {
			if s := c.subs[id]; s != nil && s.without(f) {
				delete(c.subs, id)
				ended, kept = append(ended, id), kept || s.durable
			}
		}
	}
	c.countLocal()
	if c.version < packet.V5 {
		ack.Codes = nil
	}
	c.put(&ack)
	c.mu.Unlock()
	for _, id := range ended {
		c.endSubscription(id)
	}
	if kept {
		c.dropDurables()
	}
	c.save()
}

// without removes a filter and reports whether none is left.
func (s *subscription) without(f *filter) (empty bool) {
	for i := range s.filters {
		if s.filters[i] == f {
			s.filters = append(s.filters[:i], s.filters[i+1:]...)
			break
		}
	}
	return len(s.filters) == 0
}

// revoked handles an UNSUBSCRIBED for which the client has not asked. MQTT has no message for that. The caller holds mu.
func (c *Conn) revoked(id wamp.ID) {
	s := c.subs[id]
	if s == nil {
		return
	}
	delete(c.subs, id)
	for _, f := range s.filters {
		c.broker.refused(c, f.text, wamp.NotAuthorized)
	}
}
