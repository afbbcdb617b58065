package spool

import (
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// A full spool drops held events first, the oldest first, written or not.
func TestHeldEventsAreDroppedFirst(t *testing.T) {
	for _, write := range []bool{false, true} {
		for _, drop := range []Drop{Oldest, Newest} {
			synctest.Test(t, func(t *testing.T) {
				const size = 1000 - cost - 3
				b := open(t, newFlash(), Options{MaxOctets: 20_000, Drop: drop})
				b.hold("a.b", 10, size, write)
				b.hold("a.c", 5, size, write)
				for range 5 {
					b.Put(of(Memory, "x.y", size), nil)
				}
				if b.State().Dropped.Events != 0 {
					t.Fatal("events are dropped before the spool is full")
				}
				b.consistent()
				b.Put(of(Memory, "x.y", size), nil)
				b.consistent()
				st := b.State()
				if st.Dropped.Events == 0 || st.Dropped.Runs != 1 || b.heldEvents("a.b") != 10-int(st.Dropped.Events) || b.heldEvents("a.c") != 5 {
					t.Errorf("written %v: %+v, %+v", write, st, b.HeldTopics(9))
				}
				for range 30 {
					b.Put(of(Memory, "x.y", size), nil)
					b.consistent()
				}
				if st = b.State(); st.Held.Topics != 0 || st.Octets > 20_000+3*cost {
					t.Errorf("written %v: %+v", write, st)
				}
			})
		}
	}
}

// Held events age, in memory and on disk.
func TestHeldEventsExpire(t *testing.T) {
	for _, write := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			o := Options{MaxAge: time.Hour, SpillAfter: 24 * time.Hour}
			if write {
				o.SpillAfter = time.Second
			}
			b := open(t, newFlash(), o)
			b.hold("a.b", 3, 100, write)
			time.Sleep(50 * time.Minute)
			if b.hold("a.c", 3, 100, write); b.State().Held.Events != 6 {
				t.Errorf("written %v: %+v", write, b.State())
			}
			time.Sleep(15 * time.Minute)
			b.consistent()
			if b.heldEvents("a.b") != 0 && !write || b.heldEvents("a.c") != 3 {
				t.Errorf("written %v: %+v", write, b.HeldTopics(9))
			}
			time.Sleep(time.Hour)
			b.consistent()
			if st := b.State(); st.Held.Events != 0 || st.Dropped.Events != 6 || !strings.HasPrefix(b.waiting()[0], "gap:age:") {
				t.Errorf("written %v: %+v, %q", write, st, b.waiting())
			}
		})
	}
}

// An operator drops the events of one topic, or of all. A crash does not restore them.
func TestDiscardHeld(t *testing.T) {
	for _, write := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			b := open(t, newFlash(), Options{})
			b.hold("a.b", 3, 100, write)
			b.hold("a.c", 2, 100, write)
			b.hold("a.b.c", 4, 100, write)
			b.Retry()
			b.poll(10) // the first events are in flight
			if n := b.DiscardHeld("x.y"); n != 0 || b.State().Dropped.Runs != 0 {
				t.Errorf("%d events of an unknown topic are dropped", n)
			}
			if n := b.DiscardHeld("a.b"); n != 3 {
				t.Errorf("%d dropped", n)
			}
			b.consistent()
			if b.heldEvents("a.b") != 0 || b.heldEvents("a.c") != 2 || b.State().Dropped.Events != 3 {
				t.Errorf("%+v", b.HeldTopics(9))
			}
			time.Sleep(3 * time.Second)
			killed := open(t, b.disk.kill(), Options{})
			killed.consistent()
			if killed.heldEvents("a.b") != 0 || killed.heldEvents("a.c") != 2 || killed.heldEvents("a.b.c") != 4 {
				t.Errorf("after a crash: %+v", killed.HeldTopics(9))
			}
			if n := b.DiscardHeld(""); n != 6 || b.State().Held.Events != 0 {
				t.Errorf("%d dropped", n)
			}
			if held := b.waiting(); !slices.Equal(held, []string{"gap:operator:9"}) {
				t.Errorf("%q", held)
			}
			b.ack(b.poll(10)...)
			b.consistent()
			b.stop()
			if files := b.disk.files(); len(files) != 0 {
				t.Errorf("%v are left", files)
			}
		})
	}
}

// Discard drops held events before others and oldest first, also while they are in flight.
func TestDiscardBeginsWithHeldEvents(t *testing.T) {
	for _, write := range []bool{false, true} {
		for _, flight := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				b := open(t, newFlash(), Options{})
				b.hold("com.example.a", 3, 100, write)
				b.hold("com.example.b", 3, 100, write)
				b.put(Disk, "x", "y")
				if flight {
					b.Retry()
					b.poll(1)
				}
				if n := b.Discard(4); n != 4 || b.heldEvents("com.example.a") != 0 || b.heldEvents("com.example.b") != 2 {
					t.Errorf("%d dropped, %+v", n, b.HeldTopics(9))
				}
				b.consistent()
				if n := b.Discard(3); n != 3 || b.State().Held.Topics != 0 {
					t.Errorf("%d dropped, %+v", n, b.State())
				}
				b.consistent()
				if st := b.State(); st.Dropped.Events != 7 || st.Events != 3 {
					t.Errorf("%+v: %q", st, b.waiting())
				}
				b.ack(b.poll(10)...)
				if b.consistent(); b.State().Events != 0 {
					t.Errorf("%+v", b.State())
				}
			})
		}
	}
}

