package durable

import (
	"errors"
	"testing"
	"testing/synctest"

	"runnel/edge/store"
	"runnel/test/kit"
)

// other represents the other users of the log.
type other struct {
	needs    uint64
	fails    bool
	releases [][2]uint64
	lost     bool
}

func (o *other) join(s *Store) {
	s.Needed = func() uint64 { return o.needs }
	s.Release = func(first, last uint64, lost bool) bool {
		o.releases, o.lost = append(o.releases, [2]uint64{first, last}), lost
		return !o.fails
	}
}

// Segments that no subscription needs stay as long as others need them, until they take half of the log's limit. Before
// a segment is removed, the others take over the events that they need.
func TestNeededByOthers(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		o := &other{needs: 1, fails: true}
		s := openShelf(t, dir, 1<<20, o.join)
		d := s.create(Rule{Name: "d", URI: "com.t"})
		d.Attach(AttachOptions{Consumer: &clerk{}, Sent: true})
		put := func(n int) {
			for range n {
				kit.Must(t, s.Put(sized(20_000), nil))
				s.awaitIdle()
			}
			kit.Must(t, s.do(s.maintain))
		}
		put(20)
		if s.Octets() < 400_000 || len(o.releases) != 0 {
			t.Errorf("the log has %d bytes, and %v are released", s.Octets(), o.releases)
		}
		put(20)
		if s.Octets() < 800_000 || len(o.releases) == 0 || o.lost {
			t.Errorf("nothing was taken over, and the log has %d bytes; %v are released", s.Octets(), o.releases)
		}
		put(20)
		if n := s.Octets(); n < 900_000 || n > 1<<20+minSegment {
			t.Errorf("the log has %d bytes", n)
		}
		o.fails, o.releases = false, nil
		put(1)
		if n := s.Octets(); n > 1<<19+minSegment || len(o.releases) == 0 {
			t.Errorf("the log has %d bytes, and %v are released", n, o.releases)
		}
		o.needs = 0
		put(1)
		if n := len(files(t, dir)); n != 1 {
			t.Errorf("%d files are left", n)
		}
	})
}

// The other users of the log learn which events a failed sync has lost.
func TestLostByOthers(t *testing.T) {
	o := &other{}
	onFrailDisk(t, func(t *testing.T, s *shelf, disk *frail) {
		s.create(Rule{Name: "d", URI: "com.t"})
		kit.Must(t, s.put("com.t", 1, 10))
		disk.failSyncs.Store(true)
		s.puts("com.t", 2)
		if err := s.put("com.t", 2, 10); !errors.Is(err, errDisk) {
			t.Errorf("%v", err)
		}
		synctest.Wait()
		if len(o.releases) != 1 || o.releases[0] != [2]uint64{2, 4} || !o.lost {
			t.Errorf("%v, %v", o.releases, o.lost)
		}
		disk.failSyncs.Store(false)
		s.sleep(retryInterval)
		kit.Must(t, s.put("com.t", 3, 10))
		if len(o.releases) != 1 {
			t.Errorf("%v", o.releases)
		}
	}, o.join)
}

// New events get positions after those that other users know. Each returns all events with the positions from Put.
func TestPositions(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := openShelf(t, dir, 0, func(s *Store) { s.next = max(s.next, 1000) })
		s.create(Rule{Name: "d", URI: "com.t"})
		var want, got []uint64
		for range 3 {
			p := sized(10)
			kit.Must(t, s.Put(p, nil))
			want = append(want, p.Position)
		}
		kit.Must(t, s.Each(func(p Publication) { got = append(got, p.Position) }))
		equal(t, "positions", got, want)
		s.close()
		if err := s.Each(func(Publication) {}); !errors.Is(err, errClosed) {
			t.Errorf("%v", err)
		}
		again, err := Open(Config{Directory: t.TempDir(), Log: s.Store.Log, After: 5000, ReadOptions: func(*store.Event) error { return nil }})
		if err != nil || again.next <= 5000 {
			t.Errorf("%v, the next position is %d", err, again.next)
		}
	})
}
