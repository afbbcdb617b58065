package durable

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"runnel/edge/codec"
	"runnel/edge/store"
	"runnel/edge/wamp"
	"runnel/test/kit"
)

func equal[T comparable](t *testing.T, what string, got, want []T) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

// Events are delivered in order up to the window, each acknowledgement makes room, and the state counts them.
func TestWindow(t *testing.T) {
	inBubble(t, func(t *testing.T, s *shelf) {
		d := s.create(Rule{Name: "d", URI: "com.t", Window: 2})
		c := &clerk{}
		a := d.Attach(AttachOptions{Consumer: c})
		s.puts("com.t", 3)
		ids := []wamp.ID{c.got[0].ID, c.got[1].ID}
		equal(t, "at first", c.positions(), []uint64{1, 2})
		if st := d.State(); st.Events != 3 || st.UnderWay != 2 || st.Delivered != 2 || st.Again != 0 || st.Acked != 0 || st.Floor != 0 || st.Sessions != 1 || st.Octets == 0 {
			t.Errorf("%+v", st)
		}
		if !a.Ack(ids[1]) || a.Ack(ids[1]) || a.Refuse(ids[1]) || a.Ack(12345) || a.Refuse(12345) {
			t.Error("an event is acknowledged twice, or an unknown one")
		}
		s.awaitIdle()
		if st := d.State(); st.Events != 2 || st.UnderWay != 2 || st.Acked != 1 || st.Floor != 0 {
			t.Errorf("%+v", st)
		}
		last := c.got[0].ID
		equal(t, "after an acknowledgement", c.positions(), []uint64{3})
		if !a.Ack(ids[0]) || !a.Ack(last) {
			t.Error("an event cannot be acknowledged")
		}
		s.awaitIdle()
		if st := d.State(); st.Events != 0 || st.UnderWay != 0 || st.Acked != 3 || st.Delivered != 3 || st.Floor != 3 || st.Octets != 0 || st.Oldest != 0 {
			t.Errorf("%+v", st)
		}
		if c.unsent != 0 {
			t.Error("an event was not flushed")
		}
		if a.Subscription() != d {
			t.Error("another subscription")
		}
	})
}

// A window beyond the limit is cut, also that of a rule.
func TestLargestWindow(t *testing.T) {
	inBubble(t, func(t *testing.T, s *shelf) {
		d := s.create(Rule{Name: "d", URI: "com.t", Window: MaxWindow + 1})
		if a := d.Attach(AttachOptions{Consumer: &clerk{}}); a.Window != MaxWindow {
			t.Errorf("%d", a.Window)
		}
		if a := d.Attach(AttachOptions{Consumer: &clerk{}, Window: MaxWindow + 1}); a.Window != MaxWindow {
			t.Errorf("%d", a.Window)
		}
		if a := d.Attach(AttachOptions{Consumer: &clerk{}, Window: 3, AckWait: time.Second}); a.Window != 3 || a.AckWait != time.Second {
			t.Errorf("%d, %v", a.Window, a.AckWait)
		}
		other := s.create(Rule{Name: "other", URI: "com.t"})
		if a := other.Attach(AttachOptions{Consumer: &clerk{}}); a.Window != DefaultWindow || a.AckWait != DefaultAckWait {
			t.Errorf("%d, %v", a.Window, a.AckWait)
		}
	})
}

// A rejected event is redelivered after a while, an unacknowledged one after the subscription's time. Both precede new
// events.
func TestRedelivery(t *testing.T) {
	inBubble(t, func(t *testing.T, s *shelf) {
		d := s.create(Rule{Name: "d", URI: "com.t", Window: 2, AckWait: 5 * time.Second})
		c := &clerk{}
		a := d.Attach(AttachOptions{Consumer: c})
		s.puts("com.t", 3)
		refused := c.got[0].ID
		equal(t, "at first", c.positions(), []uint64{1, 2})
		began := time.Now()
		for range 2 {
			if !a.Refuse(refused) {
				t.Error("an event under way cannot be refused")
			}
		}
		synctest.Wait()
		equal(t, "after the refusal", c.positions(), []uint64{3}) // it has the room
		a.Ack(d.flight[2].id)
		synctest.Wait()
		equal(t, "too early", c.positions(), nil)
		s.sleep(refusedWait)
		if len(c.got) != 1 || !c.got[0].Redelivered || c.got[0].ID != refused || c.times[0].Sub(began) != refusedWait {
			t.Fatalf("%+v at %v", c.got, c.times)
		}
		equal(t, "refused", c.positions(), []uint64{1})
		s.sleep(time.Until(began.Add(5*time.Second - time.Millisecond)))
		equal(t, "too early", c.positions(), nil)
		s.sleep(time.Millisecond)
		equal(t, "not acknowledged", c.positions(), []uint64{2})
		s.sleep(time.Second)
		equal(t, "not acknowledged", c.positions(), []uint64{1})
		if st := d.State(); st.Again != 3 || st.Delivered != 6 || st.UnderWay != 2 || st.Acked != 1 || st.Events != 2 {
			t.Errorf("%+v", st)
		}
	})
}

