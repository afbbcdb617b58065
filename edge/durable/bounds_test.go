package durable

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"runnel/edge/codec"
	"runnel/edge/store"
	"runnel/edge/wamp"
	"runnel/test/kit"
)

// sized returns an event whose record has about size bytes.
func sized(size int) *Publication {
	return &Publication{Event: &store.Event{ID: wamp.NewID(), Topic: []byte("com.t"), Payload: codec.Payload{Serializer: wamp.CBOR, Raw: make([]byte, size)}}}
}

// The bounds by number, size and age hold after upkeep, and no event is dropped without need.
func TestBounds(t *testing.T) {
	inBubble(t, func(t *testing.T, s *shelf) {
		count := s.create(Rule{Name: "count", URI: "com.t", MaxEvents: 4})
		size := s.create(Rule{Name: "size", URI: "com.t", MaxSize: 10_000})
		age := s.create(Rule{Name: "age", URI: "com.t", MaxAge: time.Minute})
		free := s.create(Rule{Name: "free", URI: "com.t"})
		put := func(n int) {
			t.Helper()
			for range n {
				kit.Must(t, s.Put(sized(1900), nil))
			}
			s.awaitIdle()
			s.sleep(upkeepInterval)
		}
		check := func(what string, counts, sizes, ages, frees int) {
			t.Helper()
			for _, c := range []struct {
				d    *Subscription
				want int
			}{{count, counts}, {size, sizes}, {age, ages}, {free, frees}} {
				st := c.d.State()
				if st.Events != c.want || int(st.Dropped) != frees-c.want {
					t.Errorf("%s, %s: %+v, want %d", what, c.d.Name, st, c.want)
				}
				if n := len(peeked(t, c.d)); n != c.want {
					t.Errorf("%s, %s: %d events are there, want %d", what, c.d.Name, n, c.want)
				}
			}
		}
		put(4)
		check("within the bounds", 4, 4, 4, 4)
		put(1)
		check("at the bounds", 4, 5, 5, 5)
		put(1)
		check("beyond the bounds", 4, 5, 6, 6)
		s.sleep(30 * time.Second)
		put(1)
		check("later", 4, 5, 7, 7)
		s.sleep(time.Minute - upkeepInterval - 30*time.Second + ageInterval)
		check("after the age", 4, 5, 1, 7)
		if n := age.State().Oldest; n < 30 || n > 60 {
			t.Errorf("the oldest event is %v s old", n)
		}
		if g := age.gap; g == nil || g.Reason != "age" || g.Events != 6 {
			t.Errorf("%+v", g)
		}
		if g := size.gap; g == nil || g.Reason != "size" {
			t.Errorf("%+v", g)
		}
	})
}

// A backlog that is far too large is cut at once.
func TestFarBeyondTheBound(t *testing.T) {
	inBubble(t, func(t *testing.T, s *shelf) {
		d := s.create(Rule{Name: "d", URI: "com.t", MaxSize: 10_000})
		for range 20 {
			kit.Must(t, s.put("com.t", 1, 1900))
		}
		s.awaitIdle()
		if n := d.State().Octets; n > 13_000 {
			t.Errorf("%d bytes", n)
		}
	})
}

// Events in flight are dropped like others. Acknowledged events do not count, and answers to dropped events have no
// effect.
func TestDroppedUnderWay(t *testing.T) {
	inBubble(t, func(t *testing.T, s *shelf) {
		d := s.create(Rule{Name: "d", URI: "com.t", MaxEvents: 3})
		c := &clerk{}
		a := d.Attach(AttachOptions{Consumer: c, Window: 3})
		s.puts("com.t", 3)
		ids := []wamp.ID{c.got[0].ID, c.got[1].ID, c.got[2].ID}
		equal(t, "deliveries", c.positions(), []uint64{1, 2, 3})
		a.Ack(ids[1])
		s.puts("com.t", 3) // 5 are left, 2 too many
		s.sleep(upkeepInterval)
		if st := d.State(); st.Dropped != 2 || st.Events != 3 || st.Floor != 3 {
			t.Errorf("%+v", st)
		}
		if g := c.gaps[len(c.gaps)-1]; g.First != 1 || g.Last != 3 || g.Events != 2 { // it may have arrived in two steps
			t.Errorf("%+v", c.gaps)
		}
		if a.Ack(ids[0]) || a.Refuse(ids[2]) {
			t.Error("a dropped event is answered")
		}
		equal(t, "then", c.positions(), []uint64{4, 5, 6})
		if st := d.State(); st.UnderWay != 3 {
			t.Errorf("%+v", st)
		}
	})
}

