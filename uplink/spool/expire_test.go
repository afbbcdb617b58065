package spool

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// limitedEvent returns an event whose time is over after ttl.
func limitedEvent(class Class, name string, ttl time.Duration) Event {
	e := event(class, name)
	e.Expires = time.Now().Add(ttl)
	return e
}

// fresh drains the spool as a link does, and returns the names of the events that are sent.
func (b *bench) fresh() (names []string, left []time.Duration) {
	b.Helper()
	for _, e := range b.poll(1000) {
		rest, over := e.Left()
		if over {
			b.Expire(e.Sequence)
			continue
		}
		names, left = append(names, b.name(e)), append(left, rest)
		b.Ack(e.Sequence)
	}
	b.consistent()
	return names, left
}

// The time of an event runs while it waits: in memory, on disk, and while the router is off.
func TestExpire(t *testing.T) {
	for _, c := range []struct {
		name  string
		class Class
		wait  func(b *bench, o Options) *bench
	}{
		{"in memory", Memory, func(b *bench, o Options) *bench { time.Sleep(time.Hour); return b }},
		{"on disk", Disk, func(b *bench, o Options) *bench { time.Sleep(time.Hour); return b }},
		{"router off", Durable, func(b *bench, o Options) *bench {
			b.stop()
			time.Sleep(time.Hour)
			return open(b.T, b.disk, o)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := Options{}
				b := open(t, newFlash(), o)
				for i, ttl := range []time.Duration{time.Minute, 2 * time.Hour, 0, time.Nanosecond} {
					e := event(c.class, fmt.Sprint(i))
					if ttl > 0 {
						e = limitedEvent(c.class, fmt.Sprint(i), ttl)
					}
					b.Put(e, nil)
				}
				time.Sleep(2 * time.Second)
				b = c.wait(b, o)
				names, left := b.fresh()
				if !slices.Equal(names, []string{"1", "2"}) {
					t.Fatalf("%v are sent", names)
				}
				if left[0] > time.Hour || left[0] < 59*time.Minute || left[1] != 0 {
					t.Errorf("%v are left", left)
				}
				if st := b.State(); st.Expired != 2 || st.Events != 0 || st.Dropped.Events != 0 {
					t.Errorf("%+v", st)
				}
			})
		})
	}
}

// After a restart with a clock that is slow, the time that the router was off is unknown: events with a limit expire.
func TestExpireWithoutClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, newFlash(), Options{})
		b.Put(limitedEvent(Durable, "ahead", time.Hour), nil)
		b.Put(limitedEvent(Durable, "behind", time.Hour), nil)
		b.Put(limitedEvent(Durable, "same", time.Hour), nil)
		b.mu.Lock()
		for e := b.lanes[Durable].front; e != nil; e = e.next {
			switch e.Topic { // as if the time of day had been another one
			case "com.example.ahead":
				e.until -= (2 * time.Hour).Milliseconds()
			case "com.example.behind":
				e.until += (2 * time.Hour).Milliseconds()
			}
		}
		b.mu.Unlock()
		time.Sleep(time.Second)
		b = b.again(Options{})
		if names, _ := b.fresh(); !slices.Equal(names, []string{"same"}) || b.State().Expired != 2 {
			t.Errorf("%v are sent, %+v", names, b.State())
		}
	})
}

// A held event whose time is over is not sent, and the next one of its topic tests it.
func TestExpireHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, newFlash(), Options{})
		for _, ttl := range []time.Duration{time.Minute, time.Minute, 2 * time.Hour} {
			e := limitedEvent(Disk, "a", ttl)
			b.Put(e, nil)
		}
		b.reject(10)
		b.poll(10) // they move to the held ones
		time.Sleep(time.Hour)
		b = b.again(Options{})
		b.Retry()
		for i := range 3 {
			events := b.poll(10)
			if len(events) != 1 || !events[0].Probe {
				t.Fatalf("step %d: %+v", i, events)
			}
			if _, over := events[0].Left(); over != (i < 2) {
				t.Errorf("event %d is over: %v", i, over)
			}
			if i < 2 {
				b.Expire(events[0].Sequence)
			} else {
				b.Ack(events[0].Sequence)
			}
			b.consistent()
		}
		if st := b.State(); st.Events != 0 || st.Held.Events != 0 || st.Expired != 2 {
			t.Errorf("%+v", st)
		}
		b.Expire(77) // it is not in flight
	})
}