// A late acknowledgement of an event that is free again is valid.
func TestLateAcknowledgement(t *testing.T) {
	inBubble(t, func(t *testing.T, s *shelf) {
		d := s.create(Rule{Name: "d", URI: "com.t"})
		c := &clerk{}
		a := d.Attach(AttachOptions{Consumer: c})
		s.puts("com.t", 1)
		id := c.got[0].ID
		a.Refuse(id)
		if !a.Ack(id) {
			t.Error("not valid")
		}
		s.sleep(time.Minute)
		equal(t, "deliveries", c.positions(), []uint64{1})
		if st := d.State(); st.Events != 0 || st.UnderWay != 0 || st.Floor != 1 {
			t.Errorf("%+v", st)
		}
	})
}

// Consumers take turns, each up to its window. The events of one that leaves go to the other at once.
func TestTurns(t *testing.T) {
	inBubble(t, func(t *testing.T, s *shelf) {
		d := s.create(Rule{Name: "d", URI: "com.t"})
		one, two := &clerk{}, &clerk{}
		a := d.Attach(AttachOptions{Consumer: one, Window: 3})
		b := d.Attach(AttachOptions{Consumer: two, Window: 2})
		s.awaitIdle()
		s.puts("com.t", 6)
		if len(one.got) != 3 || len(two.got) != 2 {
			t.Fatalf("%d and %d events", len(one.got), len(two.got))
		}
		all := append(one.positions(), two.positions()...)
		if slices.Sort(all); !slices.Equal(all, []uint64{1, 2, 3, 4, 5}) {
			t.Errorf("%v", all)
		}
		var left []uint64
		for _, e := range d.flight {
			if e.to == a {
				left = append(left, e.position)
			}
		}
		a.Detach()
		for len(left) > 0 {
			synctest.Wait()
			equal(t, "the oldest of those that are left", two.positions(), nil)
			for _, e := range d.flight {
				if e.to == b {
					b.Ack(e.id)
					break
				}
			}
			synctest.Wait()
			if len(two.got) != 1 || two.got[0].Position != left[0] || !two.got[0].Redelivered {
				t.Fatalf("%+v, want %d", two.got, left[0])
			}
			two.positions()
			left = left[1:]
		}
		if st := d.State(); st.Sessions != 1 || st.UnderWay != 2 {
			t.Errorf("%+v", st)
		}
	})
}

// While the oldest event is not acknowledged, delivery continues after it for some windows, and no further.
func TestSpread(t *testing.T) {
	inBubble(t, func(t *testing.T, s *shelf) {
		d := s.create(Rule{Name: "d", URI: "com.t", Window: 2, AckWait: time.Hour})
		c := &clerk{}
		a := d.Attach(AttachOptions{Consumer: c})
		s.puts("com.t", 30)
		first := c.got[0].ID
		for n := 1; n < len(c.got); n++ {
			a.Ack(c.got[n].ID)
			s.sleep(ackPause)
		}
		if n := len(c.got); n != spread*2 {
			t.Errorf("%d events", n)
		}
		c.got = nil
		a.Ack(first)
		synctest.Wait()
		equal(t, "then", c.positions(), []uint64{17, 18})
		if st := d.State(); st.Floor != 16 {
			t.Errorf("%+v", st)
		}
	})
}

