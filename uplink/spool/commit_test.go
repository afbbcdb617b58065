package spool

import (
	"context"
	"errors"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"runnel/edge/journal"
)

// during calls act once, during the next write. Events are committed at that time.
func (b *bench) during(act func()) {
	acted := false
	b.disk.setFault(func(op string) error {
		if op == "write" && !acted {
			acted = true
			act()
		}
		return nil
	})
	time.Sleep(5 * time.Second)
	if b.consistent(); !acted {
		b.Error("nothing was written")
	}
}

// Events are acknowledged, dropped and added while they are being written. Afterwards the spool has the remaining
// events, in memory and on disk.
func TestChangesDuringACommit(t *testing.T) {
	for name, c := range map[string]struct {
		act  func(b *bench, under []Event)
		want []string
	}{
		"nothing":              {func(*bench, []Event) {}, []string{"a", "b", "c", "d"}},
		"the first is gone":    {func(b *bench, under []Event) { b.ack(under[0]) }, []string{"b", "c", "d"}},
		"one of them is gone":  {func(b *bench, under []Event) { b.ack(under[1]) }, []string{"a", "c", "d"}},
		"those under way gone": {func(b *bench, under []Event) { b.ack(under...) }, []string{"c", "d"}},
		"one more":             {func(b *bench, _ []Event) { b.put(Disk, "e") }, []string{"a", "b", "c", "d", "e"}},
		"one more and one less": {func(b *bench, under []Event) {
			b.put(Disk, "e")
			b.ack(under[1])
		}, []string{"a", "c", "d", "e"}},
		"the first dropped": {func(b *bench, _ []Event) { b.Discard(1) }, []string{"b", "c", "d", "gap:operator:1"}},
		"all dropped":       {func(b *bench, _ []Event) { b.Discard(10) }, []string{"gap:operator:4"}},
	} {
		synctest.Test(t, func(t *testing.T) {
			b := open(t, newFlash(), Options{})
			b.put(Disk, "a", "b", "c", "d")
			under := b.next(0, 2)
			b.during(func() { c.act(b, under) })
			if got := b.waiting(); !slices.Equal(got, c.want) {
				t.Errorf("%s: %q, want %q", name, got, c.want)
			}
			// An event that was acknowledged before an earlier one may be delivered again.
			if got := open(t, b.disk.kill(), Options{}).waiting(); !includes(got, c.want) {
				t.Errorf("%s: after a crash %q, want %q", name, got, c.want)
			}
			if got := b.again(Options{}).waiting(); !includes(got, c.want) {
				t.Errorf("%s: after a restart %q, want %q", name, got, c.want)
			}
		})
	}
}

// includes reports whether all has some, in the same order.
func includes(all, some []string) bool {
	for _, name := range all {
		if len(some) > 0 && some[0] == name {
			some = some[1:]
		}
	}
	return len(some) == 0
}

// The same for held events.
func TestChangesDuringACommitOfHeldEvents(t *testing.T) {
	for name, c := range map[string]struct {
		act  func(b *bench, under []Event)
		b, c int // events held of each topic
		gaps uint64
	}{
		"nothing":        {act: func(*bench, []Event) {}, b: 3, c: 2},
		"accepted":       {act: func(b *bench, under []Event) { b.ack(under...) }, b: 2, c: 1},
		"rejected again": {act: func(b *bench, under []Event) { b.Hold(under[0].Sequence, rejected) }, b: 3, c: 2},
		"a reconnect":    {act: func(b *bench, _ []Event) { b.Rewind() }, b: 3, c: 2},
		"accepted after a reconnect": {act: func(b *bench, under []Event) {
			b.Rewind()
			b.ack(under[0])
		}, b: 2, c: 2},
		"a topic dropped": {act: func(b *bench, _ []Event) { b.DiscardHeld("a.b") }, c: 2, gaps: 1},
		"all dropped":     {act: func(b *bench, _ []Event) { b.DiscardHeld("") }, gaps: 1},
		"one dropped":     {act: func(b *bench, _ []Event) { b.Discard(1) }, b: 2, c: 2, gaps: 1},
		"one refused": {act: func(b *bench, _ []Event) {
			b.Put(of(Disk, "x.y", 1500), func(err error) {
				if !errors.Is(err, ErrFull) {
					b.Errorf("no room while all are being written: %v", err)
				}
			})
		}, b: 3, c: 2, gaps: 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			o := Options{MaxOctets: 2000}
			b := open(t, newFlash(), o)
			b.hold("a.b", 3, 100, false)
			b.hold("a.c", 2, 100, false)
			b.Retry()
			under := b.poll(10)
			b.during(func() { c.act(b, under) })
			check := func(when string, b *bench) {
				b.consistent()
				if st := b.State(); b.heldEvents("a.b") != c.b || b.heldEvents("a.c") != c.c || st.Events != c.b+c.c+int(c.gaps) {
					t.Errorf("%s: %s: %+v, %+v", name, when, st, b.HeldTopics(9))
				}
			}
			check("then", b)
			check("after a crash", open(t, b.disk.kill(), o))
			check("after a restart", b.again(o))
		})
	}
}

