package spool

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// A held topic has events on disk and a later one in memory, which is dropped. The ones on disk are sent once the far side
// accepts the topic, in order, and the events of other topics do not wait for them.
func TestHeldEventIsDroppedAfterThoseOnDisk(t *testing.T) {
	for files := 1; files <= 3; files++ {
		for name, makeRoom := range map[string]func(b *bench){
			"full memory": func(b *bench) {
				b.Put(of(Memory, "x.memory", 18_000), nil)
			},
			"by age": func(b *bench) {
				b.mu.Lock()
				defer b.unlockAndCall()
				b.dropTail(ByAge)
			},
		} {
			synctest.Test(t, func(t *testing.T) {
				b := open(t, newFlash(), Options{MaxMemory: 20_000, MaxOctets: 64 << 10, RetryFirst: time.Hour}) // files of 4 KiB
				b.hold("a.b", 1, 5000, true)
				for range files - 1 {
					b.Put(of(Disk, "a.b", 5000), nil)
					b.poll(10)
					time.Sleep(3 * time.Second) // writes it
				}
				if b.heldFiles() != files {
					t.Fatalf("files %q", b.disk.files())
				}
				b.Put(of(Disk, "a.b", 4000), nil)
				b.poll(10) // moves it
				makeRoom(b)
				b.consistent()
				if st := b.State(); st.Held.Events != files || st.Dropped.Events != 1 {
					t.Fatalf("%s: %+v", name, st)
				}
				b.Put(of(Disk, "x.other", 1), nil)
				b.Put(of(Disk, "a.b", 2000), nil)
				b.Rewind()
				b.Retry()
				var sizes []int
				other := false
				for range 10 {
					for _, e := range b.poll(100) {
						if e.Topic == "a.b" {
							sizes = append(sizes, len(e.Payload.Raw))
						}
						other = other || e.Topic == "x.other"
						b.Ack(e.Sequence)
					}
				}
				want := append(slices.Repeat([]int{5000}, files), 2000)
				if !slices.Equal(sizes, want) || !other {
					t.Errorf("%s: %v are sent, want %v; the other topic: %v; %+v", name, sizes, want, other, b.State())
				}
				b.consistent()
				if st := b.State(); st.Events != 0 || st.Held.Topics != 0 {
					t.Errorf("%s: %+v", name, st)
				}
			})
		}
	}
}

// A held event that is stored is not dropped if events of class Memory fill memory before it is written to the held ones.
func TestStoredEventIsHeldInFullMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, newFlash(), Options{MaxMemory: 20_000, RetryFirst: time.Hour})
		b.hold("com.example.a", 1, 100, true)
		if err := b.store("a"); err != nil {
			t.Fatal(err)
		}
		b.poll(10) // moves it
		b.Put(of(Memory, "x.memory", 20_000-cost-8), nil)
		b.consistent()
		if n := b.heldEvents("com.example.a"); n != 2 {
			t.Errorf("%d events are held: %+v", n, b.State())
		}
		b.ack(b.poll(10)...)
		b.Retry()
		b.ack(b.poll(10)...)
		b.ack(b.poll(10)...)
		b.consistent()
		if st := b.State(); st.Events != 0 || st.Dropped.Events > 1 {
			t.Errorf("%+v", st)
		}
	})
}

// Next returns although the number of held events to send is wrong, and other topics are sent.
func TestHeldEventsThatCannotBeFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, newFlash(), Options{MaxOctets: 64 << 10, RetryFirst: time.Hour})
		b.hold("a.b", 1, 5000, true)
		for range 2 { // a file each
			b.Put(of(Disk, "a.b", 5000), nil)
			b.poll(10)
			time.Sleep(3 * time.Second)
		}
		b.mu.Lock()
		b.held.front.returned = b.held.front.last
		b.mu.Unlock()
		b.Retry()
		b.Put(of(Disk, "x.other", 1), nil)
		if got := b.poll(10); len(got) != 1 || got[0].Topic != "x.other" {
			t.Errorf("%+v", got)
		}
	})
}

