package spool

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"runnel/edge/codec"
	"runnel/edge/wamp"
)

// bench is a spool with a running Run on a simulated disk, with simulated time.
type bench struct {
	*testing.T
	*Spool
	disk *flash
	stop func() // ends Run and waits for it
	log  strings.Builder
}

func open(t *testing.T, disk *flash, o Options) *bench {
	t.Helper()
	b := &bench{T: t, disk: disk}
	o.Log = slog.New(slog.NewTextHandler(&b.log, nil))
	if disk != nil {
		o.Dir, o.disk, o.MinFree = "/spool", disk, -1
	}
	s, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	b.Spool = s
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		s.Run(ctx)
		close(ended)
	}()
	b.stop = func() {
		cancel()
		<-ended
	}
	t.Cleanup(b.stop)
	return b
}

// again closes and reopens the spool.
func (b *bench) again(o Options) *bench {
	b.Helper()
	b.stop()
	return open(b.T, b.disk, o)
}

func (b *bench) put(class Class, names ...string) {
	for _, name := range names {
		b.Put(event(class, name), nil)
	}
}

func event(class Class, name string) Event {
	return Event{Class: class, Topic: "com.example." + name, Options: []byte("o" + name), Payload: codec.Payload{Serializer: wamp.CBOR, Items: 1, Raw: []byte("p" + name)}}
}

// store puts a durable event and waits for its callback.
func (b *bench) store(name string) error {
	said := make(chan error, 1)
	b.Put(event(Durable, name), func(err error) { said <- err })
	return <-said
}

// Peek returns only a few large events at a time, whatever number is requested.
func TestPeekIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, nil, Options{})
		for range 10 {
			e := event(Memory, "long")
			e.Payload.Raw = make([]byte, peekOctets/4)
			b.Put(e, nil)
		}
		if n := len(b.Peek(1000)); n < 4 || n > 5 {
			t.Errorf("%d events of %d bytes each are returned", n, peekOctets/4)
		}
	})
}

// waiting returns the names of the events in the spool; a gap is called gap:reason:count.
func (b *bench) waiting() (names []string) {
	b.Helper()
	for _, e := range b.Peek(1 << 20) {
		names = append(names, b.name(e))
	}
	return names
}

func (b *bench) name(e Event) string {
	b.Helper()
	if e.Gap != nil {
		return fmt.Sprintf("gap:%s:%d", e.Gap.Reason, e.Gap.Count)
	}
	name := strings.TrimPrefix(e.Topic, "com.example.")
	if want := event(e.Class, name); string(e.Options) != string(want.Options) || string(e.Payload.Raw) != string(want.Payload.Raw) ||
		e.Payload.Items != 1 || e.Payload.Serializer != wamp.CBOR {
		b.Errorf("%s came back as %+v", name, e)
	}
	return name
}

func (b *bench) holds(want ...string) {
	b.Helper()
	if got := b.waiting(); !slices.Equal(got, want) {
		b.Fatalf("the spool holds %.300q, expected %.300q", got, want)
	}
	if n := b.State().Events; n != len(want) {
		b.Fatalf("the spool counts %d events, expected %d", n, len(want))
	}
}

// next returns up to n events.
func (b *bench) next(after uint64, n int) []Event {
	b.Helper()
	events, err := b.Next(b.Context(), after, n)
	if err != nil {
		b.Fatal(err)
	}
	return events
}

func (b *bench) ack(events ...Event) {
	for _, e := range events {
		b.Ack(e.Sequence)
	}
}

func all10(prefix string) (names []string) {
	for i := range 10 {
		names = append(names, fmt.Sprint(prefix, i))
	}
	return names
}

func TestInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, newFlash(), Options{})
		b.put(Memory, "a")
		b.put(Durable, "b")
		b.put(Disk, "c")
		b.put(Memory, "d")
		b.holds("a", "b", "c", "d")
		events := b.next(0, 3)
		b.ack(events[1])
		b.holds("a", "c", "d")
		if again := b.next(0, 10); len(again) != 3 || again[0].Topic != "com.example.a" || again[2].Topic != "com.example.d" {
			t.Errorf("a new beginning gives %v", again)
		}
		b.ack(events...)
		b.holds("d")
		b.ack(b.next(0, 1)...)
		b.holds()
		if st := b.State(); st.Octets != 0 || b.inMemory != 0 || b.memoryOnly != 0 {
			t.Errorf("%+v is left of nothing, %d in memory, %d memoryOnly", st, b.inMemory, b.memoryOnly)
		}
	})
}

// Events that the far side acknowledges in time are not written, whatever their class.
func TestQuickLinkWritesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, newFlash(), Options{})
		for i := range 1000 {
			b.put(Class(i%3), "x")
			b.ack(b.next(0, 1)...)
			time.Sleep(time.Millisecond)
		}
		time.Sleep(time.Minute)
		b.stop()
		if n := b.disk.wrote(); n != 0 || len(b.disk.files()) != 0 {
			t.Errorf("%d bytes written, %v", n, b.disk.files())
		}
	})
}

func TestClasses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, newFlash(), Options{SpillAfter: time.Second})
		b.put(Memory, "m")
		b.put(Disk, "d")
		if err := b.store("s"); err != nil {
			t.Fatal(err)
		}
		b.holds("m", "d", "s")
		open(t, b.disk.kill(), Options{}).holds("s")
		time.Sleep(1100 * time.Millisecond)
		killed := open(t, b.disk.kill(), Options{})
		killed.holds("d", "s")
		if killed.Epoch() == b.Epoch() || killed.Peek(1)[0].Epoch != b.Epoch() {
			t.Error("the epoch of a new run is that of the old one, or the events have lost theirs")
		}
		b.put(Disk, "late")
		b.again(Options{}).holds("d", "s", "late")
	})
}

// After Run has ended, events are refused.
func TestClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, newFlash(), Options{})
		b.stop()
		if err := b.store("x"); !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
	})
}

// Acknowledged events are not returned again after a restart. If all are acknowledged, no file is left.
func TestAcknowledgedIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, newFlash(), Options{})
		b.put(Disk, all10("d")...)
		b.put(Durable, all10("s")...)
		time.Sleep(2 * time.Second)
		b.ack(b.next(0, 15)...)
		b = b.again(Options{})
		b.holds(all10("s")[5:]...)
		b.put(Disk, "more")
		b = b.again(Options{})
		b.holds(append(all10("s")[5:], "more")...)
		b.ack(b.next(0, 100)...)
		b.stop()
		if files := b.disk.files(); len(files) != 0 {
			t.Errorf("left: %v", files)
		}
	})
}

// A backlog larger than memory is read back in pieces and in order, and its files are deleted on the way.
func TestBacklog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := Options{MaxMemory: 64 << 10, MaxOctets: 8 << 20}
		b := open(t, newFlash(), o)
		var want []string
		for i := range 20_000 {
			name := fmt.Sprint(i)
			want = append(want, name)
			b.WaitForRoom(t.Context())
			b.put(Class(1+i%2), name)
		}
		time.Sleep(2 * time.Second)
		if st := b.State(); st.Events != 20_000 || st.OnDisk != 20_000 || b.inMemory > o.MaxMemory {
			t.Fatalf("%+v, %d bytes in memory", st, b.inMemory)
		}
		files := len(b.disk.files())
		for i := 0; i < len(want); {
			events := b.next(0, 100)
			for _, e := range events {
				if got := b.name(e); got != want[i] {
					t.Fatalf("got %s, want %s", got, want[i])
				}
				b.Ack(e.Sequence)
				i++
			}
			if i == 10_000 {
				synctest.Wait()
				if n := len(b.disk.files()); n > files*2/3 {
					t.Errorf("%d of %d files are left of half the backlog", n, files)
				}
				b = open(t, b.disk.kill(), o)
				skip := 0 // a part of a segment may be returned again
				for b.name(b.next(0, skip+1)[skip]) != want[i] {
					if skip++; skip > 2000 {
						t.Fatal("more than a segment of each class came again")
					}
				}
				b.ack(b.next(0, skip)...)
			}
		}
	})
}

