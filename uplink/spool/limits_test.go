package spool

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"runnel/test/kit"
)

func TestNames(t *testing.T) {
	for _, c := range []Class{Memory, Disk, Durable} {
		if got, ok := ParseClass(c.String()); got != c || !ok {
			t.Errorf("%v: %v, %v", c, got, ok)
		}
	}
	if _, ok := ParseClass("tape"); ok {
		t.Error("an unknown class is parsed")
	}
	if Oldest.String() != "oldest" || Newest.String() != "newest" {
		t.Errorf("%v, %v", Oldest, Newest)
	}
}

func TestOptions(t *testing.T) {
	for _, o := range []Options{{MaxOctets: -1}, {MaxMemory: -1}, {MaxAge: -1}, {SpillAfter: -1}, {Sync: -1}, {RetryFirst: -1}, {RetryLast: -1}} {
		if _, err := Open(o); err == nil {
			t.Errorf("%+v is valid", o)
		}
		s, _ := Open(Options{})
		if s.Update(o) == nil {
			t.Errorf("an update to %+v is valid", o)
		}
	}
	s, err := Open(Options{MinFree: -1})
	if err != nil || s.OnDisk() || s.opts.MaxOctets != defaultMemory || s.opts.MaxMemory != defaultMemory {
		t.Errorf("%v, %+v", err, s.opts)
	}
	s.Close()
	s.Put(event(Memory, "x"), func(e error) { err = e })
	if !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// The free space of a disk is that of its file system, and unknown for a directory that is missing.
func TestFreeSpace(t *testing.T) {
	dir := t.TempDir()
	if free, ok := freeOctets(dir); ok && free <= 0 {
		t.Errorf("%d bytes are free", free)
	} else if _, again := freeOctets(filepath.Join(dir, "missing")); again {
		t.Error("the free space of a missing directory is known")
	} else if _, err := os.Stat("/proc/self"); err == nil && !ok {
		t.Error("the free space is not known")
	}
}

// If the disk has less than MinFree free, the spool writes nothing, and the alarm names both figures.
func TestMinFree(t *testing.T) {
	dir := t.TempDir()
	if _, ok := freeOctets(dir); !ok {
		t.Skip("the free space is not known here")
	}
	for _, c := range []struct {
		free int64
		low  bool
	}{{1, false}, {-1, false}, {1 << 60, true}} {
		s, err := Open(Options{Dir: filepath.Join(dir, fmt.Sprint(c.free)), MinFree: c.free, Sync: time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { s.Run(ctx); close(ended) }()
		stored := make(chan error, 1)
		s.Put(event(Durable, "x"), func(err error) { stored <- err })
		if err := <-stored; errors.Is(err, errLow) != c.low || (err != nil) != c.low {
			t.Errorf("min_free %d: %v", c.free, err)
		}
		if alarm := s.State().Alarm; strings.Contains(alarm, "min_free is") != c.low {
			t.Errorf("min_free %d: %q", c.free, alarm)
		}
		cancel()
		<-ended
	}
}

func TestLockFile(t *testing.T) {
	if _, err := lockFile(filepath.Join(t.TempDir(), "missing", "lock")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

// A process that is refused the lock keeps no file open.
func TestRefusedLockIsClosed(t *testing.T) {
	name := filepath.Join(t.TempDir(), "lock")
	release, err := lockFile(name)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	if _, err := lockFile(name); !errors.Is(err, ErrInUse) {
		t.Skipf("no lock on this system: %v", err)
	}
	open := 0
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("the open files are not known here")
	}
	for _, f := range files {
		if target, _ := os.Readlink("/proc/self/fd/" + f.Name()); target == name {
			open++
		}
	}
	if open != 1 {
		t.Errorf("the lock is open %d times", open)
	}
}

// A lock that can't be taken for another reason raises the alarm, and the spool works.
func TestBrokenLock(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "lock"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := lockFile(filepath.Join(dir, "lock")); err == nil {
		t.Skip("no lock on this system")
	}
	s, err := Open(Options{Dir: dir, MinFree: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.Put(event(Disk, "a"), nil)
	if st := s.State(); !strings.Contains(st.Alarm, "lock") || st.Events != 1 {
		t.Errorf("%+v", st)
	}
}

// If its directory, or that of any log in it, cannot be used, the spool works in memory and raises an alarm. Publishers of durable
// events get an error.
func TestOpenWithoutDisk(t *testing.T) {
	for _, name := range []string{"", "disk", "durable", "held", "gaps"} {
		dir := t.TempDir()
		file := filepath.Join(dir, "spool", name)
		kit.Must(t, os.MkdirAll(filepath.Dir(file), 0o700))
		kit.Must(t, os.WriteFile(file, nil, 0o600))
		s, err := Open(Options{Dir: filepath.Join(dir, "spool")})
		kit.Must(t, err)
		var stored error
		s.Put(event(Durable, "a"), func(err error) { stored = err })
		s.Put(event(Disk, "b"), nil)
		if st := s.State(); st.Alarm == "" || st.Events != 2 || st.OnDisk != 0 || stored == nil {
			t.Errorf("%q: %+v, %v", name, st, stored)
		}
		if events := s.Peek(5); len(events) != 2 || events[0].Class != Memory {
			t.Errorf("%q: %+v", name, events)
		}
		s.Close()
	}
}

// Segments that become unreadable while the spool runs cost their own events, and leave a gap.
func TestUnreadableSegment(t *testing.T) {
	for _, damage := range []string{"a record", "all"} {
		for _, flight := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				b := open(t, newFlash(), Options{MaxOctets: 64 << 10, MaxMemory: 2 << 10})
				var names []string
				for i := range 100 {
					names = append(names, fmt.Sprint(i))
					b.CatchUp(t.Context())
					b.put(Disk, names[i])
				}
				time.Sleep(3 * time.Second)
				b.consistent()
				first := b.disk.files()[0]
				var late []Event
				if flight {
					late = b.poll(5)
					b.mu.Lock()
					b.lanes[Disk].cache = cachedSegment{}
					b.mu.Unlock()
				}
				b.disk.mu.Lock()
				data := b.disk.names[first].data
				if damage == "all" {
					clear(data)
				} else {
					data[strings.Index(string(data), "com.example.2")] ^= 1
				}
				b.disk.mu.Unlock()
				var got []string
				events := b.next(0, 1000)
				events = append(events, b.poll(1000)...)
				for _, e := range events {
					got = append(got, b.name(e))
				}
				st := b.State()
				lost := 0
				for _, name := range names {
					if !slices.Contains(got, name) {
						lost++
					}
				}
				if lost == 0 || lost > 90 || (damage == "a record") != (lost == 1) || int(st.Dropped.Events) != lost || st.Dropped.Runs != 1 ||
					st.Events != 100-lost+1 || !slices.Contains(got, fmt.Sprintf("gap:damage:%d", lost)) {
					t.Errorf("%s, in flight %v: %d events are lost: %+v\n%q", damage, flight, lost, st, got)
				}
				if n := strings.Count(b.log.String(), "events are unreadable"); n != 1 {
					t.Errorf("%s: %d files are reported, of one: %s", damage, n, &b.log)
				}
				b.consistent()
				if b.ack(late...); damage == "all" && b.State().Events != st.Events {
					t.Errorf("late answers for lost events count: %+v, then %+v", st, b.State())
				}
				b.consistent()
				b.ack(events...)
				if b.consistent(); b.State().Events != 0 {
					t.Errorf("%+v", b.State())
				}
			})
		}
	}
}

// The same for held events.
func TestUnreadableHeldSegment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, newFlash(), Options{})
		b.hold("a.b", 5, 100, true)
		b.hold("a.c", 5, 100, true)
		i := slices.IndexFunc(b.disk.files(), func(name string) bool { return strings.Contains(name, "held") })
		name := b.disk.files()[i]
		b.disk.mu.Lock()
		data := b.disk.names[name].data
		data[strings.Index(string(data), "a.b")] ^= 1
		data[strings.LastIndex(string(data), "a.c")] ^= 1
		b.disk.mu.Unlock()
		if n := len(b.Peek(100)); n != 9 || b.heldEvents("a.b") != 4 || b.heldEvents("a.c") != 4 {
			t.Errorf("%d events, %+v", n, b.HeldTopics(9))
		}
		b.consistent()
		if st := b.State(); st.Dropped.Events != 2 || st.Dropped.Runs != 1 || st.Dropped.Octets != 2*(100+3+cost) {
			t.Errorf("%+v", st)
		}
	})
}

