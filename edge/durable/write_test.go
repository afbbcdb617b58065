package durable

import (
	"errors"
	"log/slog"
	"math"
	"path/filepath"
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
	failRemoves           atomic.Bool
	failAt                atomic.Int32 // the write that fails, counted like writes; 0: none
	open                  atomic.Int32 // files
}

type frailFile struct {
	journal.File
	disk *frail
}

func (d *frail) Append(name string, create bool) (journal.File, error) {
	f, err := d.Disk.Append(name, create)
	if err == nil {
		d.open.Add(1)
	}
	return frailFile{f, d}, err
}

func (f frailFile) Close() error {
	f.disk.open.Add(-1)
	return f.File.Close()
}

func (d *frail) Remove(name string) error {
	if d.failRemoves.Load() {
		return errDisk
	}
	return d.Disk.Remove(name)
}

func (f frailFile) Write(b []byte) (int, error) {
	if f.disk.failWrites.Load() || f.disk.writes.Add(1) == f.disk.failAt.Load() {
		return 0, errDisk
	}
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
		s.puts("com.t", 1)
		s.close()
		check("the end", 3)
		if n := disk.open.Load(); n != 0 {
			t.Errorf("%d files are open", n)
		}
	}, func(s *Store) { s.Interval = 10 * time.Second })
}

// A failed sync loses all events since the last sync. Their publishers get the error, the backlogs stay correct, and
// subscribers get a gap.
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

// Events that cannot be written are counted, and events published meanwhile are rejected. One gap reports all of them.
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
			if err := s.Put(&Publication{Event: &store.Event{ID: 1, Topic: []byte("com.t")}}, nil); !errors.Is(err, errDisk) {
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

// If a batch is written in part, the written events are delivered, and the gap reports the rest.
func TestPartOfABatch(t *testing.T) {
	onFrailDisk(t, func(t *testing.T, s *shelf, disk *frail) {
		d := s.create(Rule{Name: "d", URI: "com.t"})
		kit.Must(t, s.put("com.t", 1, 10))
		disk.failAt.Store(disk.writes.Load() + 2)
		const all = 30
		kit.Must(t, s.do(func() { // so that they are one batch
			for range all {
				kit.Must(t, s.Put(sized(10_000), nil))
			}
		}))
		s.awaitIdle()
		written := d.State().Events - 1
		if written < 1 || written >= all {
			t.Fatalf("%d of %d were written", written, all)
		}
		s.sleep(retryInterval)
		c := &clerk{}
		d.Attach(AttachOptions{Consumer: c})
		s.awaitIdle()
		if len(c.got) != written+1 || len(c.gaps) != 1 || c.gaps[0].Events != uint64(all-written) {
			t.Errorf("%d events of %d, %+v", len(c.got), written, c.gaps)
		}
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
				switch err := s.Put(&Publication{Event: &store.Event{ID: wamp.NewID(), Topic: []byte("com.t"), Payload: payload}}, nil); {
				case err == nil && lost == 0:
					kept++
				case errors.Is(err, ErrFull):
					lost++
				default:
					t.Error(err)
				}
			}
			if n := len(s.pending.data); n < maxPending || n > maxPending+200_000 {
				t.Errorf("%d bytes are pending", n)
			}
		})
		s.awaitIdle()
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

// A store that has ended rejects events and changes. It has written all events that it accepted before.
func TestEnded(t *testing.T) {
	inBubble(t, func(t *testing.T, s *shelf) {
		d := s.create(Rule{Name: "d", URI: "com.t"})
		c := &clerk{}
		d.Attach(AttachOptions{Consumer: c})
		s.Put(&Publication{Event: &store.Event{ID: 1, Topic: []byte("com.t")}}, nil)
		s.close()
		if err := s.Put(&Publication{Event: &store.Event{ID: 2, Topic: []byte("com.t")}}, nil); !errors.Is(err, errClosed) {
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
		s = openShelf(t, s.Directory, 0)
		if d = s.Find("", "d"); d.State().Events != 1 {
			t.Errorf("%+v", d.State())
		}
		s.close()
		again, err := Open(Config{
			Directory: s.Directory, Log: slog.New(slog.DiscardHandler), ReadOptions: func(*store.Event) error { return nil },
			Found: func(p Publication) { found = append(found, p.ID) },
		})
		kit.Must(t, err)
		equal(t, "found", found, []wamp.ID{1})
		again.journal.Close()
		again.cursors.Close()
	})
}

// If the sync of a full file fails, all unsynced events are lost, and one gap reports them.
func TestFailedSyncOfFullFile(t *testing.T) {
	onFrailDisk(t, func(t *testing.T, s *shelf, disk *frail) {
		d := s.create(Rule{Name: "d", URI: "com.t"})
		kit.Must(t, s.put("com.t", 1, 10))
		disk.failSyncs.Store(true)
		n := 0
		for ; n < 100 && s.Put(sized(10_000), nil) == nil; n++ {
			s.awaitIdle()
		}
		if st := d.State(); st.Events != 1 || n < 7 || n > 10 {
			t.Errorf("%d events, %+v", n, st)
		}
		disk.failSyncs.Store(false)
		s.sleep(retryInterval)
		c := &clerk{}
		d.Attach(AttachOptions{Consumer: c})
		s.awaitIdle()
		if len(c.got) != 1 || len(c.gaps) != 1 || c.gaps[0].Events != uint64(n)+1 { // the last one was refused
			t.Errorf("%+v, %+v of %d", c.got, c.gaps, n)
		}
	}, func(s *Store) { s.Limit = 1 << 20 })
}

// A file that cannot be removed is reported, and removed later.
func TestFailedRemoval(t *testing.T) {
	var reported []error
	onFrailDisk(t, func(t *testing.T, s *shelf, disk *frail) {
		d := s.create(Rule{Name: "d", URI: "com.t"})
		for range 20 {
			kit.Must(t, s.Put(sized(10_000), nil))
			s.awaitIdle()
		}
		disk.failRemoves.Store(true)
		before := s.Octets()
		kit.Must(t, d.Reset(Start{}))
		reported = nil
		kit.Must(t, s.do(s.maintain))
		if len(reported) == 0 || !errors.Is(reported[0], errDisk) || s.Octets() != before {
			t.Errorf("%v, %d bytes of %d", reported, s.Octets(), before)
		}
		disk.failRemoves.Store(false)
		kit.Must(t, s.do(s.maintain))
		if n := s.Octets(); n == 0 || n > 80_000 {
			t.Errorf("%d bytes of %d", n, before)
		}
	}, func(s *Store) {
		s.Limit = 1 << 20
		s.Report = func(err error) { reported = append(reported, err) }
	})
}