// A spool whose events are all in flight refuses another.
func TestAllInFlight(t *testing.T) {
	for _, limit := range []string{"the size", "the memory"} {
		synctest.Test(t, func(t *testing.T) {
			b := open(t, newFlash(), Options{MaxOctets: 5000, MaxMemory: 5000})
			if limit == "the memory" {
				b = open(t, newFlash(), Options{MaxOctets: 50_000, MaxMemory: 5000})
			}
			b.disk.breakDown(syscall.EIO)
			for range 5 {
				b.Put(of(Memory, "a.b", 1000-cost-3), nil)
			}
			under := b.poll(5)
			var err error
			b.Put(of(Memory, "a.b", 1000-cost-3), func(e error) { err = e })
			if b.consistent(); !errors.Is(err, ErrFull) || b.State().Dropped.Events != 1 {
				t.Errorf("beyond %s: %v, %+v", limit, err, b.State())
			}
			b.ack(under[0])
			b.Put(of(Memory, "a.b", 1000-2*cost-3), func(e error) { err = e })
			if b.consistent(); err != nil || b.State().Events != 6 { // and the gap
				t.Errorf("within %s: %v, %+v", limit, err, b.State())
			}
		})
	}
}

// Events that were only in memory are counted when the spool ends.
func TestLostAtTheEnd(t *testing.T) {
	for name, c := range map[string]struct {
		broken bool
		put    func(b *bench)
		want   string // a part of the log; "": no loss
	}{
		"nothing":               {put: func(b *bench) {}},
		"written in time":       {put: func(b *bench) { b.put(Disk, "a"); b.hold("a.b", 2, 10, false) }},
		"of class memory":       {put: func(b *bench) { b.put(Memory, "a", "b") }, want: "events=2"},
		"with a broken disk":    {broken: true, put: func(b *bench) { b.put(Disk, "a", "b", "c") }, want: "events=3"},
		"held":                  {broken: true, put: func(b *bench) { b.hold("a.b", 2, 10, false) }, want: "events=2"},
		"delivered in time":     {broken: true, put: func(b *bench) { b.put(Disk, "a"); b.ack(b.next(0, 1)...) }},
		"a gap counts for none": {put: func(b *bench) { b.put(Memory, "a"); b.Discard(1) }},
	} {
		synctest.Test(t, func(t *testing.T) {
			b := open(t, newFlash(), Options{})
			if c.broken {
				b.disk.breakDown(syscall.EIO)
			}
			c.put(b)
			b.stop()
			_, line, lost := strings.Cut(b.log.String(), "events lost that were in memory only")
			if lost != (c.want != "") || !strings.Contains(line, c.want) {
				t.Errorf("%s: log %s", name, &b.log)
			}
		})
	}
}

// Without MaxAge, events go to one file, whatever time passes between them. With MaxAge, a file spans an eighth of it.
func TestAgeOfFiles(t *testing.T) {
	for age, want := range map[time.Duration]int{0: 1, 80 * time.Hour: 1, 8 * time.Hour: 3} {
		synctest.Test(t, func(t *testing.T) {
			b := open(t, newFlash(), Options{MaxAge: age})
			for range 3 {
				b.put(Disk, "a")
				time.Sleep(time.Hour + time.Minute)
			}
			if b.consistent(); len(b.disk.files()) != want {
				t.Errorf("with MaxAge %v: files %v", age, b.disk.files())
			}
		})
	}
}

// The memory of a long record is given back.
func TestLongRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, newFlash(), Options{})
		for _, held := range []bool{false, true} {
			b.Put(of(Disk, "a.b", 3*commitOctets), nil)
			if held {
				b.Hold(b.poll(1)[0].Sequence, rejected)
			}
			time.Sleep(5 * time.Second)
			if synctest.Wait(); cap(b.writer.scratch) > 2*commitOctets {
				t.Errorf("held %v: %d bytes are kept", held, cap(b.writer.scratch))
			}
		}
	})
}

// While the disk works, Next waits without end for an event; it ends with its context.
func TestNextWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, newFlash(), Options{})
		ctx, cancel := context.WithTimeout(t.Context(), 10*idle)
		defer cancel()
		if events, err := b.Next(ctx, 0, 1); len(events) > 0 || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v, %v", events, err)
		}
		time.AfterFunc(3*idle, func() { b.put(Memory, "a") })
		if events, err := b.Next(t.Context(), 0, 1); len(events) != 1 || err != nil {
			t.Errorf("%v, %v", events, err)
		}
	})
}

