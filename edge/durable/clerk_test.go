package durable

import (
	"testing"
	"testing/synctest"
	"time"

	"runnel/edge/codec"
	"runnel/edge/store"
	"runnel/edge/wamp"
	"runnel/test/kit"
)

// clerk is a consumer with prepared answers that records its events. Its fields are read while deliver waits.
type clerk struct {
	admits  func(*store.Event) bool // nil: all
	verdict func() Verdict          // nil: Delivered
	room    chan struct{}           // nil: it has room

	got     []Delivery
	gaps    []Gap
	times   []time.Time // of got
	flushes int
	unsent  int // handed out since the last flush
}

func (c *clerk) Admits(e *store.Event) (may, own bool) { return c.admits == nil || c.admits(e), false }

func (c *clerk) Room() <-chan struct{} {
	if c.room == nil {
		return nil
	}
	return c.room
}

func (c *clerk) Flush() { c.flushes, c.unsent = c.flushes+1, 0 }

func (c *clerk) Deliver(d *Delivery) Verdict {
	if v := c.answer(); v != Delivered {
		return v
	}
	e := *d
	own := *d.Event
	own.Topic, own.Payload = append([]byte(nil), d.Topic...), d.Payload.Clone()
	e.Event = &own
	c.got, c.times = append(c.got, e), append(c.times, time.Now())
	return Delivered
}

func (c *clerk) DeliverGap(g Gap) Verdict {
	if v := c.answer(); v != Delivered {
		return v
	}
	c.gaps = append(c.gaps, g)
	return Delivered
}

func (c *clerk) answer() Verdict {
	if c.verdict != nil {
		if v := c.verdict(); v != Delivered {
			return v
		}
	}
	c.unsent++
	return Delivered
}

// attachBoth attaches two consumers, and waits until a pass with both has ended. The store tries the first consumer
// first; it has a MaxAge.
func (d *Subscription) attachBoth(first, second *clerk, age time.Duration) {
	gate := make(chan struct{})
	first.room, second.room = gate, gate
	d.Attach(AttachOptions{Consumer: first, MaxAge: age})
	d.Attach(AttachOptions{Consumer: second})
	synctest.Wait()
	first.room, second.room = nil, nil
	close(gate)
	synctest.Wait()
}

// positions returns the positions of the events that the clerk has got, and forgets them.
func (c *clerk) positions() (list []uint64) {
	for _, d := range c.got {
		list = append(list, d.Position)
	}
	c.got, c.times = nil, nil
	return list
}

// inBubble runs a test with a store in simulated time.
func inBubble(t *testing.T, test func(t *testing.T, s *shelf)) {
	t.Helper()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) { test(t, openShelf(t, dir, 0)) })
}

// puts stores n events of a topic, and waits until they are delivered.
func (s *shelf) puts(topic string, n int) {
	s.Helper()
	for range n {
		kit.Must(s.T, s.Put(&Publication{Event: &store.Event{ID: wamp.NewID(), Topic: []byte(topic), Payload: codec.Payload{Serializer: wamp.CBOR}}}, nil))
	}
	s.awaitIdle()
}

// awaitIdle waits until the store has nothing to do.
func (s *shelf) awaitIdle() {
	s.Helper()
	kit.Must(s.T, s.do(func() {}))
	synctest.Wait()
	s.consistent()
}

// sleep lets time pass, and waits until the store has nothing to do. Used takes the lock, so that the race detector
// orders the test's writes before the later reads of deliver.
func (s *shelf) sleep(d time.Duration) {
	s.Helper()
	s.Used()
	time.Sleep(d)
	synctest.Wait()
	s.consistent()
}

// consistent checks that the state of each subscription is that of its entries, and of the records in the log.
func (s *shelf) consistent() {
	s.Helper()
	for _, d := range s.All() {
		past := 0
		kit.Must(s.T, s.scan(place{}, new(unpacker), func(h *head, _, _ place) bool {
			if d.matches(h) && h.position > d.State().Floor {
				past++
			}
			return true
		}))
		s.mu.Lock()
		last, underWay := d.floor, make(map[*Attachment]int)
		for i, e := range d.flight {
			if e.position <= last || e.position > d.read || i == 0 && e.done || !e.done && e.id != 0 && d.byID[e.id] != e {
				s.Errorf("%s: entry %d of %d is %+v", d.Name, i, len(d.flight), e)
			}
			if last = e.position; e.to != nil {
				underWay[e.to]++
			}
			if e.done {
				past--
			}
		}
		for _, a := range d.consumers {
			if a.underWay != underWay[a] {
				s.Errorf("%s: %d entries are under way, want %d", d.Name, a.underWay, underWay[a])
			}
		}
		if d.exact && d.events != past || d.events == 0 && d.octets != 0 {
			s.Errorf("%s: a backlog of %d events and %d bytes, want %d", d.Name, d.events, d.octets, past)
		}
		s.mu.Unlock()
	}
}
