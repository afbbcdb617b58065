package nats

import (
	"context"
	"strconv"
	"sync"
	"sync/atomic"

	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/uplink/nats/conn"
	"runnel/uplink/nats/payload"
)

// A call whose arguments come in parts goes to one link. The caller's link asks which links offer the subject. It sends
// the further parts once the chosen link has sent a sign of life. Programs never get such a call.
//
//	_RUNNEL.calls               Runnel-Type: ask, Runnel-Call: com.example.upload
//	_INBOX.abc.7                Runnel-Type: offer, Runnel-Link: 7ABC
//	_RUNNEL.link.7ABC.com...    Runnel-Type: call, Runnel-More: true                                     "a"
//	_INBOX.abc.8                Runnel-Type: alive, Runnel-Taken: 0
//	_RUNNEL.link.7ABC.com...    Runnel-Type: part, Runnel-Call: _INBOX.abc.8, Runnel-Part: 1             "b"
//
// A sign of life has the number of bytes that the callee's router has consumed. The caller's link pauses while too many
// bytes are not consumed.

const (
	linkSubject = "_RUNNEL.link." // and the name of a link, and the subject of a procedure

	partWindow = 256 << 10 // bytes of parts that the callee's router has not consumed
	partCost   = 128       // bytes of a part besides its data
)

// outflow sends the parts of a call's arguments that follow the first one.
type outflow struct {
	waiting *waiting
	room    chan struct{} // holds one signal: taken has changed
	taken   atomic.Int64  // bytes
	failed  chan error    // holds one error
	work    sync.WaitGroup
	started bool // owned by await
}

// keepAlive handles a sign of life of the callee.
func (f *outflow) keepAlive(ctx context.Context, m *conn.Msg) {
	if n, err := strconv.ParseInt(string(m.Header.Get(payload.TakenField)), 10, 64); err == nil {
		f.taken.Store(n)
		signal(f.room)
	}
	if !f.started && ctx.Err() == nil {
		f.started = true
		f.work.Go(func() {
			if err := f.send(ctx); err != nil {
				f.failed <- err
			}
		})
	}
}

// send sends the parts until the last one, or until ctx is done.
func (f *outflow) send(ctx context.Context) error {
	w, sent := f.waiting, int64(0)
	l, q := w.link, conn.Out{Subject: w.request.Subject, Reply: w.request.Reply}
	for n := 1; ; n++ {
		p, more, err := w.call.Input(ctx)
		if err != nil {
			return err
		}
		if q.Data, err = payload.Encode(p, l.opts.Serializer); err != nil {
			return client.NewError(wamp.InvalidArgument.Error(), err.Error())
		}
		for sent-f.taken.Load() >= partWindow {
			select {
			case <-f.room:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		sent += int64(len(q.Data) + partCost)
		q.Header = conn.Header(nil).Add(payload.TypeField, payload.Part).Add(payload.CallField, q.Reply).
			Add(payload.PartField, strconv.Itoa(n)).Add(payload.ContentTypeField, payload.ContentType(l.opts.Serializer))
		if more {
			q.Header = q.Header.Add(payload.MoreField, "true")
		}
		if err := w.session.conn.Room(ctx); err != nil {
			return err
		}
		if err := w.session.conn.Publish(q); err != nil {
			return l.unsent(err)
		}
		if !more {
			return nil
		}
	}
}

// inflow holds the parts of a call's arguments that the local router has not consumed.
type inflow struct {
	wake chan struct{} // holds one signal

	mu sync.Mutex
	// Guarded by mu.
	list     []*conn.Msg
	size     int // bytes of list
	next     int // number of the next part
	ended    bool
	err      error // no more parts will come
	taken    int64 // bytes
	reported int64 // of these, reported to the sender
}

var (
	errPartLost = client.NewError(wamp.NetworkFailure.Error(), "a part of the arguments was lost")
	errTooFast  = client.NewError(wamp.Unavailable.Error(), "the parts of the arguments come faster than they are taken")
)

// put adds a part. The connection's reading goroutine calls it.
func (f *inflow) put(m *conn.Msg) {
	n, err := strconv.Atoi(string(m.Header.Get(payload.PartField)))
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.ended || f.err != nil:
		return
	case err != nil || n != f.next:
		f.err = errPartLost
	case f.size >= partWindow:
		f.err = errTooFast
	default:
		f.list = append(f.list, m.Clone())
		f.size += len(m.Data) + partCost
		f.next++
		f.ended = !hasMore(m)
	}
	signal(f.wake)
}

// take waits for the next part and removes it. tell is the number of bytes consumed so far if it is time to report it
// to the caller's link; else 0.
func (f *inflow) take(ctx context.Context) (m *conn.Msg, more bool, tell int64, err error) {
	for {
		f.mu.Lock()
		if err = f.err; err == nil && len(f.list) > 0 {
			m, f.list = f.list[0], f.list[1:]
			f.size -= len(m.Data) + partCost
			f.taken += int64(len(m.Data) + partCost)
			if f.taken-f.reported >= partWindow/4 {
				tell, f.reported = f.taken, f.taken
			}
			more = !f.ended || len(f.list) > 0
		}
		f.mu.Unlock()
		if m != nil || err != nil {
			return m, more, tell, err
		}
		select {
		case <-f.wake:
		case <-ctx.Done():
			return nil, false, 0, context.Cause(ctx)
		}
	}
}

// all returns the number of consumed bytes, and marks it as reported.
func (f *inflow) all() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reported = f.taken
	return f.taken
}

func hasMore(m *conn.Msg) bool { return string(m.Header.Get(payload.MoreField)) == "true" }

// input returns the next part for the local router.
func (c *incoming) input(ctx context.Context) (client.Payload, bool, error) {
	m, more, tell, err := c.parts.take(ctx)
	if err != nil {
		return client.Payload{}, false, err
	}
	if s := c.link.current.Load(); s != nil && tell > 0 {
		s.conn.Publish(c.sign(tell))
	}
	p, err := decode(m)
	if err != nil {
		err = client.NewError(wamp.InvalidArgument.Error(), err.Error())
	}
	return client.Raw(p), more, err
}

// find returns the name of a link that offers a subject; "" if none answers in time.
func (s *session) find(ctx context.Context, subject string) string {
	ctx, cancel := context.WithTimeout(ctx, max(s.link.calls.times.probe, 4*s.conn.RoundTrip()))
	defer cancel()
	m, err := s.conn.Request(ctx, conn.Out{Subject: callsSubject, Header: s.link.signed(payload.Ask).Add(payload.CallField, subject)})
	if err != nil {
		return ""
	}
	if name := string(m.Header.Get(payload.LinkField)); string(m.Header.Get(payload.TypeField)) == payload.Offer && isLink(name) {
		return name
	}
	return ""
}