// Lines about dropped events are logged once a minute.
func TestDropsAreLoggedSparingly(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		var text bytes.Buffer
		s := openShelf(t, dir, 0, func(s *Store) { s.Log = slog.New(slog.NewTextHandler(&text, nil)) })
		s.create(Rule{Name: "d", URI: "com.t", MaxEvents: 1})
		for n, want := range []int{1, 1, 1, 2} {
			s.puts("com.t", 2)
			s.sleep(20 * time.Second)
			if got := strings.Count(text.String(), "reached a bound"); got != want {
				t.Errorf("round %d: %d lines, want %d", n, got, want)
			}
		}
	})
}

// If the log has grown too large, a slow consumer gets gaps and the remaining events, each once and in order.
func TestLaggingConsumer(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := openShelf(t, dir, 512<<10)
		d := s.create(Rule{Name: "d", URI: "com.t", Window: 1, AckWait: time.Hour})
		c := &clerk{}
		a := d.Attach(AttachOptions{Consumer: c})
		for range 100 {
			kit.Must(t, s.Put(sized(20_000), nil))
			s.awaitIdle()
		}
		s.sleep(upkeepInterval)
		if n := s.Octets(); n > 512<<10 {
			t.Errorf("the log has %d bytes", n)
		}
		var last uint64
		events, lost := 0, 0
		for n := 0; n < len(c.got); n++ {
			for ; len(c.gaps) > 0; c.gaps = c.gaps[1:] {
				if a.Ack(c.gaps[0].ID) {
					lost += int(c.gaps[0].Events)
				}
			}
			e := c.got[n]
			if e.Position <= last || e.Redelivered {
				t.Errorf("event %d after %d", e.Position, last)
			}
			if last = e.Position; a.Ack(e.ID) {
				events++
			}
			synctest.Wait()
		}
		if last != 100 || lost == 0 || events+lost != 100 || d.State().Events != 0 {
			t.Errorf("%d events up to %d, %d lost, %+v", events, last, lost, d.State())
		}
	})
}

// A file is removed once all subscriptions have passed it, and not before.
func TestFilesOfSlowSubscriptions(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := openShelf(t, dir, 1<<20)
		fast, slow := s.create(Rule{Name: "fast", URI: "com.t"}), s.create(Rule{Name: "slow", URI: "com.t"})
		fast.Attach(AttachOptions{Consumer: &clerk{}, Sent: true})
		c := &clerk{}
		a := slow.Attach(AttachOptions{Consumer: c, Window: 1, AckWait: time.Hour})
		for range 20 {
			kit.Must(t, s.Put(sized(20_000), nil))
			s.awaitIdle()
		}
		s.sleep(upkeepInterval)
		all := len(files(t, dir))
		if all < 4 {
			t.Fatalf("%d files", all)
		}
		for n := 0; len(c.got) > 0; n++ {
			e := c.got[0]
			c.positions()
			a.Ack(e.ID)
			s.awaitIdle()
			kit.Must(t, s.do(s.maintain))
			s.mu.Lock()
			if first := s.segments[0]; first.last <= e.Position && len(s.segments) > 1 || first.first > e.Position+1 {
				t.Errorf("event %d is done, the log begins with %+v", e.Position, first)
			}
			s.mu.Unlock()
		}
		if n := len(files(t, dir)); n != 1 {
			t.Errorf("%d files are left", n)
		}
	})
}

// The start of a subscription without events follows the log, so that it does not keep files.
func TestIdleSubscriptionFollows(t *testing.T) {
	inBubble(t, func(t *testing.T, s *shelf) {
		idle := s.create(Rule{Name: "idle", URI: "com.never"})
		s.create(Rule{Name: "d", URI: "com.t"})
		for n := range uint64(5) {
			s.puts("com.t", 1)
			if st := idle.State(); st.Floor != n+1 {
				t.Errorf("after %d events: %+v", n+1, st)
			}
		}
		s.puts("com.never", 1)
		s.puts("com.t", 1)
		if st := idle.State(); st.Floor != 5 || st.Events != 1 {
			t.Errorf("with an event of its own: %+v", st)
		}
		c := &clerk{}
		a := idle.Attach(AttachOptions{Consumer: c})
		synctest.Wait()
		a.Ack(c.got[0].ID)
		synctest.Wait()
		if st := idle.State(); fmt.Sprint(c.positions(), st.Floor, st.Events) != "[6] 7 0" {
			t.Errorf("%+v", st)
		}
	})
}