// An event must become a held one while the memory is full of events that are being written. Next continues once they
// are written.
func TestHeldEventWaitsForTheDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, newFlash(), Options{MaxMemory: 10_000, RetryFirst: time.Hour})
		b.hold("a.b", 1, 10, true)
		b.Put(of(Disk, "a.b", 1000), nil)
		time.Sleep(3 * time.Second) // writes it
		b.disk.setFault(func(op string) error {
			if op == "sync" {
				time.Sleep(time.Second)
			}
			return nil
		})
		b.Put(of(Disk, "x.y", 10_000-cost-3), nil)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if events, err := b.Next(ctx, b.after(), 10); err != nil || events[0].Topic != "x.y" {
			t.Errorf("%+v, %v, of %+v", events, err, b.State())
		}
		b.consistent()
	})
}

// The far side rejects an event that was sent after the last held one of its topic, and answers it first: the topic
// stays held.
func TestTopicStaysHeldForRejectedEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, newFlash(), Options{RetryFirst: time.Hour})
		b.hold("a.b", 2, 10, true)
		b.Retry()
		b.ack(b.poll(1)...)
		last := b.poll(1)
		b.Put(of(Disk, "a.b", 11), nil)
		b.Hold(b.poll(1)[0].Sequence, rejected)
		b.Put(of(Disk, "a.b", 12), nil)
		b.ack(last...)
		if events := b.poll(10); len(events) != 0 || b.heldEvents("a.b") != 2 {
			t.Errorf("%+v is sent of %+v", events, b.State())
		}
		b.Retry()
		events := b.poll(1)
		b.ack(events...)
		events = append(events, b.poll(10)...)
		if len(events) != 2 || len(events[0].Payload.Raw) != 11 {
			t.Errorf("%+v", events)
		}
		b.ack(events...)
		b.consistent()
		if st := b.State(); st.Events != 0 || st.Held.Topics != 0 {
			t.Errorf("%+v", st)
		}
	})
}

// Memory and files are too small while the far side rejects some topics. Each event is acknowledged or counted as
// dropped, those of a topic are delivered in order, and none is left.
func TestHeldTopicsInSmallSpool(t *testing.T) {
	for seed := range uint64(40) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 3))
			o := Options{MaxMemory: 8_000 << r.IntN(3), MaxOctets: 32 << 10 << r.IntN(3), SpillAfter: time.Duration(1+r.IntN(2000)) * time.Millisecond}
			b := open(t, newFlash(), o)
			topics, bad := []string{"t.a", "t.b", "t.c", "t.d"}, make(map[string]bool)
			put, acked, last := 0, 0, make(map[string]uint64)
			answer := func(e Event) {
				if bad[e.Topic] && b.Hold(e.Sequence, []string{rejected, ReasonCloses}[r.IntN(2)]) {
					return
				}
				synctest.Wait()
				before := b.State().Events
				if b.Ack(e.Sequence); b.State().Events == before || e.Gap != nil {
					return // dropped meanwhile
				}
				if acked++; bad[e.Topic] {
					return // rejected, of class Memory
				}
				if e.Sequence <= last[e.Topic] {
					t.Errorf("seed %d: %d of %s comes after %d", seed, e.Sequence, e.Topic, last[e.Topic])
				}
				last[e.Topic] = e.Sequence
			}
			for range 1500 {
				b.consistent()
				switch n := r.IntN(100); {
				case n < 60:
					i := r.IntN(len(topics))
					put++
					b.Put(of([]Class{Memory, Disk, Durable, Class(r.IntN(3))}[i], topics[i], r.IntN(3000)), nil)
				case n < 80:
					for _, e := range b.poll(1 + r.IntN(20)) {
						answer(e)
					}
				case n < 85:
					bad[topics[r.IntN(len(topics))]] = r.IntN(2) == 0
				case n < 87:
					b.Rewind()
				case n < 90:
					b.Retry()
				default:
					time.Sleep(time.Duration(r.IntN(1500)) * time.Millisecond)
				}
			}
			clear(bad)
			for range 5000 {
				b.Retry()
				for _, e := range b.poll(20) {
					answer(e)
				}
				if b.State().Events == 0 {
					break
				}
			}
			b.consistent()
			if st := b.State(); st.Events > 0 || acked+int(st.Dropped.Events) != put {
				t.Errorf("seed %d: %d events were put, %d acknowledged: %+v", seed, put, acked, st)
			}
		})
	}
}