func TestDropOldest(t *testing.T) {
	for _, class := range []Class{Memory, Disk, Durable} {
		t.Run(class.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := Options{MaxOctets: 64 << 10}
				b := open(t, newFlash(), o)
				if class == Memory {
					b = open(t, nil, o)
				}
				last := ""
				for i := range 5000 {
					last = fmt.Sprint(i)
					b.put(class, last)
					time.Sleep(time.Millisecond)
				}
				st := b.State()
				if st.Octets > o.MaxOctets+cost || st.Octets < o.MaxOctets/2 || st.Dropped.Runs != 1 || st.Events+int(st.Dropped.Events) != 5001 {
					t.Errorf("%+v", st)
				}
				held := b.waiting()
				if held[0] != fmt.Sprintf("gap:size:%d", st.Dropped.Events) || held[1] != fmt.Sprint(st.Dropped.Events) || held[len(held)-1] != last {
					t.Errorf("held: %.100q, dropped %+v", held, st.Dropped)
				}
				if class == Memory {
					return
				}
				time.Sleep(3 * time.Second)
				b = open(t, b.disk.kill(), o)
				b.holds(held...)
				b.ack(b.next(0, 1)...)
				time.Sleep(2 * time.Second)
				open(t, b.disk.kill(), o).holds(held[1:]...)
			})
		})
	}
}

func TestDropNewest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, nil, Options{MaxOctets: 100 * octetsOf(&Event{Topic: "com.example.xxx", Options: []byte("oxxx"), Payload: codec.Payload{Raw: []byte("pxxx")}}), Drop: Newest})
		var refused error
		b.put(Memory, slices.Repeat([]string{"xxx"}, 100)...)
		for range 50 {
			b.Put(event(Memory, "yyy"), func(err error) { refused = err })
		}
		if st := b.State(); !errors.Is(refused, ErrFull) || st.Dropped.Events != 50 || st.Dropped.Runs != 1 {
			t.Fatalf("%v, %+v", refused, st)
		}
		b.ack(b.next(0, 20)...)
		b.put(Memory, "zzz")
		b.holds(append(slices.Repeat([]string{"xxx"}, 80), "gap:size:50", "zzz")...)
	})
}

// Events in flight are not dropped.
func TestUnderWayStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, nil, Options{MaxOctets: 1000})
		b.put(Memory, all10("a")...)
		under := b.next(0, 5)
		b.put(Memory, slices.Repeat([]string{"b"}, 100)...)
		held := b.waiting()
		if !slices.Equal(held[:5], all10("a")[:5]) || !strings.HasPrefix(held[5], "gap:") || held[len(held)-1] != "b" {
			t.Errorf("held: %q", held)
		}
		b.ack(under...)
	})
}

func TestAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := Options{MaxAge: time.Hour}
		b := open(t, newFlash(), o)
		for i := range 180 {
			b.put(Class(i%3), fmt.Sprint(i))
			time.Sleep(time.Minute)
		}
		held := b.waiting()
		if n := len(held); n < 55 || n > 75 || held[0] != fmt.Sprintf("gap:age:%d", b.State().Dropped.Events) || held[n-1] != "179" {
			t.Errorf("held: %q, %+v", held, b.State())
		}
		b.stop()
		time.Sleep(24 * time.Hour) // does not count as age
		if n := len(open(t, b.disk, o).waiting()); n < len(held)*2/3-1 {
			t.Errorf("%d events are left after a night, %d were there", n, len(held))
		}
	})
}