// The state has the age of the oldest remaining event.
func TestOldest(t *testing.T) {
	inBubble(t, func(t *testing.T, s *shelf) {
		d := s.create(Rule{Name: "d", URI: "com.t", MaxEvents: 3, Window: 1})
		check := func(what string, want float64) {
			t.Helper()
			if got := d.State().Oldest; got != want {
				t.Errorf("%s: %v s, want %v s", what, got, want)
			}
		}
		check("nothing there", 0)
		for range 3 {
			s.puts("com.t", 1)
			s.sleep(10 * time.Second)
		}
		check("all there", 30)
		s.puts("com.t", 1)
		s.sleep(upkeepInterval)
		check("one dropped", 21)
		c := &clerk{}
		a := d.Attach(AttachOptions{Consumer: c, Sent: true})
		s.sleep(0)
		check("all done", 0)
		a.Detach()
		s.puts("com.t", 1)
		s.sleep(time.Second)
		check("a new one", 1)
	})
}

// The start skips acknowledged events after a dropped one at once. They do not belong to the gap.
func TestAcknowledgedBehindDropped(t *testing.T) {
	inBubble(t, func(t *testing.T, s *shelf) {
		d := s.create(Rule{Name: "d", URI: "com.t", MaxEvents: 1, Window: 2})
		c := &clerk{}
		a := d.Attach(AttachOptions{Consumer: c})
		s.puts("com.t", 2)
		a.Ack(c.got[1].ID)
		a.Detach()
		s.puts("com.t", 1)
		kit.Must(t, s.do(d.keepBounds))
		if st := d.State(); st.Floor != 2 || st.Events != 1 || st.Dropped != 1 || d.gap.First != 1 || d.gap.Last != 1 {
			t.Errorf("%+v, %+v", st, d.gap)
		}
		s.consistent()
	})
}

// An event that is just as old as the bound says is kept while older ones are dropped.
func TestExactAge(t *testing.T) {
	inBubble(t, func(t *testing.T, s *shelf) {
		d := s.create(Rule{Name: "d", URI: "com.t", MaxAge: time.Minute})
		s.puts("com.t", 1)
		s.sleep(5 * time.Second)
		s.puts("com.t", 1)
		time.Sleep(time.Minute)
		kit.Must(t, s.do(d.keepBounds))
		equal(t, "left", peeked(t, d), []uint64{2})
		time.Sleep(time.Millisecond)
		kit.Must(t, s.do(d.keepBounds))
		equal(t, "left", peeked(t, d), nil)
	})
}

// An event that is acknowledged while the events beyond a bound are collected is no part of the gap.
func TestAcknowledgedMeanwhile(t *testing.T) {
	inBubble(t, func(t *testing.T, s *shelf) {
		d := s.create(Rule{Name: "d", URI: "com.t"})
		c := &clerk{}
		a := d.Attach(AttachOptions{Consumer: c})
		s.puts("com.t", 4)
		var list []dropped
		kit.Must(t, s.scan(place{}, new(unpacker), func(h *head, _, next place) bool {
			list = append(list, dropped{h.position, h.size, next})
			return true
		}))
		cut := func(list []dropped) {
			s.mu.Lock()
			d.cut(list, "size")
			s.mu.Unlock()
			s.awaitIdle()
		}
		a.Ack(c.got[0].ID)
		cut(list[:2])
		if st := d.State(); st.Dropped != 1 || st.Events != 2 || st.Floor != 2 || len(c.gaps) != 1 || c.gaps[0].First != 2 {
			t.Errorf("%+v, %+v", st, c.gaps)
		}
		a.Ack(c.got[2].ID)
		cut(list[:3])
		if st := d.State(); st.Dropped != 1 || st.Events != 1 || st.Floor != 3 || len(c.gaps) != 1 {
			t.Errorf("%+v, %+v", st, c.gaps)
		}
	})
}

// All excess events are dropped, even if one step is not enough.
func TestManyBeyondTheBound(t *testing.T) {
	inBubble(t, func(t *testing.T, s *shelf) {
		d := s.create(Rule{Name: "d", URI: "com.t", MaxEvents: 3})
		s.puts("com.t", 2*maxDrop+100)
		s.sleep(upkeepInterval)
		if st := d.State(); st.Events != 3 || st.Dropped != 2*maxDrop+97 || d.gap.Events != 2*maxDrop+97 {
			t.Errorf("%+v, %+v", st, d.gap)
		}
	})
}

// The cursor of a subscription without events is recorded once for each file of the log.
func TestIdleCursorIsRecordedOnceAFile(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := openShelf(t, dir, 1<<20)
		s.create(Rule{Name: "idle", URI: "com.never"})
		s.sleep(time.Minute)
		octets := func() (n int64) {
			kit.Must(t, s.do(func() { n = s.cursors.Octets() }))
			return n
		}
		before, changes := octets(), 0
		for range 40 {
			kit.Must(t, s.Put(sized(10_000), nil))
			s.sleep(time.Minute)
			if now := octets(); now != before {
				before = now
				changes++
			}
		}
		if changes < 4 || changes > 8 {
			t.Errorf("recorded %d times", changes)
		}
	})
}