// Too many topics, or too long names of theirs: the topics that have been held longest are dropped, and leave a gap.
func TestHeldNamesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, newFlash(), Options{MaxMemory: 32 << 20})
		for i := range 4 {
			b.hold(fmt.Sprint(i)+strings.Repeat("x", maxHeldNames/4-1), 2, 10, false)
		}
		if b.State().Dropped.Runs != 0 || b.State().Held.Topics != 4 {
			t.Fatalf("%+v", b.State().Held)
		}
		b.hold("one.more", 2, 10, false)
		if st := b.State(); st.Held.Topics != 1 || st.Held.Topic != "one.more" || st.Dropped.Events != 8 || st.Dropped.Runs != 1 {
			t.Errorf("%+v", st.Dropped)
		}
	})
}

// Files of which little is still held do not grow without bound.
func TestHeldFilesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := Options{MaxOctets: 64 << 10}
		b := open(t, newFlash(), o)
		b.Put(of(Disk, "keep", 10), nil)
		b.Hold(b.poll(1)[0].Sequence, rejected)
		for range 60 {
			b.Put(of(Disk, "keep", 10), nil)
			b.hold("go", 40, 20, true)
			for tries := 0; b.heldEvents("go") > 0; tries++ {
				if tries > 100 {
					t.Fatalf("the events of a topic never come: %+v", b.HeldTopics(9))
				}
				b.Retry()
				for _, e := range b.poll(100) {
					if e.Topic == "go" {
						b.Ack(e.Sequence)
					} else {
						b.Hold(e.Sequence, rejected)
					}
				}
			}
			time.Sleep(3 * time.Second)
			b.consistent()
			if files := b.State().Files; files > 2*o.MaxOctets {
				t.Fatalf("files of %d bytes", files)
			}
		}
		if st := b.State(); st.Dropped.Events == 0 || st.Held.Events+int(st.Dropped.Events) != 61 {
			t.Errorf("%+v", st)
		}
	})
}

// While the disk is unusable, held events are dropped from full memory, oldest first.
func TestHeldEventsInFullMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, newFlash(), Options{MaxMemory: 10_000})
		b.disk.breakDown(syscall.EROFS)
		for i := range 30 {
			b.Put(of(Disk, "a.b", 1000-cost-3), nil)
			b.Put(of(Disk, fmt.Sprint("x.n", i), 100), nil)
			for _, e := range b.poll(10) {
				if e.Topic == "a.b" {
					b.Hold(e.Sequence, rejected)
				} else {
					b.Ack(e.Sequence)
				}
			}
			time.Sleep(3 * time.Second)
			b.consistent()
			if b.memoryOnly > 10_000+cost {
				t.Fatalf("%d bytes in memory", b.memoryOnly)
			}
		}
		st := b.State()
		if st.Held.Events < 5 || st.Held.Events+int(st.Dropped.Events) != 30 || st.Alarm == "" {
			t.Errorf("%+v", st)
		}
		b.disk.breakDown(nil)
		time.Sleep(time.Minute)
		b.consistent()
		if after := b.State(); after.Held.Events != st.Held.Events || after.OnDisk < st.Held.Events {
			t.Errorf("%+v", after)
		}
	})
}

// Events of class Memory fill the memory, and the first event in line must become a held one. It finds room, and the
// events after it do not wait.
func TestHeldEventsBehindMemoryEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, newFlash(), Options{MaxMemory: 10_000, SpillAfter: time.Second})
		b.Put(of(Disk, "a.b", 100), nil)
		b.Hold(b.poll(1)[0].Sequence, rejected)
		b.Put(of(Disk, "a.b", 1000), nil)
		time.Sleep(10 * time.Second) // it is on disk
		for range 100 {
			b.Put(of(Memory, "x.memory", 200-cost-8), nil)
		}
		b.Put(of(Durable, "x.durable", 100), nil)
		time.Sleep(10 * time.Second)
		got := b.poll(200)
		if !slices.ContainsFunc(got, func(e Event) bool { return e.Topic == "x.durable" }) {
			t.Errorf("%d events are sent of %+v", len(got), b.State())
		}
		b.consistent()
	})
}

// A later event replaces the held events of its topic. These leave without a gap, even across a restart, and their
// publishers get no error.
func TestSupersede(t *testing.T) {
	for _, written := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			b := open(t, newFlash(), Options{RetryFirst: time.Hour})
			b.hold("a.other", 2, 100, written)
			b.hold("a.b", 3, 100, written)
			stored := make(chan error, 1)
			b.Put(of(Durable, "a.b", 200), func(err error) { stored <- err })
			b.poll(1) // it is held after the others
			b.Supersede("a.b")
			b.Supersede("a.unknown")
			if err := <-stored; err != nil {
				t.Error(err)
			}
			b.Put(of(Durable, "a.b", 300), nil)
			if events := b.poll(1); len(events) != 1 || len(events[0].Payload.Raw) != 300 || events[0].Held {
				t.Errorf("%+v", events)
			}
			st := b.State()
			if st.Events != 3 || st.Held.Events != 2 || st.Dropped != (Drops{}) || b.heldEvents("a.b") != 0 {
				t.Errorf("%+v", st)
			}
			b.consistent()
			again := b.again(Options{})
			if st := again.State(); st.Events != 3 || again.heldEvents("a.other") != 2 || again.heldEvents("a.b") != 0 || st.Dropped != (Drops{}) {
				t.Errorf("%+v", st)
			}
		})
	}
}
