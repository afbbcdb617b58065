package wamp

import (
	"context"
	"errors"
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
	if !ok || l.export.Stored(e.Publication) {
		e.Confirm(nil)
		return
	}
	event := spool.Event{
		Class: r.Store, Time: e.Time(), Topic: topic, Options: l.crossing(&e.Body, way), Payload: e.Payload,
	}
	l.export.Put(e, event, l.awaitRoom, func(err error) error {
		if err != nil && r.Store == spool.Durable {
			l.durableFailed(err)
		}
		return tellPublisher(err)
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
		l.log.Debug("event not stored", "err", err)
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
