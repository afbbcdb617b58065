package spool

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"runnel/edge/codec"
)

const rejected = "wamp.error.not_authorized"

// poll returns up to n events without waiting.
func (b *bench) poll(n int) (events []Event) {
	b.Helper()
	for {
		ctx, cancel := context.WithTimeout(b.Context(), time.Millisecond)
		more, err := b.Next(ctx, b.after(), n-len(events))
		cancel()
		if err != nil {
			b.consistent()
			return events
		}
		if events = append(events, more...); len(events) >= n {
			if len(events) > n {
				b.Errorf("%d events are returned, at most %d were asked for", len(events), n)
			}
			return events
		}
	}
}

// after is the number of the last event that Next has returned from a lane.
func (b *bench) after() uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.returned
}

// reject takes up to n events and rejects them. It returns their names.
func (b *bench) reject(n int) (names []string) {
	b.Helper()
	for _, e := range b.poll(n) {
		names = append(names, b.name(e))
		if !b.Hold(e.Sequence, rejected) {
			b.Errorf("%s is not held", e.Topic)
		}
	}
	b.consistent()
	return names
}

// of returns an event of a topic with a payload of size bytes.
func of(class Class, topic string, size int) Event {
	return Event{Class: class, Topic: topic, Payload: codec.Payload{Items: 1, Raw: make([]byte, size)}}
}

// hold puts n events of a topic and rejects them. With write, it waits until they are written.
func (b *bench) hold(topic string, n, size int, write bool) {
	b.Helper()
	for range n {
		b.Put(of(Disk, topic, size), nil)
	}
	for events := b.poll(1000); len(events) > 0; events = b.poll(1000) {
		for _, e := range events {
			b.Hold(e.Sequence, rejected)
		}
	}
	if write {
		time.Sleep(3 * time.Second)
	}
	if held := b.heldEvents(topic); held != n {
		b.Fatalf("%d events of %s are held, want %d", held, topic, n)
	}
	b.consistent()
}

func (b *bench) heldEvents(topic string) int {
	for _, t := range b.HeldTopics(1 << 20) {
		if t.Topic == topic {
			return t.Events
		}
	}
	return 0
}

// Events of class Memory and gaps are not held. An event that is not in flight is not an error.
func TestNotHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, newFlash(), Options{})
		b.put(Memory, "m")
		b.put(Disk, "d")
		b.Discard(1)
		events := b.next(0, 10)
		if len(events) != 2 || events[0].Topic != "com.example.d" || events[1].Gap == nil {
			t.Fatalf("%+v", events)
		}
		if b.Hold(events[1].Sequence, rejected) {
			t.Error("a gap is held")
		}
		if !b.Hold(12345, rejected) || b.State().Held.Topics != 0 {
			t.Error("an unknown event is held")
		}
		b.put(Memory, "m")
		if m := b.poll(1); b.Hold(m[0].Sequence, rejected) {
			t.Error("an event of class memory is held")
		}
		for range 2 {
			if !b.Hold(events[0].Sequence, rejected) || b.State().Held.Topics != 1 {
				t.Error("an event of class disk is not held")
			}
		}
		b = open(t, nil, Options{})
		b.put(Disk, "d")
		if b.Hold(b.next(0, 1)[0].Sequence, rejected) {
			t.Error("an event is held without a disk")
		}
	})
}

// State and HeldTopics name the topics in the order in which they were held.
func TestHeldTopics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, newFlash(), Options{})
		start := time.Now()
		b.hold("a.b", 3, 100, false)
		b.hold("a.c", 2, 200, false)
		st := b.State().Held
		if want := (Held{Topics: 2, Events: 5, Octets: 3*(3+100+cost) + 2*(3+200+cost), Topic: "a.b", Reason: rejected}); st != want {
			t.Errorf("%+v, want %+v", st, want)
		}
		list := b.HeldTopics(10)
		if len(list) != 2 || list[0].Topic != "a.b" || list[1].Topic != "a.c" || list[1].Events != 2 || list[1].Octets != 2*(3+200+cost) ||
			list[0].Reason != rejected || list[0].Since.Before(start) {
			t.Errorf("%+v", list)
		}
		if list = b.HeldTopics(1); len(list) != 1 || list[0].Topic != "a.b" {
			t.Errorf("%+v", list)
		}
		if n := b.Retry(); n != 5 {
			t.Errorf("%d events are retried", n)
		}
		b.ack(b.poll(10)...)
		b.ack(b.poll(10)...)
		if st := b.State(); st.Held.Topics != 0 || st.Events != 0 || st.Held.Reason != "" || strings.Count(b.log.String(), "topic no longer held") != 2 {
			t.Errorf("%+v\n%s", st, &b.log)
		}
	})
}