// damageHeld changes the octet of the held events' file at the position that at returns. The file has to be read again.
func (b *bench) damageHeld(at func(data []byte) int) {
	b.disk.mu.Lock()
	data := b.disk.names[b.disk.held()].data
	data[at(data)] ^= 1
	b.disk.mu.Unlock()
	b.reading.Lock()
	defer b.reading.Unlock()
	b.held.cache = heldCache{}
}

// A loss is counted without the events of the file that have been delivered.
func TestUnreadableHeldRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, newFlash(), Options{})
		b.hold("a.b", 5, 100, true)
		b.Retry()
		b.ack(b.poll(1)...)
		b.damageHeld(func(data []byte) int { return strings.LastIndex(string(data), "a.b") })
		if n := len(b.Peek(100)); n != 4 || b.heldEvents("a.b") != 3 { // with the gap
			t.Errorf("%d events, %+v", n, b.HeldTopics(9))
		}
		b.consistent()
		if st := b.State(); st.Dropped.Events != 1 || st.Dropped.Octets != 100+3+cost {
			t.Errorf("%+v", st)
		}
	})
}

// Held events in flight may become unreadable, too. A late answer has no effect, and the others of the topic are delivered.
func TestUnreadableHeldEventInFlight(t *testing.T) {
	for name, answer := range map[string]func(b *bench, e Event){
		"accepted": func(b *bench, e Event) { b.Ack(e.Sequence) },
		"rejected": func(b *bench, e Event) { b.Hold(e.Sequence, rejected) },
		"none":     func(*bench, Event) {},
	} {
		synctest.Test(t, func(t *testing.T) {
			b := open(t, newFlash(), Options{})
			b.hold("a.b", 5, 100, true)
			b.hold("a.c", 1, 100, true)
			b.Retry()
			probe := b.poll(10)
			b.damageHeld(func(data []byte) int { return strings.Index(string(data), "a.b") })
			if n := len(b.Peek(100)); n != 6 || b.heldEvents("a.b") != 4 { // and the gap
				t.Errorf("%s: %d events, %+v", name, n, b.HeldTopics(9))
			}
			b.consistent()
			if b.ack(probe[1]); b.heldEvents("a.c") != 0 {
				t.Errorf("%s: the answer for another topic has no effect: %+v", name, b.HeldTopics(9))
			}
			answer(b, probe[0])
			if b.consistent(); b.heldEvents("a.b") != 4 {
				t.Errorf("%s: then %+v", name, b.HeldTopics(9))
			}
			for tries := 0; b.State().Events > 0 && tries < 10; tries++ {
				b.Retry()
				b.ack(b.poll(100)...)
				b.consistent()
			}
			if st := b.State(); st.Events != 0 || st.Dropped.Events != 1 {
				t.Errorf("%s: %+v", name, st)
			}
		})
	}
}

