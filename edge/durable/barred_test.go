package durable

import (
	"sync/atomic"
	"testing"

	"runnel/edge/store"
	"runnel/edge/wamp"
	"runnel/test/kit"
)

// collector is a consumer without limits that takes gaps as well.
type collector struct {
	picky
	gaps chan Gap
}

func (c collector) DeliverGap(g Gap) Verdict {
	c.gaps <- g
	return Delivered
}

// If the subscription has no owner, events that a consumer may not receive wait for another consumer. The first
// consumer gets the events after them.
func TestBarredEventsWait(t *testing.T) {
	dir := t.TempDir()
	s := openShelf(t, dir, 0)
	open, owned := s.create(Rule{Name: "d", URI: "com.", Match: wamp.Prefix, Window: 1}), s.create(Rule{Owner: "ann", Name: "d", URI: "com.", Match: wamp.Prefix})
	weak := taker{make(chan Delivery, 100)}
	a := open.Attach(AttachOptions{Consumer: picky{taker: weak, topic: "com.a"}})
	owned.Attach(AttachOptions{Consumer: picky{taker: weak, topic: "none"}})
	for n := 1; n <= 20; n++ {
		kit.Must(t, s.put([]string{"com.a", "com.b"}[n%2], n, 10))
	}
	for n := uint64(2); n <= 20; n += 2 {
		if e := kit.Receive(t, "an event", weak.got); e.Position != n || !a.Ack(e.ID) {
			t.Fatalf("%+v, expected %d", e, n)
		}
	}
	kit.Eventually(t, "the other events wait", func() bool { return open.State().Events == 10 && open.State().Barred == 10 })
	kit.Eventually(t, "those of an owner do not", func() bool { return owned.State().Events == 0 })
	s.close()

	s = openShelf(t, dir, 0)
	strong := taker{make(chan Delivery, 100)}
	d := s.Find("", "d")
	b := d.Attach(AttachOptions{Consumer: picky{taker: strong, topic: "com.b"}})
	for n := uint64(1); n <= 19; n += 2 {
		if e := kit.Receive(t, "an event that has waited", strong.got); e.Position != n || !b.AckPosition(n) || b.AckPosition(n) {
			t.Fatalf("%+v, expected %d", e, n)
		}
	}
	d.Attach(AttachOptions{Consumer: picky{taker: weak, topic: "com.a"}})
	for range 10 { // they follow an event that was not done, and the router has restarted
		e := kit.Receive(t, "an event again", weak.got)
		if !b.Ack(e.ID) {
			t.Errorf("%+v", e)
		}
	}
	kit.Eventually(t, "nothing is left", func() bool { return d.State().Events == 0 && d.State().Floor == 20 })
}

// Barred events do not stop the present consumer. Their memory is bounded: the oldest ones become a gap.
func TestBarredEventsAreBounded(t *testing.T) {
	s := openShelf(t, t.TempDir(), 0)
	d := s.create(Rule{Name: "d", URI: "com.", Match: wamp.Prefix})
	c := collector{picky{taker: taker{make(chan Delivery, 10)}, topic: "com.a"}, make(chan Gap, 100)}
	a := d.Attach(AttachOptions{Consumer: c})
	for range 3 {
		for range maxFlight {
			kit.Must(t, s.Put(&Publication{Event: &store.Event{ID: wamp.NewID(), Topic: []byte("com.b")}}, nil))
		}
		kit.Must(t, s.put("com.a", 1, 10))
		if e := kit.Receive(t, "an event behind them", c.got); !a.Ack(e.ID) {
			t.Errorf("%+v", e)
		}
	}
	for acknowledged := false; !acknowledged; { // a gap that grows is delivered again
		g := kit.Receive(t, "a gap", c.gaps)
		if g.Reason != "permission" || g.First != 1 || g.Events == 0 {
			t.Fatalf("%+v", g)
		}
		acknowledged = a.AckPosition(g.Last)
	}
	st := d.State()
	if st.Events+int(st.Dropped) != 3*maxFlight || st.Events > maxFlight || st.Barred != st.Events {
		t.Errorf("%+v", st)
	}
}

// The events in flight are charged to the memory budget. If it has no room, a consumer gets one event after the other.
func TestFlightIsCharged(t *testing.T) {
	s := openShelf(t, t.TempDir(), 0)
	var charged, limit atomic.Int64
	limit.Store(1 << 40)
	s.Keep = func(octets int) bool {
		if charged.Add(int64(octets)) > limit.Load() {
			charged.Add(-int64(octets))
			return false
		}
		return true
	}
	s.Free = func(octets int) { charged.Add(-int64(octets)) }
	d := s.create(Rule{Name: "d", URI: "com.t", Window: 1000})
	for n := 1; n <= 1000; n++ {
		kit.Must(t, s.Put(&Publication{Event: &store.Event{ID: wamp.NewID(), Topic: []byte("com.t")}}, nil))
	}
	c := taker{make(chan Delivery, 1000)}
	a := d.Attach(AttachOptions{Consumer: c})
	ids := make([]wamp.ID, 1000)
	for i := range ids {
		ids[i] = kit.Receive(t, "an event", c.got).ID
	}
	if n := charged.Load(); n < 1000*entryCost || n > 1100*entryCost {
		t.Errorf("%d bytes are charged", n)
	}
	for _, id := range ids {
		a.Ack(id)
	}
	a.Detach()
	kit.Eventually(t, "nothing is charged", func() bool { return charged.Load() == 0 })

	limit.Store(0)
	for n := 1; n <= 10; n++ {
		kit.Must(t, s.Put(&Publication{Event: &store.Event{ID: wamp.NewID(), Topic: []byte("com.t")}}, nil))
	}
	a = d.Attach(AttachOptions{Consumer: c})
	for range 10 {
		e := kit.Receive(t, "an event", c.got)
		if st := d.State(); st.UnderWay != 1 {
			t.Errorf("%+v", st)
		}
		a.Ack(e.ID)
	}
	if charged.Load() != 0 {
		t.Errorf("%d bytes are charged", charged.Load())
	}
}
