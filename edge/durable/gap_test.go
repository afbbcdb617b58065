package durable

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"runnel/edge/store"
	"runnel/test/kit"
)

// Events beyond the bound are dropped, and a gap replaces them. The gap is delivered again until it is acknowledged,
// and grows meanwhile.
func TestGap(t *testing.T) {
	inBubble(t, func(t *testing.T, s *shelf) {
		d := s.create(Rule{Name: "d", URI: "com.t", MaxEvents: 2, Window: 10, AckWait: 10 * time.Second})
		drop := func() {
			s.sleep(upkeepInterval)
		}
		s.puts("com.other", 1)
		s.puts("com.t", 5)
		drop()
		c := &clerk{}
		a := d.Attach(AttachOptions{Consumer: c})
		synctest.Wait()
		if len(c.gaps) != 1 || c.gaps[0] != (Gap{ID: c.gaps[0].ID, First: 2, Last: 4, Events: 3, Reason: "count"}) {
			t.Fatalf("%+v", c.gaps)
		}
		equal(t, "deliveries", c.positions(), []uint64{5, 6})
		if st := d.State(); st.Dropped != 3 || st.Events != 2 || st.Floor != 4 {
			t.Errorf("%+v", st)
		}
		s.puts("com.t", 1)
		drop() // although it is in flight
		if len(c.gaps) != 2 || c.gaps[1] != (Gap{ID: c.gaps[1].ID, First: 2, Last: 5, Events: 4, Reason: "count"}) {
			t.Fatalf("%+v", c.gaps)
		}
		if a.Ack(c.gaps[0].ID) {
			t.Error("a gap that has grown is acknowledged")
		}
		s.sleep(10 * time.Second)
		if len(c.gaps) != 3 || !c.gaps[2].Redelivered || c.gaps[2].ID == c.gaps[1].ID || c.gaps[2].Events != 4 {
			t.Fatalf("%+v", c.gaps)
		}
		a.Detach()
		other := &clerk{}
		b := d.Attach(AttachOptions{Consumer: other})
		synctest.Wait()
		if len(other.gaps) != 1 || !other.gaps[0].Redelivered || !b.Ack(other.gaps[0].ID) || b.Ack(other.gaps[0].ID) {
			t.Fatalf("%+v", other.gaps)
		}
		s.sleep(time.Minute)
		if len(other.gaps) != 1 {
			t.Errorf("an acknowledged gap comes again: %+v", other.gaps)
		}
	})
}

// A gap waits for room, is done once it was sent to a consumer that needs no acknowledgements, or if that cannot receive it.
func TestGapOfConsumers(t *testing.T) {
	for name, c := range map[string]struct {
		sent    bool
		verdict Verdict
		again   bool // another consumer gets it
	}{
		"sent":       {true, Delivered, false},
		"received":   {false, Delivered, true},
		"full":       {false, Full, true},
		"gone":       {true, Gone, true},
		"impossible": {false, Impossible, false},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, s *shelf) {
				d := s.create(Rule{Name: "d", URI: "com.t", MaxEvents: 1})
				s.puts("com.t", 3)
				s.sleep(upkeepInterval)
				first := &clerk{verdict: func() Verdict { return c.verdict }}
				a := d.Attach(AttachOptions{Consumer: first, Sent: c.sent})
				s.sleep(time.Second)
				if n := len(first.gaps); (n == 1) != (c.verdict == Delivered) || n > 1 || n == 1 && first.gaps[0].Sent != c.sent {
					t.Errorf("%+v", first.gaps)
				}
				a.Detach()
				other := &clerk{}
				d.Attach(AttachOptions{Consumer: other})
				synctest.Wait()
				if len(other.gaps) == 1 != c.again {
					t.Errorf("then %+v", other.gaps)
				}
			})
		})
	}
}

// A loss that the log itself records is delivered as a separate gap, and acknowledged like an event.
func TestRecordedLoss(t *testing.T) {
	inBubble(t, func(t *testing.T, s *shelf) {
		d := s.create(Rule{Name: "d", URI: "com.t", AckWait: 10 * time.Second})
		s.puts("com.t", 1)
		s.mu.Lock()
		s.lost = 7
		s.mu.Unlock()
		s.puts("com.t", 1)
		c := &clerk{}
		a := d.Attach(AttachOptions{Consumer: c})
		synctest.Wait()
		if len(c.gaps) != 1 || c.gaps[0].Events != 7 || c.gaps[0].Reason != "disk" || c.gaps[0].First != c.gaps[0].Last {
			t.Fatalf("%+v", c.gaps)
		}
		at := c.gaps[0].First
		want := slices.DeleteFunc([]uint64{1, 2, 3}, func(n uint64) bool { return n == at })
		equal(t, "events", c.positions(), want)
		s.sleep(10 * time.Second)
		if len(c.gaps) != 2 || !c.gaps[1].Redelivered || a.Ack(c.gaps[0].ID) || !a.Ack(c.gaps[1].ID) {
			t.Errorf("%+v", c.gaps)
		}
	})
}

// A gap for which a consumer has no room goes to another one at once, and no event overtakes it. It was not sent before.
func TestGapGoesToAnother(t *testing.T) {
	for _, v := range []Verdict{Full, Gone} {
		inBubble(t, func(t *testing.T, s *shelf) {
			d := s.create(Rule{Name: "d", URI: "com.t", MaxEvents: 1})
			s.puts("com.t", 3)
			s.sleep(upkeepInterval)
			busy, free, overtaken := &clerk{verdict: func() Verdict { return v }}, &clerk{}, false
			free.admits = func(*store.Event) bool {
				overtaken = overtaken || len(free.gaps) == 0
				return true
			}
			d.attachBoth(busy, free, 0)
			if len(free.gaps) != 1 || free.gaps[0].Redelivered || overtaken {
				t.Errorf("%v: %+v, overtaken %v", v, free.gaps, overtaken)
			}
			equal(t, "events", free.positions(), []uint64{3})
		})
	}
}

