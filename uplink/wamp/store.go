package wamp

import (
	"context"
	"errors"
	"time"

	"runnel/edge/client"
	"runnel/edge/codec"
	"runnel/edge/wamp"
	"runnel/uplink"
	"runnel/uplink/spool"
)

// All exported events go through the spool, so there is one order, whether the centre is reachable or not:
//
//	keep      puts an event of the local router into the spool; a durable event is confirmed when it is stored
//	drain     publishes the waiting events in order during one session at the centre, with a window of unacknowledged ones
//
// The order holds across sessions: a drain ends before the client dials again, and the next one begins with the first
// unacknowledged event.

const (
	drainWindow = 256 // most events in flight
	drainBatch  = 64  // events taken from the spool at a time
	firstPause  = 500 * time.Millisecond
	lastPause   = 10 * time.Second
	late        = time.Second // an event that has waited longer carries the time when it was published
	lastEvents  = time.Second // wait for events in flight when the link ends
)

// keep puts an exported event into the spool.
func (l *Link) keep(r *rule, e *client.Event) {
	topic, way, ok := l.admit(r, &l.local, &l.remote, e)
	if !ok || l.export.Stored(e.Publication) {
		e.Confirm(nil)
		return
	}
	event := spool.Event{
		Class: r.Store, Time: e.Time(), Topic: topic, Options: l.crossing(&e.Body, way), Payload: e.Payload,
		Expires: uplink.Expiry(e),
	}
	l.export.Put(e, event, l.awaitRoom, func(err error) error {
		if err != nil && r.Store == spool.Durable {
			l.durableFailed(err)
		}
		return publisherError(err)
	})
}

// publisherError returns the error for a publisher. If the event was not stored for lack of room, it is to retry
// later; a link does so.
func publisherError(err error) error {
	if errors.Is(err, spool.ErrFull) || errors.Is(err, spool.ErrClosed) {
		return client.NewError(wamp.Unavailable.Error(), err.Error())
	}
	return err
}

// awaitRoom slows down the local router when events arrive faster than the centre accepts them, or, without a centre,
// faster than the disk does. The router waits for a while and then drops events.
func (l *Link) awaitRoom() {
	if up := l.up.Load(); up != nil {
		l.spool.WaitForRoom(*up)
	} else {
		l.spool.CatchUp(l.running)
	}
}

func (l *Link) durableFailed(err error) {
	if !errors.Is(err, spool.ErrClosed) {
		l.log.Debug("cannot store the event", "err", err)
	}
}

// crossing encodes the details that cross besides topic and payload, in the form of EVENT.Details. Usually these are
// the way of the event, which equals that of the previous event, so the last encoding is kept.
func (l *Link) crossing(b *client.Body, way []client.Hop) []byte {
	extra := passthru(b)
	retain, _ := b.Detail(wamp.KeyRetain).Bool()
	plain := len(extra) == 0 && !retain && len(way) == 1
	if plain && l.from.hop == way[0] {
		return l.from.encoded
	}
	encoded := encodeCrossing(extra, retain, way)
	if plain {
		l.from.hop, l.from.encoded = way[0], encoded
	}
	return encoded
}

// source is a way of one hop and its encoding. Each hop has a name, so the zero value is the way of no event.
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
	return d.Dict().Raw
}

// awaitFlight waits briefly for the events in flight when the link ends.
func (l *Link) awaitFlight() {
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
