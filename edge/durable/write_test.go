package durable

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"runnel/edge/codec"
	"runnel/edge/journal"
	"runnel/edge/store"
	"runnel/edge/wamp"
	"runnel/test/kit"
)

var errDisk = errors.New("the disk is broken")

// frail is a disk whose writes and syncs can fail.
type frail struct {
	journal.Disk
	writes, syncs         atomic.Int32
	failWrites, failSyncs atomic.Bool
}

type frailFile struct {
	journal.File
	disk *frail
}

func (d *frail) Append(name string, create bool) (journal.File, error) {
	f, err := d.Disk.Append(name, create)
	return frailFile{f, d}, err
}

func (f frailFile) Write(b []byte) (int, error) {
	if f.disk.failWrites.Load() {
		return 0, errDisk
	}
	f.disk.writes.Add(1)
	return f.File.Write(b)
}

func (f frailFile) Sync() error {
	if f.disk.failSyncs.Load() {
		return errDisk
	}
	f.disk.syncs.Add(1)
	return f.File.Sync()
}

// onFrailDisk runs a test with a store in simulated time whose log is on a disk that can fail.
func onFrailDisk(t *testing.T, test func(t *testing.T, s *shelf, disk *frail), changes ...func(*Store)) {
	t.Helper()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		disk := &frail{Disk: journal.Machine}
		test(t, openShelf(t, dir, 0, append(changes, func(s *Store) {
			log, _, err := journal.OpenOn(disk, filepath.Join(dir, "log"), math.MaxInt64, func(uint64, []byte) {})
			kit.Must(t, err)
			s.journal = log
		})...), disk)
	})
}

// Events that no publisher waits for are synced an interval after the first of them, the others at once.
func TestSync(t *testing.T) {
	onFrailDisk(t, func(t *testing.T, s *shelf, disk *frail) {
		kit.Must(t, s.put("com.t", 1, 10))
		before, writes := disk.syncs.Load(), disk.writes.Load()
		check := func(what string, want int32) {
			t.Helper()
			synctest.Wait()
			if n := disk.syncs.Load() - before; n != want {
				t.Errorf("%s: %d syncs, want %d", what, n, want)
			}
		}
		s.puts("com.t", 1)
		if disk.writes.Load() == writes {
			t.Error("not written")
		}
		s.sleep(7 * time.Second)
		s.puts("com.t", 1)
		check("too early", 0)
		s.sleep(3 * time.Second)
		check("after the interval", 1)
		s.sleep(time.Minute)
		check("with nothing to sync", 1)
		kit.Must(t, s.put("com.t", 1, 10))
		check("a publisher waits", 2)
	}, func(s *Store) { s.Interval = 10 * time.Second })
}

// A failed sync loses all events since the last one. Their publishers get the error, backlogs are right, and subscribers get a gap.
func TestFailedSync(t *testing.T) {
	var reported []error
	onFrailDisk(t, func(t *testing.T, s *shelf, disk *frail) {
		d := s.create(Rule{Name: "d", URI: "com.t"})
		other := s.create(Rule{Name: "other", URI: "com.other"})
		kit.Must(t, s.put("com.t", 1, 10))
		disk.failSyncs.Store(true)
		s.puts("com.t", 2)
		s.puts("com.other", 1)
		if err := s.put("com.t", 2, 10); !errors.Is(err, errDisk) {
			t.Errorf("%v", err)
		}
		synctest.Wait()
		if st := d.State(); st.Events != 1 {
			t.Errorf("%+v", st)
		}
		if !errors.Is(reported[len(reported)-1], errDisk) {
			t.Errorf("%v", reported)
		}
		if err := s.put("com.t", 3, 10); !errors.Is(err, errDisk) { // it is not even tried
			t.Errorf("%v", err)
		}
		disk.failSyncs.Store(false)
		s.sleep(retryInterval - time.Millisecond)
		equal(t, "before the retry", s.numbers(d), []int64{1})
		s.sleep(time.Millisecond)
		past, err := d.Peek(10)
		kit.Must(t, err)
		if len(past) != 2 || past[1].Lost == nil || past[1].Lost.Events != 5 || past[1].Lost.Reason != "disk" || d.State().Events != 2 || other.State().Events != 1 {
			t.Errorf("%+v, %+v, %+v", past, d.State(), other.State())
		}
		kit.Must(t, s.put("com.t", 4, 10))
		equal(t, "then", s.numbers(d), []int64{1, -1, 4})
		if reported[len(reported)-1] != nil {
			t.Errorf("%v", reported)
		}
	}, func(s *Store) { s.Report = func(err error) { reported = append(reported, err) } })
}