// CatchUp waits for the disk and not for the far side; WaitForRoom waits for the far side.
func TestCatchUpAndRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, newFlash(), Options{MaxMemory: 8 << 10, MaxOctets: 16 << 10})
		wait := func(f func(context.Context)) time.Duration {
			start := time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			f(ctx)
			return time.Since(start)
		}
		if wait(b.CatchUp) != 0 || wait(b.WaitForRoom) != 0 {
			t.Error("an empty spool is waited for")
		}
		for range 15 {
			b.Put(of(Disk, "a.b", 1000), nil)
			if d := wait(b.CatchUp); d > 2*time.Second {
				t.Fatalf("waited for %v", d)
			}
		}
		b.consistent()
		if b.State().Dropped.Runs != 0 {
			t.Errorf("%+v", b.State())
		}
		if d := wait(b.WaitForRoom); d != time.Minute {
			t.Errorf("a full spool has room after %v", d)
		}
		time.AfterFunc(5*time.Second, func() { b.ack(b.poll(5)...) })
		if d := wait(b.WaitForRoom); d < 5*time.Second || d > 10*time.Second {
			t.Errorf("there is room after %v", d)
		}
		b.disk.breakDown(syscall.EIO)
		for range 12 {
			b.Put(of(Disk, "a.b", 1000), nil)
		}
		if d := wait(b.CatchUp); d > 5*time.Second {
			t.Errorf("a broken disk is waited for: %v", d)
		}
		b.stop()
		if d := wait(b.WaitForRoom); d != 0 {
			t.Errorf("a closed spool is waited for: %v", d)
		}
	})
}