// A consumer without room gets its events when it has room. They were not delivered before.
func TestRoom(t *testing.T) {
	for _, v := range []Verdict{Full, Gone} {
		inBubble(t, func(t *testing.T, s *shelf) {
			d := s.create(Rule{Name: "d", URI: "com.t"})
			full := true
			c := &clerk{verdict: func() Verdict {
				if full {
					return v
				}
				return Delivered
			}}
			a := d.Attach(AttachOptions{Consumer: c})
			s.puts("com.t", 2)
			if st := d.State(); st.Delivered != 0 || st.UnderWay != 0 || st.Events != 2 {
				t.Errorf("%+v", st)
			}
			full = false
			s.sleep(time.Second) // it is tried again in a moment
			if len(c.got) != 2 || c.got[0].Redelivered {
				t.Errorf("%+v", c.got)
			}
			equal(t, "then", c.positions(), []uint64{1, 2})
			full, c.room = true, make(chan struct{})
			s.puts("com.t", 1)
			full = false
			s.sleep(time.Minute / 4)
			equal(t, "without room", c.positions(), nil)
			freed := c.room
			c.room = nil
			close(freed)
			synctest.Wait()
			equal(t, "with room", c.positions(), []uint64{3})
			a.Detach()
		})
	}
}

// An event that one consumer has no room for goes to another one.
func TestFullConsumerIsPassed(t *testing.T) {
	inBubble(t, func(t *testing.T, s *shelf) {
		d := s.create(Rule{Name: "d", URI: "com.t"})
		full, other := &clerk{verdict: func() Verdict { return Full }}, &clerk{}
		d.Attach(AttachOptions{Consumer: full})
		d.Attach(AttachOptions{Consumer: other})
		s.awaitIdle()
		s.puts("com.t", 4)
		equal(t, "deliveries", other.positions(), []uint64{1, 2, 3, 4})
		if st := d.State(); st.UnderWay != 4 || st.Again != 0 {
			t.Errorf("%+v", st)
		}
	})
}

// An event that a consumer cannot receive is dropped. One that no consumer of an owner may receive is skipped.
func TestUndeliverable(t *testing.T) {
	inBubble(t, func(t *testing.T, s *shelf) {
		d := s.create(Rule{Owner: "ann", Name: "d", URI: "com.", Match: wamp.Prefix})
		v := Impossible
		c := &clerk{verdict: func() Verdict { return v }, admits: func(e *store.Event) bool { return string(e.Topic) != "com.secret" }}
		d.Attach(AttachOptions{Consumer: c})
		s.puts("com.t", 1)
		if st := d.State(); st.Dropped != 1 || st.Events != 0 || st.Floor != 1 || st.Delivered != 0 || st.UnderWay != 0 {
			t.Errorf("%+v", st)
		}
		v = Delivered
		s.puts("com.secret", 2)
		if st := d.State(); st.Dropped != 1 || st.Events != 0 || st.Floor != 3 {
			t.Errorf("%+v", st)
		}
		s.puts("com.t", 1)
		equal(t, "deliveries", c.positions(), []uint64{4})
	})
}

// Any number of events that are not for the consumer are skipped in one turn.
func TestManyArePassed(t *testing.T) {
	inBubble(t, func(t *testing.T, s *shelf) {
		d := s.create(Rule{Name: "d", URI: "com.", Match: wamp.Prefix})
		exact := s.create(Rule{Name: "exact", URI: "com.t"})
		s.puts("com.t", 1)
		s.puts("com.secret", 10)
		s.puts("com.t", 1)
		for _, sub := range []*Subscription{d, exact} {
			c := &clerk{admits: func(e *store.Event) bool { return string(e.Topic) != "com.secret" }}
			sub.Attach(AttachOptions{Consumer: c})
			synctest.Wait()
			equal(t, sub.Name, c.positions(), []uint64{1, 12})
		}
	})
}

// A consumer that acknowledges by receiving is done with an event at once.
func TestSent(t *testing.T) {
	inBubble(t, func(t *testing.T, s *shelf) {
		d := s.create(Rule{Name: "d", URI: "com.t", Window: 1})
		c := &clerk{}
		a := d.Attach(AttachOptions{Consumer: c, Sent: true})
		s.puts("com.t", 3)
		if len(c.got) != 3 || !c.got[0].Sent || a.Ack(c.got[2].ID) {
			t.Errorf("%+v", c.got)
		}
		if st := d.State(); st.Events != 0 || st.Floor != 3 || st.Acked != 0 || st.Delivered != 3 || st.UnderWay != 0 {
			t.Errorf("%+v", st)
		}
	})
}

