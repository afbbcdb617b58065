package uplink

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"runnel/edge/client"
	"runnel/edge/codec"
	"runnel/edge/wamp"
	"runnel/uplink/spool"
)

// Exported events go through the spool, all of them: there is one way and one order, whether the centre is there or not.
//
//	keep      an event comes from the local router and is put into the spool; what is durable is confirmed when it is
//	drain     one session at the centre: what waits is published in order, with a window of what is not acknowledged yet
//
// The order holds across sessions, for a drain ends before the client dials again, and the next one begins with the first
// event that is not acknowledged.

// GapTopic is where the centre is told which events were dropped, in place of these.
const GapTopic = "runnel.uplink.gap"

const (
	drainWindow = 256 // events under way
	drainBatch  = 64  // taken from the spool at once
	firstPause  = 500 * time.Millisecond
	lastPause   = 10 * time.Second
	late        = time.Second // an event that has waited longer says when it was published
	lastEvents  = time.Second // for what is under way when the link ends
)

// keep puts an exported event into the spool.
func (l *Link) keep(r *rule, e *client.Event) {
	topic, way, ok := l.admit(r, &l.local, &l.remote, e)
	if !ok || l.opts.From.Stored(e.Publication) {
		e.Confirm(nil)
		return
	}
	l.to.Load().Store(e.Publication)
	l.awaitRoom()
	kept := *e // the handler's own is used for the next event
	confirmed := l.exports.Confirming()
	l.spool.Put(spool.Event{
		Class: r.store, Time: e.Time(), Topic: topic, Options: l.crossing(&e.Body, way), Payload: e.Payload,
	}, func(err error) {
		if err != nil && r.store == spool.Durable {
			l.durableFailed(err)
		}
		kept.Confirm(tellPublisher(err))
		confirmed()
	})
}

// tellPublisher has who publishes an event that is not kept at all try it again later; a link that does so is patient.
func tellPublisher(err error) error {
	if errors.Is(err, spool.ErrFull) || errors.Is(err, spool.ErrClosed) {
		return client.NewError(wamp.Unavailable.Error(), err.Error())
	}
	return err
}

// awaitRoom slows down the local router, which waits for a while and then drops, when events come faster than the centre
// takes them, or in its absence the disk.
func (l *Link) awaitRoom() {
	if up := l.up.Load(); up != nil {
		l.spool.Room(*up)
	} else {
		l.spool.CatchUp(l.running)
	}
}

func (l *Link) durableFailed(err error) {
	if !errors.Is(err, spool.ErrClosed) {
		l.log.Debug("event not stored", "error", err)
	}
}

// crossing encodes what crosses beside topic and payload, as fields of the details that it came with. Mostly that is where
// the event comes from, the same as that of the event before.
func (l *Link) crossing(b *client.Body, way []client.Hop) []byte {
	extra := passthru(b)
	retain, _ := b.Detail(wamp.KeyRetain).Bool()
	plain := len(extra) == 0 && !retain && len(way) == 1
	if plain && l.from.encoded != nil && l.from.hop == way[0] {
		return l.from.encoded
	}
	encoded := encodeCrossing(extra, retain, way)
	if plain {
		l.from.hop, l.from.encoded = way[0], encoded
	}
	return encoded
}

// source is a way of one hop, and how that is encoded.
type source struct {
	hop     client.Hop
	encoded []byte
}

func encodeCrossing(extra map[string]any, retain bool, way []client.Hop) []byte {
	var d codec.Builder
	d.Reset(wamp.CBOR, make([]byte, 0, 160))
	for key, value := range extra {
		d.String(key, value.(string))
	}
	if retain {
		d.Bool(wamp.KeyRetain, true)
	}
	if len(way) > 0 {
		hops := make([]any, len(way))
		for i, h := range way {
			hop := map[string]any{wamp.KeyNode: h.Node}
			if h.Tag != "" {
				hop[wamp.KeyTag] = h.Tag
			}
			if h.Session != 0 {
				hop["session"] = h.Session
			}
			if h.Authid != "" {
				hop["authid"], hop["authrole"] = h.Authid, h.Authrole
			}
			hops[i] = hop
		}
		d.Any("forward_for", hops)
	}
	return d.Dict().Raw
}

// drain publishes what waits in the spool, as long as one session at the centre lasts.
type drain struct {
	// Static after construction.
	link *Link
	ctx  context.Context // ends with the session
	stop func()
	done chan struct{}

	// Owned by run.
	options []byte                // of the last event
	how     client.PublishOptions // what they say

	mu sync.Mutex
	// Guarded by mu.
	idle  chan struct{} // closed when nothing is under way; nil: nobody waits
	again func()        // ends the present attempt

	underWay atomic.Int64
}

// beginDrain is called when the centre was joined, endDrain before the client dials again.
func (l *Link) beginDrain() {
	d := &drain{link: l, done: make(chan struct{})}
	d.ctx, d.stop = context.WithCancel(context.Background())
	l.draining = d
	l.spool.Retry() // the centre may have been mended meanwhile
	l.up.Store(&d.ctx)
	go d.run()
}

func (l *Link) endDrain() {
	if d := l.draining; d != nil {
		l.up.Store(nil)
		d.stop()
		<-d.done
		l.draining = nil
	}
}

