package nats

import (
	"cmp"
	"context"
	"errors"
	"hash/maphash"
	"sync"
	"time"

	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/uplink/nats/conn"
	"runnel/uplink/nats/jetstream"
	"runnel/uplink/nats/payload"
	"runnel/uplink/nats/subject"
	"runnel/uplink/spool"
)

// subscribe subscribes to all imports that are not durable.
func (s *session) subscribe() {
	made := make(map[*way]*conn.Sub)
	for _, w := range s.link.imports {
		if w.Store == spool.Durable {
			continue // see pull
		}
		sub, err := s.conn.Subscribe(w.subject, "", func(m *conn.Msg) { s.receive(m) })
		if err != nil {
			s.link.recordRule(w.what, err)
			continue
		}
		made[w] = sub
	}
	s.work.Go(func() { s.checkImports(made) })
}

// checkImports records which subscriptions the server has accepted.
func (s *session) checkImports(made map[*way]*conn.Sub) {
	if s.conn.Flush(s.open) != nil {
		return
	}
	for w, sub := range made {
		var err error
		if d := sub.Denied(); d != nil {
			err = notSubscribed(w.subject, d.Text)
		}
		s.link.recordRule(w.what, err)
	}
}

func notSubscribed(subject, text string) error {
	return errors.New("the server says: " + text + "; allow the user of this link to subscribe to " + subject)
}

// letter is a message to be published in the local realm.
type letter struct {
	rule   *way
	uri    string // in the local realm
	origin string // origin in the message; "": none
	own    bool   // this link has sent the message; see mayBeNew
	o      client.PublishOptions
	body   client.Payload
}

// errNotForUs means that a message is not an event, or does not cross.
var errNotForUs = errors.New("not an event for this link")

// open reads a message. The result shares the message's memory.
func (l *Link) open(uri string, h conn.Header, reply, data []byte) (e letter, err error) {
	kind := string(h.Get(payload.TypeField))
	if kind != "" && kind != payload.Event || kind == "" && len(reply) > 0 {
		return e, errNotForUs // it is a call
	}
	w, ok := l.imported.Best(uri)
	if !ok {
		return e, errNotForUs
	}
	e.rule, e.uri = w, w.ToLocal(uri)
	if wamp.Reserved(e.uri) || wamp.OfNode(uri) && !wamp.OfNode(w.Topic) || !wamp.ValidURI(e.uri, wamp.Exact, false) {
		return e, errNotForUs
	}
	hops, ok := payload.ParseHops(string(h.Get(payload.HopsField)))
	if !ok {
		return e, errors.New("its header " + payload.HopsField + " is damaged")
	}
	e.origin = string(h.Get(payload.OriginField))
	if text := h.Get(payload.MsgIDField); len(text) > 0 && string(text) == e.origin {
		if o, ok := payload.ParseOrigin(e.origin); ok {
			e.o.Origin = &o
		}
	}
	if e.o.ForwardFor, ok = l.wayIn(hops); !ok && l.mayBeNew(hops, e.o.Origin) {
		e.o.ForwardFor, ok, e.own = append(hops, l.cluster()), true, true
	}
	if !ok {
		return e, errNotForUs
	}
	if text := h.Get(payload.TimeField); len(text) > 0 {
		e.o.Time = payload.ParseTime(string(text))
	}
	if text := h.Get(payload.TTLField); len(text) > 0 {
		e.o.TTL = payload.ParseTimeout(string(text))
	}
	e.o.Retain = w.Retain || string(h.Get(payload.RetainField)) == "true"
	p, err := payload.Decode(string(h.Get(payload.ContentTypeField)), data)
	e.body = client.Raw(p)
	return e, err
}

// mayBeNew reports whether the local realm may lack an event that this link has exported. The router may have been
// killed when the stream had the event but the local stores did not. In that case the realm has not recorded the origin
// either. An event that the link itself has numbered comes from the realm, and its publisher has got no
// acknowledgement.
func (l *Link) mayBeNew(hops []client.Hop, o *client.Origin) bool {
	return o != nil && o.Node != l.opts.Node && len(hops) > 0 && visited(hops[len(hops)-1:], l.place()) && !visited(hops[:len(hops)-1], l.place())
}