// Events that are still in memory are not read back from the disk.
func TestNothingIsReadBackFromTheDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, newFlash(), Options{})
		for i := range 3 {
			b.put(Disk, all10("d")...)
			b.put(Durable, all10("s")...)
			time.Sleep(5 * time.Second)
			if n := len(b.waiting()); n != 20*(i+1) {
				t.Errorf("%d events are waiting", n)
			}
		}
		b.ack(b.next(0, 100)...)
		if st := b.State(); st.Events != 0 || b.disk.opened != 0 {
			t.Errorf("%+v; %d files were read", st, b.disk.opened)
		}
	})
}

// A failing disk is tested even without events to write. The alarm ends when the disk works again.
func TestIdleDiskIsTested(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, newFlash(), Options{})
		b.disk.breakDown(syscall.EIO)
		if err := b.store("a"); !errors.Is(err, syscall.EIO) {
			t.Errorf("stored on a broken disk: %v", err)
		}
		b.ack(b.next(0, 1)...)
		time.Sleep(2 * lastPause)
		if st := b.State(); st.Alarm == "" || st.Events != 0 {
			t.Errorf("%+v", st)
		}
		b.disk.breakDown(nil)
		time.Sleep(2 * lastPause)
		if st := b.State(); st.Alarm != "" {
			t.Errorf("%+v", st)
		}
		written := b.disk.wrote()
		time.Sleep(2 * idle)
		if n := b.disk.wrote() - written; n != 0 {
			t.Errorf("a disk that works is tested with %d bytes", n)
		}
		if b.consistent(); len(b.disk.files()) != 0 {
			t.Errorf("the test leaves %v", b.disk.files())
		}
	})
}

// A new event makes the oldest written ones leave memory at once, as far as necessary.
func TestWrittenEventsLeaveMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, newFlash(), Options{MaxMemory: 4000})
		put := func() { b.Put(of(Disk, "a.b", 1000-cost-3), nil) }
		for n := range 10 {
			put()
			if want := min(1000*int64(n+1), 4000); b.inMemory != want {
				t.Errorf("%d bytes in memory after %d events, want %d", b.inMemory, n+1, want)
			}
			time.Sleep(2 * time.Second)
			b.consistent()
		}
		if n := len(b.Peek(100)); n != 10 {
			t.Errorf("%d events are waiting", n)
		}
	})
}

// An event that was written twice, after a failed write, is one event.
func TestEventWrittenTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := newFlash()
		j, _, err := journal.OpenOn(disk, "/spool/disk", 1<<20, func(uint64, []byte) {})
		if err != nil {
			t.Fatal(err)
		}
		var records [][]byte
		for _, sequence := range []uint64{1, 2, 2, 1, 3} {
			e := event(Disk, string(rune('a'+sequence-1)))
			e.Epoch, e.Sequence = 7, sequence
			records = append(records, appendEvent(nil, &entry{Event: e}, 0))
		}
		if n, err := j.Append(all(records)); n != len(records) || err != nil {
			t.Fatal(n, err)
		}
		j.Close()
		b := open(t, disk, Options{})
		b.consistent()
		b.holds("a", "b", "c")
		if b.ack(b.next(0, 10)...); b.State().Events != 0 || b.State().Dropped.Runs != 0 {
			t.Errorf("%+v", b.State())
		}
		b.consistent()
	})
}

// A full disk on which room was made is written to at once, not only after the pause that follows a failure.
func TestRoomOnAFullDiskIsUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, newFlash(), Options{MaxMemory: 20_000, SpillAfter: 10 * time.Millisecond, Sync: 10 * time.Millisecond})
		b.disk.setRoom(14_000)
		for range 12 {
			b.Put(of(Disk, "a", 1000), nil)
		}
		time.Sleep(50 * time.Millisecond)
		for range 10 {
			b.Put(of(Disk, "a", 1000), nil)
		}
		time.Sleep(100 * time.Millisecond)
		if st := b.State(); st.Alarm != "" || st.Dropped.Events != 12 || st.OnDisk != 10 {
			t.Errorf("%+v", st)
		}
	})
}

// A segment is not dropped while it is written to.
func TestSegmentInUseIsNotDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, newFlash(), Options{MaxOctets: 4000})
		b.Put(of(Disk, "a", 1000), nil)
		time.Sleep(5 * time.Second)
		b.Put(of(Disk, "b", 1000), nil)
		b.during(func() {
			b.Put(of(Disk, "c", 3000), func(err error) {
				if !errors.Is(err, ErrFull) {
					t.Errorf("room was made while all events are in use: %v", err)
				}
			})
		})
		if st := b.State(); st.OnDisk != 2 || st.Dropped.Events != 1 {
			t.Errorf("%+v", st)
		}
	})
}