// At most 20 held topics are logged per minute. The next line has the number of suppressed ones.
func TestHeldTopicsAreLoggedSparingly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, newFlash(), Options{})
		for i := range 30 {
			b.hold(fmt.Sprint("topic.n", i), 1, 10, false)
		}
		if n := strings.Count(b.log.String(), "topic held"); n != 20 {
			t.Errorf("%d lines:\n%s", n, &b.log)
		}
		time.Sleep(2 * time.Minute)
		b.hold("topic.last", 1, 10, false)
		if text := b.log.String(); strings.Count(text, "topic held") != 21 || !strings.Contains(text, "suppressed=10") {
			t.Errorf("no line about 10 suppressed ones:\n%s", text)
		}
		b.hold("topic.verylast", 1, 10, false)
		if n := strings.Count(b.log.String(), "suppressed="); n != 1 {
			t.Errorf("%d lines about suppressed ones", n)
		}
	})
}

// With RetryOne, each retry is of one topic, in turn. A success is followed by the next at once.
func TestRetryOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, newFlash(), Options{RetryOne: true, RetryFirst: 10 * time.Second, RetryLast: 80 * time.Second})
		for _, name := range []string{"a", "b", "c"} {
			b.put(Disk, name, name)
		}
		b.reject(6)
		b.reject(6)
		if st := b.State().Held; st.Topics != 3 || st.Events != 6 {
			t.Fatalf("%+v", st)
		}
		for round, want := range []string{"a", "b", "c", "a", "b"} {
			asked := time.Now()
			events := b.next(b.after(), 10)
			if len(events) != 1 || b.name(events[0]) != want || !events[0].Probe {
				t.Fatalf("round %d: %+v", round, events)
			}
			if wait := time.Since(asked); wait < 10*time.Second || wait > 30*time.Second {
				t.Errorf("round %d: retried after %v", round, wait)
			}
			b.Hold(events[0].Sequence, rejected)
			b.consistent()
		}
		events := b.next(b.after(), 10)
		b.ack(events...)
		asked := time.Now()
		var names []string
		for len(names) < 2 {
			for _, e := range b.next(b.after(), 10) {
				names = append(names, b.name(e))
				b.Ack(e.Sequence)
			}
		}
		if time.Since(asked) > time.Second || !slices.Contains(names, "c") || !slices.Contains(names, "a") {
			t.Errorf("%q after %v", names, time.Since(asked))
		}
	})
}

// The pause between retries doubles up to RetryLast. Retry and a success reset it.
func TestRetryPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, newFlash(), Options{RetryFirst: 4 * time.Second, RetryLast: 15 * time.Second})
		b.put(Disk, "a")
		b.reject(1)
		b.poll(1)
		for _, want := range []time.Duration{4, 8, 15, 15} {
			asked := time.Now()
			e := b.next(b.after(), 1)[0]
			if wait := time.Since(asked); wait < want*time.Second-100*time.Millisecond || wait > want*time.Second+100*time.Millisecond || !e.Probe || !e.Held {
				t.Errorf("retried after %v, want %v", wait, want*time.Second)
			}
			b.Hold(e.Sequence, rejected)
		}
		b.Retry()
		b.Hold(b.poll(1)[0].Sequence, rejected)
		asked := time.Now()
		if b.next(b.after(), 1); time.Since(asked) > 5*time.Second {
			t.Errorf("after Retry the pause is %v", time.Since(asked))
		}
	})
}

// Once the first event of a topic is accepted, the others follow in order; new ones follow these.
func TestOpenTopic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, newFlash(), Options{})
		b.hold("com.example.x", 4, 10, true)
		b.Retry()
		probe := b.poll(10)
		if len(probe) != 1 || !probe[0].Probe {
			t.Fatalf("%+v", probe)
		}
		b.Put(of(Disk, "com.example.x", 11), nil)
		b.put(Disk, "other")
		if events := b.poll(10); len(events) != 1 || events[0].Topic != "com.example.other" {
			t.Fatalf("%+v", events)
		}
		b.ack(probe...)
		events := b.poll(10)
		if len(events) != 4 || !events[0].Held || events[0].Probe || len(events[3].Payload.Raw) != 11 {
			t.Fatalf("%+v", events)
		}
		b.Put(of(Disk, "com.example.x", 12), nil)
		last := b.poll(10)
		if len(last) != 1 || last[0].Held || len(last[0].Payload.Raw) != 12 {
			t.Fatalf("a new event of an open topic: %+v", last)
		}
		b.Rewind() // the events in flight are sent again, the first of the topic as a probe
		if events = b.next(0, 10); len(events) != 2 || !events[0].Probe || events[1].Topic != "com.example.other" {
			t.Fatalf("%+v", events)
		}
		b.ack(events...)
		events = b.poll(10)
		b.ack(events...)
		if len(events) != 4 || b.State().Events != 0 || b.State().Held.Topics != 0 {
			t.Errorf("%+v, %+v", events, b.State())
		}
	})
}