// The time of day, which may jump, does not affect the age of events.
func TestClockJumps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := Options{MaxAge: time.Hour}
		b := open(t, newFlash(), o)
		for i, year := range []int{1970, 2026, 1970, 2099} {
			e := event(Disk, fmt.Sprint(i))
			e.Time = time.Date(year, 1, 1, 0, 0, 1, 0, time.UTC)
			b.Put(e, nil)
			time.Sleep(5 * time.Second)
			b = b.again(o)
		}
		time.Sleep(30 * time.Minute)
		b.holds("0", "1", "2", "3")
		if got := b.Peek(4); got[0].Time.Year() != 1970 || got[3].Time.UTC().Year() != 2099 {
			t.Errorf("times: %v, %v", got[0].Time, got[3].Time)
		}
		if st := b.State(); st.Oldest < 30*time.Minute || st.Oldest > 31*time.Minute {
			t.Errorf("the oldest waits for %v", st.Oldest)
		}
	})
}

// While the disk cannot be written to, promises fail, but events are kept. They are written once the disk works again.
func TestBrokenDisk(t *testing.T) {
	for _, why := range []error{syscall.EROFS, syscall.EIO, syscall.ENOSPC} {
		synctest.Test(t, func(t *testing.T) {
			b := open(t, newFlash(), Options{})
			if err := b.store("before"); err != nil {
				t.Fatal(err)
			}
			b.disk.breakDown(why)
			if err := b.store("durable"); !errors.Is(err, why) {
				t.Errorf("a durable event is stored: %v", err)
			}
			for began := time.Now(); time.Since(began) < 5*time.Second; time.Sleep(time.Second) {
				asked := time.Now()
				if err := b.store("again"); !errors.Is(err, why) || time.Since(asked) > time.Second {
					t.Errorf("%v after %v", err, time.Since(asked))
				}
			}
			b.put(Disk, "disk")
			time.Sleep(10 * time.Second)
			want := append([]string{"before", "durable"}, append(slices.Repeat([]string{"again"}, 5), "disk")...)
			b.holds(want...)
			if st := b.State(); !strings.Contains(st.Alarm, why.Error()) || st.AlarmFor < 5*time.Second {
				t.Errorf("%+v", st)
			}
			if n := strings.Count(b.log.String(), "level=ERROR"); n != 1 {
				t.Errorf("%d lines in the log: %s", n, &b.log)
			}
			b.disk.breakDown(nil)
			time.Sleep(time.Minute)
			if st := b.State(); st.Alarm != "" || st.OnDisk != len(want) {
				t.Errorf("%+v", st)
			}
			open(t, b.disk.kill(), Options{}).holds(want...)
		})
	}
}

// On a full disk, events are stored as far as there is space. The others are in memory, within its limit.
func TestFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := Options{MaxMemory: 100 << 10}
		b := open(t, newFlash(), o)
		b.disk.setRoom(20_000)
		for i := range 10_000 {
			b.put(Class(1+i%2), fmt.Sprint(i))
			time.Sleep(time.Millisecond)
		}
		if b.inMemory > o.MaxMemory+cost {
			t.Errorf("%d bytes in memory", b.inMemory)
		}
		st := b.State()
		if st.Alarm == "" || st.Dropped.Events == 0 || st.Events+int(st.Dropped.Events) != 10_000+int(st.Dropped.Runs) {
			t.Errorf("%+v", st)
		}
		held := b.waiting()
		if held[len(held)-1] != "9999" || len(held) != st.Events {
			t.Errorf("held: %.100q ... %s", held, held[len(held)-1])
		}
		b.disk.setRoom(1 << 20)
		time.Sleep(time.Minute)
		if st := b.State(); st.Alarm != "" || b.memoryOnly > 10*cost {
			t.Errorf("%+v, %d memoryOnly", st, b.memoryOnly)
		}
	})
}

func TestDiscard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, newFlash(), Options{})
		b.put(Disk, all10("a")...)
		b.put(Memory, all10("b")...)
		b.next(0, 3)
		if n := b.Discard(12); n != 12 {
			t.Errorf("%d dropped", n)
		}
		b.holds(append(all10("b")[2:], "gap:operator:12")...)
		if n := b.Discard(1 << 30); n != 9 {
			t.Errorf("%d dropped", n)
		}
	})
}

func TestSecondProcess(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Options{Dir: dir}); !errors.Is(err, ErrInUse) {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s.Run(ctx)
	s, err = Open(Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	s.Run(ctx)
}