// Events that were delivered before a failed sync has lost them are done, and counted as dropped.
func TestDeliveredAndLost(t *testing.T) {
	onFrailDisk(t, func(t *testing.T, s *shelf, disk *frail) {
		d := s.create(Rule{Name: "d", URI: "com.t"})
		c := &clerk{}
		a := d.Attach(AttachOptions{Consumer: c})
		kit.Must(t, s.put("com.t", 1, 10))
		s.puts("com.t", 2)
		first := c.got[0].ID
		equal(t, "deliveries", c.positions(), []uint64{1, 2, 3})
		disk.failSyncs.Store(true)
		if s.put("com.t", 2, 10) == nil {
			t.Error("no error")
		}
		disk.failSyncs.Store(false)
		s.sleep(retryInterval)
		kit.Must(t, s.put("com.t", 3, 10))
		synctest.Wait()
		if len(c.gaps) != 1 || c.gaps[0].Events != 3 {
			t.Errorf("%+v", c.gaps)
		}
		for _, e := range c.got {
			a.Ack(e.ID)
		}
		a.Ack(c.gaps[0].ID)
		a.Ack(first)
		s.sleep(DefaultAckWait)
		if st := d.State(); st.Events != 0 || st.UnderWay != 0 || st.Octets != 0 || st.Floor != s.written {
			t.Errorf("%+v of %d", st, s.written)
		}
	})
}

// Events that cannot be written are counted, those that are published meanwhile are refused, and a gap tells of all.
func TestFailedWrite(t *testing.T) {
	onFrailDisk(t, func(t *testing.T, s *shelf, disk *frail) {
		d := s.create(Rule{Name: "d", URI: "com.t"})
		c := &clerk{}
		d.Attach(AttachOptions{Consumer: c})
		kit.Must(t, s.put("com.t", 1, 10))
		disk.failWrites.Store(true)
		if err := s.put("com.t", 2, 10); !errors.Is(err, errDisk) {
			t.Errorf("%v", err)
		}
		for range 3 {
			if err := s.Put(Publication{Event: &store.Event{ID: 1, Topic: []byte("com.t")}}, nil); !errors.Is(err, errDisk) {
				t.Errorf("%v", err)
			}
		}
		s.sleep(10 * retryInterval)
		if st := d.State(); st.Events != 1 || len(c.gaps) != 0 {
			t.Errorf("%+v, %+v", st, c.gaps)
		}
		disk.failWrites.Store(false)
		s.sleep(retryInterval)
		if len(c.gaps) != 1 || c.gaps[0].Events < 4 || d.State().Events != 2 {
			t.Errorf("%+v, %+v", c.gaps, d.State())
		}
		kit.Must(t, s.put("com.t", 3, 10))
	})
}