// Held events survive a crash once they are written, and their topic stays held.
func TestHeldEventsAfterACrash(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, newFlash(), Options{})
		b.hold("a.b", 3, 100, true)
		b.hold("a.c", 2, 100, true)
		b.Retry()
		events := b.poll(10)
		for _, e := range events {
			if e.Topic == "a.b" {
				b.Ack(e.Sequence)
			}
		}
		time.Sleep(3 * time.Second)
		b = open(t, b.disk.kill(), Options{})
		b.consistent()
		st := b.State()
		if b.heldEvents("a.b") != 2 || b.heldEvents("a.c") != 2 || st.Held.Octets != 4*(3+100+cost) || st.Events != 4 || st.OnDisk != 4 {
			t.Errorf("%+v, %+v", st, b.HeldTopics(9))
		}
		if !strings.Contains(b.log.String(), "held topics of an earlier run restored") || strings.Count(b.log.String(), "topic held") != 0 {
			t.Errorf("%s", &b.log)
		}
		if list := b.HeldTopics(1); list[0].Reason != rejected {
			t.Errorf("%+v", list)
		}
		b.ack(b.poll(10)...) // a probe each
		b.ack(b.poll(10)...)
		if b.consistent(); b.State().Events != 0 {
			t.Errorf("%+v", b.State())
		}
	})
}

// A commit of held events that fails is repeated. The publisher of a durable event gets the error, and no event is
// lost, duplicated or out of order.
func TestFailedCommitOfHeldEvents(t *testing.T) {
	for _, op := range []string{"write", "sync", "create", "syncdir", "later write", "later sync"} {
		synctest.Test(t, func(t *testing.T) {
			b := open(t, newFlash(), Options{Sync: time.Second})
			b.put(Disk, "a")
			b.reject(1)
			b.poll(1)
			op, later := strings.CutPrefix(op, "later ")
			if later {
				time.Sleep(3 * time.Second) // the segment exists
			}
			b.disk.setFault(func(o string) error {
				if o == op {
					return syscall.EIO
				}
				return nil
			})
			var heard []error
			e := event(Durable, "a")
			b.Put(e, func(err error) { heard = append(heard, err) })
			b.poll(1) // moves it, with its callback
			time.Sleep(10 * time.Second)
			b.consistent()
			if len(heard) != 1 || !errors.Is(heard[0], syscall.EIO) {
				t.Errorf("%s: the publisher gets %v", op, heard)
			}
			if st := b.State(); st.Alarm == "" || st.Held.Events != 2 {
				t.Errorf("%s: %+v", op, st)
			}
			b.disk.setFault(nil)
			time.Sleep(time.Minute)
			b.consistent()
			killed := open(t, b.disk.kill(), Options{})
			killed.consistent()
			if st := killed.State(); st.Held.Events != 2 || st.Events != 2 || st.Dropped.Runs != 0 || b.State().Alarm != "" {
				t.Errorf("%s: after a crash: %+v\n%s", op, st, &killed.log)
			}
			if n := len(heard); n != 1 {
				t.Errorf("%s: the publisher gets %d answers", op, n)
			}
		})
	}
}

// A durable event of a held topic is stored like any other.
func TestDurableEventOfAHeldTopic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, newFlash(), Options{})
		b.put(Disk, "a")
		b.reject(1)
		b.poll(1)
		var heard []error
		began := time.Now()
		b.Put(event(Durable, "a"), func(err error) {
			heard = append(heard, err)
			if wait := time.Since(began); wait < 90*time.Millisecond || wait > 200*time.Millisecond {
				t.Errorf("stored after %v", wait)
			}
		})
		b.poll(1)
		time.Sleep(5 * time.Second)
		b.consistent()
		if len(heard) != 1 || heard[0] != nil {
			t.Errorf("%v", heard)
		}
		if killed := open(t, b.disk.kill(), Options{}); killed.State().Held.Events != 2 {
			t.Errorf("%+v", killed.State())
		}
	})
}
