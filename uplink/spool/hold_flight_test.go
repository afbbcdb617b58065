package spool

import (
	"testing"
	"testing/synctest"
	"time"
)

// Held events are dropped, oldest first, while some are in flight, of this attempt or an earlier one. A late answer to a dropped
// event has no effect, and the others are delivered.
func TestHeldEventsInFlightAreDropped(t *testing.T) {
	const size = 1000 - cost - 3
	answers := map[string]func(b *bench, e Event){
		"accepted": func(b *bench, e Event) { b.Ack(e.Sequence) },
		"rejected": func(b *bench, e Event) { b.Hold(e.Sequence, rejected) },
	}
	for _, write := range []bool{false, true} {
		for _, rewind := range []bool{false, true} {
			for name, answer := range answers {
				synctest.Test(t, func(t *testing.T) {
					b := open(t, newFlash(), Options{MaxOctets: 20_000})
					b.hold("a.b", 5, size, write)
					b.hold("a.c", 5, size, false)
					b.Retry()
					under := b.poll(10) // a probe of each topic
					if len(under) != 2 {
						t.Fatalf("%+v", under)
					}
					if rewind {
						b.Rewind()
					}
					for n := 10; n < 28; n++ {
						b.Put(of(Memory, "x.y", size), nil)
						b.consistent()
					}
					st := b.State()
					if st.Dropped.Events == 0 || b.heldEvents("a.b") == 5 || st.Dropped.Events > 10 {
						t.Errorf("written %v, rewound %v: %+v", write, rewind, st)
					}
					for _, e := range under {
						answer(b, e)
						b.consistent()
					}
					time.Sleep(5 * time.Second)
					b.consistent()
					for tries := 0; b.State().Events > 0; tries++ {
						if tries > 100 {
							t.Fatalf("written %v, rewound %v, %s: events are left: %+v", write, rewind, name, b.State())
						}
						b.Retry()
						b.ack(b.poll(100)...)
						b.consistent()
					}
				})
			}
		}
	}
}

// The last event of a topic is acknowledged or dropped in each of its states: the topic is no longer held, and its next event is
// sent like any other.
func TestTopicIsNoLongerHeld(t *testing.T) {
	for name, end := range map[string]func(b *bench){
		"accepted":                   func(b *bench) { b.Retry(); b.ack(b.poll(1)...) },
		"accepted after a reconnect": func(b *bench) { b.Retry(); e := b.poll(1); b.Rewind(); b.ack(e...) },
		"dropped":                    func(b *bench) { b.DiscardHeld("a.b") },
		"dropped while due":          func(b *bench) { b.Retry(); b.DiscardHeld("a.b") },
		"dropped while in flight":    func(b *bench) { b.Retry(); b.poll(1); b.DiscardHeld("a.b") },
		"dropped as the first":       func(b *bench) { b.Discard(1) },
		"dropped as the first, due":  func(b *bench) { b.Retry(); b.Discard(1) },
		"dropped, then accepted":     func(b *bench) { b.Retry(); e := b.poll(1); b.DiscardHeld("a.b"); b.ack(e...) },
	} {
		for _, write := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				b := open(t, newFlash(), Options{})
				b.hold("a.b", 1, 10, write)
				end(b)
				b.consistent()
				if st := b.State().Held; st.Topics != 0 || st.Events != 0 || st.Octets != 0 {
					t.Errorf("%s, written %v: %+v", name, write, st)
				}
				b.ack(b.poll(10)...) // a gap
				b.Put(of(Disk, "a.b", 11), nil)
				if events := b.poll(10); len(events) != 1 || events[0].Held || events[0].Probe || len(events[0].Payload.Raw) != 11 {
					t.Errorf("%s, written %v: then %+v", name, write, events)
				}
				if n := b.Retry(); n != 0 {
					t.Errorf("%s, written %v: %d events are retried", name, write, n)
				}
			})
		}
	}
}

// As many topics as may be are held; one more drops those that have been held longest.
func TestHeldTopicsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, newFlash(), Options{})
		name := func(n int) string {
			return "t." + string(rune('a'+n/676)) + string(rune('a'+n/26%26)) + string(rune('a'+n%26))
		}
		for n := range maxHeldTopics {
			b.Put(of(Disk, name(n), 1), nil)
		}
		b.Put(of(Disk, "one.more", 1), nil)
		reject := func(n int) {
			for n > 0 {
				for _, e := range b.next(b.after(), n) {
					b.Hold(e.Sequence, rejected)
					n--
				}
			}
		}
		reject(maxHeldTopics)
		if st := b.State(); st.Held.Topics != maxHeldTopics || st.Dropped.Runs != 0 {
			t.Errorf("%+v", st)
		}
		reject(1)
		if st := b.State(); st.Held.Topics >= maxHeldTopics || st.Held.Topics < maxHeldTopics*3/4 || st.Held.Topic == name(0) || int(st.Dropped.Events)+st.Held.Topics != maxHeldTopics+1 {
			t.Errorf("%+v", st)
		}
	})
}