// An event larger than the spool is rejected. One larger than the memory bound is accepted if memory is empty.
func TestLargeEvents(t *testing.T) {
	for _, drop := range []Drop{Oldest, Newest} {
		synctest.Test(t, func(t *testing.T) {
			b := open(t, newFlash(), Options{MaxMemory: 1000, MaxOctets: 5000, Drop: drop})
			put := func(size int) (err error) {
				b.Put(of(Disk, "a", size-cost-1), func(e error) { err = e })
				b.consistent()
				return err
			}
			if err := put(5001); !errors.Is(err, ErrFull) {
				t.Errorf("%v: 5001 bytes: %v", drop, err)
			}
			b.ack(b.poll(10)...)
			b.disk.breakDown(syscall.EIO)
			if err := put(4000); err != nil || b.State().Dropped.Events != 1 {
				t.Errorf("%v: 4000 bytes: %v, %+v", drop, err, b.State())
			}
			err := put(500) // memory is full
			if st := b.State(); (err != nil) != (drop == Newest) || st.Dropped.Events != 2 {
				t.Errorf("%v: 500 bytes: %v, %+v", drop, err, st)
			}
			for _, e := range b.Peek(9) {
				if e.Gap != nil && e.Gap.Reason != ByMemory {
					t.Errorf("%v: %+v", drop, e.Gap)
				}
			}
		})
	}
}

// A run of drops leaves one gap with the totals of the run. It ends when the gap is returned, or, where new events are
// refused, with the next event that is taken in.
func TestGaps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 1000
		b := open(t, nil, Options{MaxOctets: 5 * size})
		put := func(n int) {
			for range n {
				b.Put(of(Memory, "a", size-cost-1), nil)
				b.consistent()
			}
		}
		put(5)
		start := time.Now()
		put(3)
		time.Sleep(time.Minute)
		put(1)
		gap := b.Peek(1)[0]
		g := gap.Gap
		if g == nil || g.Reason != BySize || g.First != 1 || g.Last != g.First+g.Count-1 || g.Octets != g.Count*size || gap.Sequence != g.Last || !g.Since.Equal(start) {
			t.Fatalf("%+v", g)
		}
		b.poll(1)
		put(3)
		second := b.Peek(3)
		if second[1].Gap == nil || second[1].Gap.First != g.Last+1 || b.State().Dropped.Runs != 2 || second[1].Epoch != b.Epoch() {
			t.Errorf("%+v, %+v", second[0].Gap, second[1].Gap)
		}
		b = open(t, nil, Options{MaxOctets: 5 * size, Drop: Newest})
		put(7)
		b.ack(b.poll(3)...)
		put(1)
		put(5)
		var gaps []string
		for _, name := range b.Peek(99) {
			if name.Gap != nil {
				gaps = append(gaps, fmt.Sprintf("%d-%d:%d", name.Gap.First, name.Gap.Last, name.Gap.Count))
			}
		}
		if len(gaps) != 2 || gaps[0] != "6-7:2" {
			t.Errorf("%q", gaps)
		}
	})
}

// An event may be as large as the spool.
func TestLargestEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, nil, Options{MaxOctets: 5000})
		for _, size := range []int{5000, 5001} {
			var err error
			b.Put(of(Memory, "a", size-cost-1), func(e error) { err = e })
			if (err == nil) != (size == 5000) {
				t.Errorf("%d bytes: %v", size, err)
			}
		}
	})
}

// A spool has room if at most seven eighths of its size and of its memory are used.
func TestRoom(t *testing.T) {
	for name, o := range map[string]Options{
		"size":   {MaxOctets: 8000, MaxMemory: 80_000},
		"memory": {MaxOctets: 80_000, MaxMemory: 8000},
	} {
		for used, room := range map[int]bool{7000: true, 7001: false} {
			synctest.Test(t, func(t *testing.T) {
				b := open(t, newFlash(), o)
				b.Put(of(Memory, "a", used-cost-1), nil)
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				if b.WaitForRoom(ctx); (ctx.Err() == nil) != room {
					t.Errorf("%d of 8000 bytes of the %s are used: there is room: %v", used, name, !room)
				}
			})
		}
	}
}

// A spool that is closed without Run leaves its directory to the next one.
func TestCloseUnlocks(t *testing.T) {
	o := Options{Dir: t.TempDir(), MinFree: -1}
	for range 2 {
		s, err := Open(o)
		if err != nil || s.State().Alarm != "" {
			t.Fatalf("%v, %+v", err, s.State())
		}
		s.Close()
	}
}
