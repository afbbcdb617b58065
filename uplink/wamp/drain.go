package wamp

import (
	"bytes"
	"context"
	"errors"
	"sort"
	"sync"
	"time"

	"runnel/edge/client"
	"runnel/edge/codec"
	"runnel/edge/wamp"
	"runnel/uplink"
	"runnel/uplink/spool"
)

// drain publishes the events in the spool for as long as one session at the centre lasts.
type drain struct {
	// Static after construction.
	link   *Link
	ctx    context.Context // ends with the session
	stop   func()
	done   chan struct{}
	heard  uint64 // messages of the centre before it began
	flight *flight

	// Owned by run.
	options []byte                // of the last event
	how     client.PublishOptions // options, decoded

	mu    sync.Mutex
	again func() // cancels the current attempt. Guarded by mu
}

// beginDrain is called after each join at the centre, endDrain before the client dials again.
func (l *Link) beginDrain() {
	d := &drain{link: l, done: make(chan struct{}), flight: newFlight(), heard: l.pulse.heard.Load()}
	d.ctx, d.stop = context.WithCancel(context.Background())
	l.draining = d
	if !l.searching {
		l.spool.Retry() // the centre may now accept events that it has rejected
	}
	l.up.Store(&d.ctx)
	go d.run()
}

// endDrain ends the drain of a session that has ended with err, and returns the error to show for it.
func (l *Link) endDrain(err error) error {
	d := l.draining
	if d == nil {
		return err
	}
	l.up.Store(nil)
	d.stop()
	<-d.done
	l.draining = nil
	return l.holdSuspect(err, d.flight.open())
}

// run makes one attempt after the other. An attempt ends when the centre cannot accept an event at the moment. The
// next attempt begins when nothing is in flight, so that as few events as possible overtake others.
func (d *drain) run() {
	defer close(d.done)
	for pause := firstPause; d.ctx.Err() == nil; pause = min(2*pause, lastPause) {
		ctx, cancel := context.WithCancel(d.ctx)
		d.mu.Lock()
		d.again = cancel
		d.mu.Unlock()
		before := d.link.status.EventsUp.Forwarded()
		d.attempt(ctx)
		cancel()
		d.flight.wait(d.ctx)
		if d.link.status.EventsUp.Forwarded() > before {
			pause = firstPause
		}
		select {
		case <-time.After(pause):
		case <-d.ctx.Done():
		}
	}
}

// attempt publishes events from the first unacknowledged one on, until ctx is done or an event can't be published for
// now.
func (d *drain) attempt(ctx context.Context) {
	d.link.spool.Rewind()
	for after := uint64(0); ; {
		events, err := d.link.spool.Next(ctx, after, drainBatch)
		if err != nil {
			return
		}
		// A probe to be sent alone may cost the session, so it goes last. No event of its topic follows it.
		sort.SliceStable(events, func(i, j int) bool { return rank(&events[i]) < rank(&events[j]) })
		for i := range events {
			e := &events[i]
			if ctx.Err() != nil {
				return
			}
			if err := d.send(ctx, e, i < len(events)-1); err != nil {
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

func rank(e *spool.Event) int {
	if e.Alone {
		return 1
	}
	return 0
}

// send publishes an event. If the centre may close the connection for it, send first waits for a sign of life of the
// centre and until no event is in flight. It then waits for the answer.
func (d *drain) send(ctx context.Context, e *spool.Event, more bool) error {
	if !e.Alone && !d.link.trial.IsSuspect(e.Sequence) {
		return d.publish(ctx, e, more)
	}
	d.flight.wait(ctx)
	d.prove(ctx)
	err := d.publish(ctx, e, false)
	d.flight.wait(ctx)
	return err
}

// proven reports whether the centre has sent anything since the session began.
func (d *drain) proven() bool { return d.link.pulse.heard.Load() > d.heard }

// prove waits for a sign of life of the centre, but no longer than the link waits for any.
func (d *drain) prove(ctx context.Context) {
	if d.proven() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, d.link.pulse.limit())
	defer cancel()
	d.link.remote.client.Call(ctx, question, client.CallOptions{}, client.Args(question)) // any answer will do
}

func (d *drain) publish(ctx context.Context, e *spool.Event, more bool) error {
	topic, p := e.Topic, client.Raw(e.Payload)
	if !bytes.Equal(d.options, e.Options) {
		d.options, d.how = e.Options, publishOptions(e.Options)
	}
	o := d.how
	o.More = more
	left, over := e.Left()
	if over {
		d.link.spool.Expire(e.Sequence)
		return nil
	}
	o.TTL = left
	if time.Since(e.Time).Abs() > late {
		o.Time = e.Time
	}
	if e.Gap != nil {
		topic, p = uplink.GapTopic, d.link.gap(e.Gap)
	}
	o.Origin = &client.Origin{Node: d.link.opts.Node, Epoch: e.Epoch, Sequence: e.Sequence}
	sequence := e.Sequence
	o.Done = func(_ wamp.ID, err error) { d.answered(sequence, err) }
	d.flight.add(shipment{
		sequence: sequence, topic: topic, size: len(e.Payload.Raw), probe: e.Alone, proven: d.proven(),
	})
	err := d.link.remote.client.Publish(ctx, topic, o, p)
	if err != nil {
		d.flight.remove(sequence)
	}
	if err == client.ErrExpired {
		d.link.spool.Expire(sequence)
		return nil
	}
	return err
}

// publishOptions decodes the result of crossing.
func publishOptions(crossing []byte) (o client.PublishOptions) {
	b := client.Body{Details: codec.Dict{Serializer: wamp.CBOR, Raw: crossing}}
	o.ForwardFor, o.Extra = b.ForwardFor(), passthru(&b)
	o.Retain, _ = b.Detail(wamp.KeyRetain).Bool()
	return o
}

// gap returns the report of missing events for the centre.
func (l *Link) gap(g *spool.Gap) client.Payload {
	return client.Kwargs(map[string]any{
		"node": l.opts.Node, "uplink": l.opts.Name, "reason": string(g.Reason), "first": g.First, "last": g.Last,
		"count": g.Count, "octets": g.Octets, "since": g.Since.UTC().Format(time.RFC3339),
	})
}

// answered handles the centre's answer to an event. The goroutine that reads from the centre calls it.
func (d *drain) answered(sequence uint64, err error) {
	switch {
	case err == nil:
		d.link.trial.Acknowledged(sequence)
		d.link.status.EventsUp.Forward()
		d.link.spool.Ack(sequence)
	case d.ctx.Err() != nil:
		// The session has ended: the next one sends it again.
	case isDown(err):
		d.flight.close() // the session is ending
		d.stopAttempt()
	case errors.Is(err, wamp.Unavailable):
		d.stopAttempt() // the centre is full, and may be so for long
	default:
		d.reject(sequence, err)
	}
	d.flight.remove(sequence)
}

func (d *drain) stopAttempt() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.again()
}

// reject holds an event that the centre rejects, or drops it if its class is Memory. It logs the first one that is dropped in a
// session; the spool logs the topics that are held.
func (d *drain) reject(sequence uint64, err error) {
	if d.link.spool.Hold(sequence, err.Error()) {
		return
	}
	d.link.status.EventsUp.Drop()
	if !d.link.rejected.Swap(true) {
		d.link.remote.log.Warn("event dropped: the centre rejects it; further ones of this session are only counted", "err", err)
	}
	d.link.spool.Ack(sequence)
}