// An event is delivered until its publisher's limit has passed.
func TestExpiry(t *testing.T) {
	inBubble(t, func(t *testing.T, s *shelf) {
		d := s.create(Rule{Name: "d", URI: "com.t"})
		for _, ttl := range []time.Duration{time.Minute, time.Hour, 0} {
			kit.Must(t, s.Put(&Publication{Event: &store.Event{ID: wamp.NewID(), Topic: []byte("com.t"), Payload: codec.Payload{Serializer: wamp.CBOR}, TTL: ttl}}, nil))
		}
		s.awaitIdle()
		s.sleep(time.Minute)
		c := &clerk{}
		a := d.Attach(AttachOptions{Consumer: c})
		synctest.Wait()
		if len(c.got) != 3 || c.got[0].TTL != 1 || c.got[1].TTL != 59*time.Minute || c.got[2].TTL != 0 {
			t.Errorf("%+v", c.got)
		}
		equal(t, "at the last moment", c.positions(), []uint64{1, 2, 3})
		a.Detach()
		s.sleep(time.Millisecond)
		d.Attach(AttachOptions{Consumer: c})
		synctest.Wait()
		equal(t, "later", c.positions(), []uint64{2, 3})
		if st := d.State(); st.Floor != 1 || st.Events != 2 || st.Dropped != 0 || st.Expired != 1 {
			t.Errorf("%+v", st)
		}
	})
}

// A consumer's limit of the age passes over older events, and is the end of the others unless their own is earlier.
func TestMaxAge(t *testing.T) {
	inBubble(t, func(t *testing.T, s *shelf) {
		d := s.create(Rule{Name: "d", URI: "com.t"})
		start := time.Now()
		s.puts("com.t", 1)
		s.sleep(time.Minute)
		for _, own := range []time.Duration{0, time.Minute, time.Hour} {
			e := &store.Event{ID: wamp.NewID(), Topic: []byte("com.t"), Payload: codec.Payload{Serializer: wamp.CBOR}, TTL: own}
			kit.Must(t, s.Put(&Publication{Event: e}, nil))
		}
		s.awaitIdle()
		c := &clerk{}
		a := d.Attach(AttachOptions{Consumer: c, MaxAge: time.Minute})
		s.sleep(0)
		equal(t, "at the last moment", c.positions(), []uint64{1, 2, 3, 4})
		a.Detach()
		s.sleep(time.Millisecond)
		d.Attach(AttachOptions{Consumer: c, MaxAge: time.Minute})
		s.sleep(0)
		for n, want := range []time.Duration{2 * time.Minute, 2 * time.Minute, 2 * time.Minute} {
			if len(c.got) != 3 || !time.Now().Add(c.got[n].TTL).Equal(start.Add(want)) {
				t.Fatalf("%+v", c.got)
			}
		}
		equal(t, "later", c.positions(), []uint64{2, 3, 4})
		if st := d.State(); st.Expired != 1 || st.Events != 3 {
			t.Errorf("%+v", st)
		}
	})
}

// The age limit of one consumer does not apply to the next consumer that is tried for the same event. The first one has
// no room, may not receive the event, or rejects its age.
func TestMaxAgeOfAnother(t *testing.T) {
	for name, first := range map[string]*clerk{
		"no room":      {verdict: func() Verdict { return Full }},
		"not admitted": {admits: func(*store.Event) bool { return false }},
		"too old":      {admits: func(*store.Event) bool { return true }},
	} {
		inBubble(t, func(t *testing.T, s *shelf) {
			d := s.create(Rule{Name: "d", URI: "com.t"})
			s.puts("com.t", 1)
			if first.admits != nil {
				s.sleep(time.Hour)
			}
			second := &clerk{}
			d.attachBoth(first, second, time.Minute)
			if len(first.got) != 0 || len(second.got) != 1 || second.got[0].TTL != 0 {
				t.Errorf("%s: %+v, %+v, %+v", name, first.got, second.got, d.State())
			}
		})
	}
}