// If no consumer has room, a gap and the events after it wait.
func TestGapIsNotOvertaken(t *testing.T) {
	inBubble(t, func(t *testing.T, s *shelf) {
		d := s.create(Rule{Name: "d", URI: "com.t", MaxEvents: 1})
		s.puts("com.t", 3)
		s.sleep(upkeepInterval)
		gaps := 0
		var clerks [2]*clerk
		for i := range clerks {
			clerks[i] = &clerk{verdict: func() Verdict {
				if gaps++; gaps <= 2 {
					return Full
				}
				return Delivered
			}}
		}
		d.attachBoth(clerks[0], clerks[1], 0)
		if gaps != 2 || len(clerks[0].got)+len(clerks[1].got) > 0 {
			t.Errorf("%d attempts, then %+v, %+v", gaps, clerks[0].got, clerks[1].got)
		}
		s.sleep(time.Second)
		if n := len(clerks[0].gaps) + len(clerks[1].gaps); n != 1 || len(clerks[0].got)+len(clerks[1].got) != 1 {
			t.Errorf("%d gaps, %+v, %+v", n, clerks[0].got, clerks[1].got)
		}
	})
}

// A gap that grows while it is handed out is delivered again, also to a consumer that needs no acknowledgements.
func TestGapGrowsMeanwhile(t *testing.T) {
	for _, v := range []Verdict{Delivered, Full, Impossible} {
		inBubble(t, func(t *testing.T, s *shelf) {
			d := s.create(Rule{Name: "d", URI: "com.t", MaxEvents: 1})
			s.puts("com.t", 3)
			s.sleep(upkeepInterval)
			grown := false
			c := &clerk{}
			c.verdict = func() Verdict {
				if grown {
					return Delivered
				}
				grown = true
				kit.Must(t, s.Put(&Publication{Event: &store.Event{ID: 1, Topic: []byte("com.t")}}, nil))
				kit.Must(t, s.do(d.keepBounds))
				return v
			}
			d.Attach(AttachOptions{Consumer: c, Sent: true})
			s.sleep(time.Second)
			if g := c.gaps[len(c.gaps)-1]; g.First != 1 || g.Last != 3 || g.Events != 3 {
				t.Errorf("%v: %+v", v, c.gaps)
			}
			equal(t, "events", c.positions(), []uint64{4})
		})
	}
}

// A gap that is acknowledged while it is handed out is done, whatever the consumer returns.
func TestGapIsAcknowledgedMeanwhile(t *testing.T) {
	for _, v := range []Verdict{Delivered, Full, Gone} {
		inBubble(t, func(t *testing.T, s *shelf) {
			d := s.create(Rule{Name: "d", URI: "com.t", MaxEvents: 1})
			s.puts("com.t", 2)
			s.sleep(upkeepInterval)
			c := &clerk{}
			var a *Attachment
			ready := make(chan struct{})
			c.verdict = func() Verdict {
				<-ready
				c.verdict = nil
				s.mu.Lock()
				id := d.gap.id
				s.mu.Unlock()
				if !a.Ack(id) {
					t.Error("not under way")
				}
				return v
			}
			a = d.Attach(AttachOptions{Consumer: c})
			close(ready)
			s.sleep(time.Hour)
			if len(c.gaps) > 1 {
				t.Errorf("%v: %+v", v, c.gaps)
			}
		})
	}
}

// The events after a gap are delivered in the same turn as the gap.
func TestGapAndEventsAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, s *shelf) {
		d := s.create(Rule{Name: "d", URI: "com.t", MaxEvents: 1})
		c := &clerk{room: make(chan struct{})}
		d.Attach(AttachOptions{Consumer: c})
		s.puts("com.t", 3)
		s.sleep(upkeepInterval)
		freed := c.room
		c.room = nil
		close(freed)
		synctest.Wait()
		if len(c.gaps) != 1 {
			t.Errorf("%+v", c.gaps)
		}
		equal(t, "events", c.positions(), []uint64{3})
	})
}

// A gap that was acknowledged, sent or dropped is not delivered again after a restart.
func TestGapIsDoneForGood(t *testing.T) {
	for name, c := range map[string]struct {
		sent    bool
		verdict Verdict
		gaps    int // after the restart
	}{
		"sent": {true, Delivered, 0}, "acknowledged": {false, Delivered, 0}, "impossible": {false, Impossible, 0}, "no room": {false, Full, 1},
	} {
		dir := t.TempDir()
		synctest.Test(t, func(t *testing.T) {
			s := openShelf(t, dir, 0)
			d := s.create(Rule{Name: "d", URI: "com.t", MaxEvents: 1})
			s.puts("com.t", 3)
			s.sleep(time.Minute)
			gap := true
			first := &clerk{verdict: func() Verdict {
				if gap {
					gap = c.verdict == Full
					return c.verdict
				}
				return Full // so that the gap is all that changes
			}}
			a := d.Attach(AttachOptions{Consumer: first, Sent: c.sent})
			s.sleep(time.Second)
			if len(first.gaps) > 0 {
				a.Ack(first.gaps[0].ID)
			}
			a.Detach()
			s.close()
			s = openShelf(t, dir, 0)
			again := &clerk{}
			s.Find("", "d").Attach(AttachOptions{Consumer: again})
			s.sleep(time.Second)
			if len(again.gaps) != c.gaps || len(again.got) != 1 {
				t.Errorf("%s: %+v, %+v", name, again.gaps, again.got)
			}
		})
	}
}