// Events that wait to be written are bounded. The refused ones are counted, and consumers get a gap.
func TestFull(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		kept, lost := 0, 0
		s := openShelf(t, dir, 0, func(s *Store) {
			kit.Must(t, s.Declare([]Rule{{Name: "d", URI: "com.t"}}, func(*Subscription) {}))
			payload := codec.Payload{Serializer: wamp.CBOR, Raw: make([]byte, 100_000)}
			for range 60 {
				switch err := s.Put(Publication{Event: &store.Event{ID: wamp.NewID(), Topic: []byte("com.t"), Payload: payload}}, nil); {
				case err == nil && lost == 0:
					kept++
				case errors.Is(err, ErrFull):
					lost++
				default:
					t.Error(err)
				}
			}
			if n := len(s.pending); n < maxPending || n > maxPending+200_000 {
				t.Errorf("%d bytes are pending", n)
			}
		})
		s.settled()
		d := s.Find("", "d")
		if st := d.State(); lost == 0 || st.Events != kept+1 {
			t.Errorf("%d kept, %d lost, %+v", kept, lost, st)
		}
		c := &clerk{}
		d.Attach(AttachOptions{Consumer: c})
		synctest.Wait()
		if len(c.got) != kept || len(c.gaps) != 1 || c.gaps[0].Events != uint64(lost) {
			t.Errorf("%d events, %+v", len(c.got), c.gaps)
		}
	})
}

// A store that has ended refuses events and changes, and has written what it took before.
func TestEnded(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := openShelf(t, dir, 0)
		d := s.create(Rule{Name: "d", URI: "com.t"})
		c := &clerk{}
		d.Attach(AttachOptions{Consumer: c})
		s.Put(Publication{Event: &store.Event{ID: 1, Topic: []byte("com.t")}}, nil)
		s.end()
		if err := s.Put(Publication{Event: &store.Event{ID: 2, Topic: []byte("com.t")}}, nil); !errors.Is(err, errClosed) {
			t.Errorf("%v", err)
		}
		if _, _, err := s.Create(Rule{Name: "e", URI: "com.t"}, Start{}, func(*Subscription) {}); err == nil {
			t.Error("a subscription is made")
		}
		if d.Remove() == nil || d.Reset(Start{All: true}) == nil {
			t.Error("a subscription is changed")
		}
		late := &clerk{}
		d.Attach(AttachOptions{Consumer: late})
		synctest.Wait()
		equal(t, "deliveries after the end", late.positions(), nil)
		var found []wamp.ID
		s = openShelf(t, dir, 0)
		if d = s.Find("", "d"); d.State().Events != 1 {
			t.Errorf("%+v", d.State())
		}
		s.end()
		again, err := Open(Config{
			Directory: dir, Log: slog.New(slog.DiscardHandler), ReadOptions: func(*store.Event) error { return nil },
			Found: func(p Publication) { found = append(found, p.ID) },
		})
		kit.Must(t, err)
		equal(t, "found", found, []wamp.ID{1})
		again.journal.Close()
		again.cursors.Close()
	})
}

// sized returns an event whose record has about size bytes.
func sized(size int) Publication {
	return Publication{Event: &store.Event{ID: wamp.NewID(), Topic: []byte("com.t"), Payload: codec.Payload{Serializer: wamp.CBOR, Raw: make([]byte, size)}}}
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
			s.settled()
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
		s.settled()
		if n := d.State().Octets; n > 13_000 {
			t.Errorf("%d bytes", n)
		}
	})
}

// Events under way are dropped like others. What was acknowledged is not counted, and an answer to the others has no effect.
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
		if g := c.gaps[len(c.gaps)-1]; g.First != 1 || g.Last != 3 || g.Events != 2 { // it may have come in two steps
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

// A consumer that lags behind a log that is too large gets gaps and the events that are left, each once and in order.
func TestLaggingConsumer(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := openShelf(t, dir, 512<<10)
		d := s.create(Rule{Name: "d", URI: "com.t", Window: 1, AckWait: time.Hour})
		c := &clerk{}
		a := d.Attach(AttachOptions{Consumer: c})
		for range 100 {
			kit.Must(t, s.Put(sized(20_000), nil))
			s.settled()
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

// A file is removed once all subscriptions are behind it, and not before.
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
			s.settled()
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
			s.settled()
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

// The start of a subscription that nothing concerns follows the log, so that the files it would hold are removed.
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