// An event that is too old for each consumer that may receive it is done. It waits for one that has no room at the moment.
func TestTooOldForAll(t *testing.T) {
	for _, limit := range []time.Duration{time.Minute, 0} {
		inBubble(t, func(t *testing.T, s *shelf) {
			d := s.create(Rule{Name: "d", URI: "com.t"})
			s.puts("com.t", 1)
			s.sleep(time.Hour)
			start, gate := make(chan struct{}), make(chan struct{})
			stranger, strict, busy := &clerk{room: start, admits: func(*store.Event) bool { return false }}, &clerk{room: start}, &clerk{room: gate}
			d.Attach(AttachOptions{Consumer: stranger})
			d.Attach(AttachOptions{Consumer: strict, MaxAge: time.Minute})
			d.Attach(AttachOptions{Consumer: busy, MaxAge: limit})
			synctest.Wait()
			stranger.room, strict.room = nil, nil
			close(start)
			s.awaitIdle()
			if st := d.State(); st.Events != 1 || st.Expired != 0 || len(busy.got) != 0 {
				t.Errorf("%v: before there is room %+v", limit, st)
			}
			busy.room = nil
			close(gate)
			s.awaitIdle()
			delivered := limit == 0
			if st := d.State(); len(strict.got) != 0 || len(busy.got) == 1 != delivered || (st.Expired == 0) != delivered || st.Events == 1 != delivered {
				t.Errorf("%v: %+v, %+v, %+v", limit, strict.got, busy.got, st)
			}
		})
	}
}

// A consumer with origins gets no event after one that it has rejected, until that event is redelivered.
func TestRefusalByOrigin(t *testing.T) {
	for _, origin := range []bool{true, false} {
		inBubble(t, func(t *testing.T, s *shelf) {
			d := s.create(Rule{Name: "d", URI: "com.t"})
			c := &clerk{}
			a := d.Attach(AttachOptions{Consumer: c, Origin: origin})
			s.puts("com.t", 2)
			a.Refuse(c.got[1].ID)
			c.positions()
			s.puts("com.t", 1)
			if got := len(c.got) == 0; got != origin {
				t.Errorf("origin %v: %+v", origin, c.got)
			}
			s.sleep(refusedWait)
			if all := c.positions(); !slices.Equal(all, map[bool][]uint64{true: {2, 3}, false: {3, 2}}[origin]) {
				t.Errorf("origin %v: %v", origin, all)
			}
		})
	}
}

// The epoch of a subscription survives restarts, and changes when the subscription begins again.
func TestEpoch(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		epoch := func(s *shelf) uint64 {
			c := &clerk{}
			a := s.Find("", "d").Attach(AttachOptions{Consumer: c})
			s.puts("com.t", 1)
			a.Detach()
			if len(c.got) == 0 {
				t.Fatal("no event")
			}
			return c.got[0].Epoch
		}
		s := openShelf(t, dir, 0)
		s.create(Rule{Name: "d", URI: "com.t"})
		first := epoch(s)
		s.close()
		s = openShelf(t, dir, 0)
		if again := epoch(s); again != first || first == 0 {
			t.Errorf("%d, then %d", first, again)
		}
		d := s.Find("", "d")
		kit.Must(t, d.Reset(Start{All: true}))
		if after := epoch(s); after == first || after == 0 {
			t.Errorf("%d, after a reset %d", first, after)
		}
	})
}

// A removed subscription delivers no events, and accepts no consumers.
func TestRemovedDeliversNothing(t *testing.T) {
	inBubble(t, func(t *testing.T, s *shelf) {
		d := s.create(Rule{Name: "d", URI: "com.t", Window: 1})
		before, after := &clerk{}, &clerk{}
		a := d.Attach(AttachOptions{Consumer: before})
		s.puts("com.t", 2)
		if d.Removed() {
			t.Error("removed")
		}
		kit.Must(t, d.Remove())
		if !d.Removed() {
			t.Error("not removed")
		}
		d.Attach(AttachOptions{Consumer: after})
		a.Ack(before.got[0].ID)
		s.sleep(time.Minute)
		equal(t, "deliveries", before.positions(), []uint64{1})
		equal(t, "deliveries", after.positions(), nil)
	})
}