// receive handles a message of a plain import.
func (s *session) receive(m *conn.Msg) {
	l := s.link
	uri, ok := subject.URI(string(m.Subject))
	if !ok {
		return // a subject of the servers or their clients
	}
	if w, _ := l.imported.Best(uri); w == nil || w.subject != m.Sub.Subject {
		return // another rule applies
	}
	e, err := l.open(uri, m.Header, m.Reply, m.Data)
	if err == errNotForUs {
		return
	}
	if err == nil && e.origin != "" && !l.recent.first(e.origin) {
		return
	}
	if err == nil {
		if e.o.Origin != nil {
			e.o.Done = func(_ wamp.ID, err error) { l.published(e.uri, err) }
		}
		err = l.local.Publish(s.open, e.uri, e.o, e.body)
	}
	if err != nil || e.o.Done == nil {
		l.published(string(m.Subject), err)
	}
}

// published records the outcome of an event in the local realm.
func (l *Link) published(topic string, err error) {
	if err != nil {
		l.refuse(&l.status.EventsDown, "message not taken", topic, err)
		return
	}
	l.status.EventsDown.Forward()
}

// recent holds the origins of the latest events. After the loss of a connection, a link resends events that the server
// may not have received.
type recent struct {
	mu sync.Mutex
	// Guarded by mu.
	seed maphash.Seed
	seen map[uint64]struct{}
	ring [recentEvents]uint64
	next int
}

const recentEvents = 4096

// first reports whether an origin is not among the latest ones, and records it.
func (r *recent) first(origin string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.seen == nil {
		r.seed, r.seen = maphash.MakeSeed(), make(map[uint64]struct{})
	}
	key := maphash.String(r.seed, origin)
	if _, known := r.seen[key]; known {
		return false
	}
	delete(r.seen, r.ring[r.next])
	r.seen[key], r.ring[r.next] = struct{}{}, key
	r.next = (r.next + 1) % recentEvents
	return true
}

const (
	pullBatch = 100
	ackWait   = time.Minute // until the stream delivers an event again
	ownPause  = time.Second // the same for an event of this link that the realm is still storing
)

// pull consumes a part of a durable import until ctx is done, the connection ends, or the consumer is gone.
func (s *session) pull(ctx context.Context, p *part, c *jetstream.Consumer) {
	defer func() {
		s.setPulling(p, false)
		signal(s.trouble)
	}()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	err := c.Pull(ctx, jetstream.PullOptions{Batch: pullBatch}, func(m *conn.Msg) {
		if ctx.Err() == nil {
			s.received(m, p, stop)
		}
	})
	if s.open.Err() == nil && !errors.Is(err, conn.ErrClosed) {
		s.link.log.Warn("durable import interrupted; retrying", "rule", p.way.what, "stream", p.stream, "err", cmp.Or(context.Cause(ctx), err))
	}
}

// received handles a message of a durable import. It acknowledges the message when the local realm has the event. A
// message without an origin is identified by its stream's creation time and its number there. If the local router
// cannot accept an event at present, stop ends the pull, and the next pull begins with this event.
func (s *session) received(m *conn.Msg, p *part, stop context.CancelCauseFunc) {
	l, reply := s.link, string(m.Reply)
	meta, ok := jetstream.ParseMeta(m.Reply)
	uri, isURI := subject.URI(string(m.Subject))
	if !ok || !isURI {
		s.js.Term(reply)
		return
	}
	p.last = max(p.last, meta.Sequence)
	e, err := l.open(uri, m.Header, nil, m.Data)
	if err == errNotForUs {
		s.js.Ack(reply)
		return
	}
	if err != nil {
		l.published(string(m.Subject), err)
		s.js.Term(reply)
		return
	}
	if e.origin != "" {
		l.recent.first(e.origin)
	}
	if e.o.Origin == nil {
		e.o.Origin = &client.Origin{Node: "nats/" + meta.Stream, Epoch: p.born, Sequence: meta.Sequence}
	}
	if w := e.rule; w.MaxAge > 0 && time.Since(meta.Time) > w.MaxAge {
		s.js.Ack(reply)
		return
	}
	if e.o.TTL > 0 {
		if e.o.TTL -= max(time.Since(meta.Time), 0); e.o.TTL <= 0 {
			s.js.Ack(reply)
			return
		}
	}
	if e.o.Time.IsZero() && time.Since(meta.Time) > late {
		e.o.Time = meta.Time
	}
	e.o.Done = func(_ wamp.ID, err error) {
		switch {
		case err == nil:
			l.status.EventsDown.Forward()
			s.js.Ack(reply)
		case e.own && errors.Is(err, wamp.Unavailable):
			s.js.Nak(reply, ownPause) // the realm is still storing it
		case errors.Is(err, wamp.NetworkFailure), errors.Is(err, wamp.Unavailable), s.open.Err() != nil:
			stop(err)
		default:
			l.published(e.uri, err)
			s.js.Term(reply)
		}
	}
	if err := l.local.Publish(s.open, e.uri, e.o, e.body); err != nil {
		e.o.Done(0, err)
	}
}