// run makes attempt after attempt: one ends when the centre can't take an event now. Then what is under
// way is awaited, so that nothing overtakes more than it must.
func (d *drain) run() {
	defer close(d.done)
	for pause := firstPause; d.ctx.Err() == nil; pause = min(2*pause, lastPause) {
		ctx, cancel := context.WithCancel(d.ctx)
		d.mu.Lock()
		d.again = cancel
		d.mu.Unlock()
		before := d.link.status.eventsUp.forwarded.Load()
		d.attempt(ctx)
		cancel()
		d.settle()
		if d.link.status.eventsUp.forwarded.Load() > before {
			pause = firstPause
		}
		select {
		case <-time.After(pause):
		case <-d.ctx.Done():
		}
	}
}

// attempt publishes from the first event that is not acknowledged on, until ctx ends or an event can't be published now.
func (d *drain) attempt(ctx context.Context) {
	d.link.spool.Rewind()
	for after := uint64(0); ; {
		events, err := d.link.spool.Next(ctx, after, drainBatch)
		if err != nil {
			return
		}
		for i := range events {
			e := &events[i]
			if ctx.Err() != nil {
				return
			}
			if err := d.publish(ctx, e, i < len(events)-1); err != nil {
				if ctx.Err() != nil || isDown(err) {
					return
				}
				d.reject(e.Sequence, err)
			}
			if !e.Held {
				after = e.Sequence
			}
		}
	}
}

func (d *drain) publish(ctx context.Context, e *spool.Event, more bool) error {
	topic, p := e.Topic, client.Raw(e.Payload)
	if d.options == nil || !bytes.Equal(d.options, e.Options) {
		d.options, d.how = e.Options, howToPublish(e.Options)
	}
	o := d.how
	o.More = more
	if time.Since(e.Time).Abs() > late {
		o.Time = e.Time
	}
	if e.Gap != nil {
		topic, p = GapTopic, d.link.gap(e.Gap)
	}
	o.Origin = &client.Origin{Node: d.link.opts.Node, Epoch: e.Epoch, Sequence: e.Sequence}
	sequence := e.Sequence
	o.Done = func(_ wamp.ID, err error) { d.answered(sequence, err) }
	d.underWay.Add(1)
	err := d.link.remote.client.Publish(ctx, topic, o, p)
	if err != nil {
		d.landed()
	}
	return err
}

// howToPublish reads what crossing has encoded.
func howToPublish(crossing []byte) (o client.PublishOptions) {
	b := client.Body{Details: codec.Dict{Serializer: wamp.CBOR, Raw: crossing}}
	o.ForwardFor, o.Extra = b.ForwardFor(), passthru(&b)
	o.Retain, _ = b.Detail(wamp.KeyRetain).Bool()
	return o
}

// gap is what the centre is told of events that are missing.
func (l *Link) gap(g *spool.Gap) client.Payload {
	return client.Kwargs(map[string]any{
		"node": l.opts.Node, "uplink": l.opts.Name, "reason": string(g.Reason), "first": g.First, "last": g.Last,
		"count": g.Count, "octets": g.Octets, "since": g.Since.UTC().Format(time.RFC3339),
	})
}

// answered is called by the goroutine that reads from the centre.
func (d *drain) answered(sequence uint64, err error) {
	switch {
	case err == nil:
		d.link.status.eventsUp.forwarded.Add(1)
		d.link.spool.Ack(sequence)
	case d.ctx.Err() != nil:
		// The session has ended: the next one sends it again.
	case isDown(err) || errors.Is(err, wamp.Unavailable):
		// The session is just ending, or the centre is full, and may be so for long.
		d.mu.Lock()
		d.again()
		d.mu.Unlock()
	default:
		d.reject(sequence, err)
	}
	d.landed()
}

func (d *drain) landed() {
	if d.underWay.Add(-1) > 0 {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.idle != nil && d.underWay.Load() == 0 {
		close(d.idle)
		d.idle = nil
	}
}

// settle waits until nothing is under way, or the session has ended.
func (d *drain) settle() {
	d.mu.Lock()
	if d.underWay.Load() == 0 {
		d.mu.Unlock()
		return
	}
	idle := make(chan struct{})
	d.idle = idle
	d.mu.Unlock()
	select {
	case <-idle:
	case <-d.ctx.Done():
	}
}

// reject holds an event that the centre does not take, or drops it if its class promises nothing. The first that is dropped
// in a session is worth a line in the log; for those that are held the spool has one for each topic.
func (d *drain) reject(sequence uint64, err error) {
	if d.link.spool.Hold(sequence, err.Error()) {
		return
	}
	if d.link.status.eventsUp.dropped.Add(1); !d.link.rejected.Swap(true) {
		d.link.remote.log.Warn("events rejected by the centre are dropped", "err", err)
	}
	d.link.spool.Ack(sequence)
}

// linger waits at the end for what is under way to the centre, but not for long.
func (l *Link) linger() {
	if up := l.up.Load(); up != nil {
		ctx, cancel := context.WithTimeout(*up, lastEvents)
		defer cancel()
		for l.spool.State().Events > 0 && ctx.Err() == nil {
			select {
			case <-time.After(5 * time.Millisecond):
			case <-ctx.Done():
			}
		}
	}
}
