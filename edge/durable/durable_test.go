package durable

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"runnel/edge/codec"
	"runnel/edge/store"
	"runnel/edge/wamp"
	"runnel/test/kit"
)

// shelf is a store that runs.
type shelf struct {
	*testing.T
	*Store
	answers chan error
	close   func()
}

// openShelf opens a store, with changes to its configuration, and runs it.
func openShelf(t *testing.T, dir string, limit int64, changes ...func(*Store)) *shelf {
	t.Helper()
	s := &shelf{T: t, answers: make(chan error, 1000)}
	var err error
	s.Store, err = Open(Config{
		Directory: dir, Limit: limit, Interval: time.Hour, Log: slog.New(slog.DiscardHandler),
		ReadOptions: func(*store.Event) error { return nil },
		Committed: func(batch []Waiter, err error) {
			if len(batch) == 0 {
				t.Error("no publisher has waited")
			}
			for range batch {
				s.answers <- err
			}
		},
		Report: func(error) {},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, change := range changes {
		change(s.Store)
	}
	s.Begin()
	stop, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		s.Store.Run(stop)
	}()
	s.close = func() {
		select {
		case <-stop:
		default:
			close(stop)
		}
		<-ended
	}
	t.Cleanup(s.close)
	return s
}

func (s *shelf) create(r Rule) *Subscription {
	s.Helper()
	d, _, err := s.Create(r, Start{}, func(*Subscription) {})
	if err != nil {
		s.Fatal(err)
	}
	return d
}

// put stores an event whose payload is n, and waits until it is on disk.
func (s *shelf) put(topic string, n, size int) error {
	s.Helper()
	payload, err := codec.NewPayload(wamp.CBOR, []any{n, make([]byte, size)}, nil)
	if err != nil {
		s.Fatal(err)
	}
	if err := s.Put(&Publication{Event: &store.Event{ID: wamp.NewID(), Topic: []byte(topic), Payload: payload}}, true); err != nil {
		return err
	}
	return kit.Receive(s.T, "the commit", s.answers)
}

// numbers returns the payloads of a subscription's backlog, and its gaps as -1.
func (s *shelf) numbers(d *Subscription) (list []int64) {
	s.Helper()
	past, err := d.Peek(1_000_000)
	if err != nil {
		s.Fatal(err)
	}
	for _, p := range past {
		if p.Lost != nil {
			list = append(list, -1)
			continue
		}
		args, _, err := p.Payload.Decode()
		if err != nil {
			s.Fatal(err)
		}
		list = append(list, args[0].(int64))
	}
	return list
}

// files returns the files of the log, oldest first.
func files(t *testing.T, dir string) []string {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(dir, "log", "*.log"))
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// A torn, damaged or empty log can be opened. The intact events are delivered, and the damage is reported once, as a
// gap.
func TestDamagedLog(t *testing.T) {
	for name, c := range map[string]struct {
		damage func(b []byte) []byte
		want   []int64
	}{
		"torn":    {func(b []byte) []byte { return b[:len(b)-5] }, []int64{1, 2, 4}},
		"a byte":  {func(b []byte) []byte { b[len(b)*2/3] ^= 0x40; return b }, []int64{1, 3, -1, 4}},
		"garbage": {func(b []byte) []byte { return append([]byte("what is this?"), make([]byte, 4000)...) }, []int64{-1, 4}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := openShelf(t, dir, 0)
			s.create(Rule{Name: "d", URI: "com.t"})
			for n := 1; n <= 3; n++ {
				if err := s.put("com.t", n, 100); err != nil {
					t.Fatal(err)
				}
			}
			s.close()
			file := files(t, dir)[0]
			b, err := os.ReadFile(file)
			kit.Must(t, err)
			kit.Must(t, os.WriteFile(file, c.damage(b), 0o600))
			for range 3 { // the damage is reported once, however often the log is opened
				s = openShelf(t, dir, 0)
				d := s.Find("", "d")
				if d == nil {
					t.Fatal("the subscription is lost")
				}
				if n := len(s.numbers(d)); n == 0 || s.numbers(d)[n-1] != 4 {
					if err := s.put("com.t", 4, 100); err != nil {
						t.Fatal(err)
					}
				}
				if got := s.numbers(d); !slices.Equal(got, c.want) {
					t.Errorf("%v, want %v", got, c.want)
				}
				s.close()
			}
		})
	}
}

// The log stays within its limit for all subscriptions, and each of them learns of the events that it has lost.
func TestLimit(t *testing.T) {
	dir := t.TempDir()
	const limit = 1 << 20
	s := openShelf(t, dir, limit)
	lazy, other := s.create(Rule{Name: "lazy", URI: "com.", Match: wamp.Prefix, MaxSize: 1 << 30}), s.create(Rule{Name: "other", URI: "com.b"})
	for n := 1; n <= 300; n++ {
		if err := s.put([]string{"com.a", "com.b"}[n%2], n, 10_000); err != nil {
			t.Fatal(err)
		}
	}
	if got := s.Octets(); got > limit+minSegment*3 {
		t.Errorf("the log has %d bytes", got)
	}
	for _, d := range []*Subscription{lazy, other} {
		st := d.State()
		if st.Dropped == 0 || int(st.Dropped)+st.Events != 300 && d == lazy {
			t.Errorf("%+v", st)
		}
	}
	before := lazy.State()
	s.close()
	s = openShelf(t, dir, limit)
	if after := s.Find("", "lazy").State(); after.Events != before.Events || after.Octets != before.Octets || after.Dropped != before.Dropped {
		t.Errorf("after a restart %+v, before %+v", after, before)
	}
}

// taker is a consumer without limits.
type taker struct{ got chan Delivery }

func (c taker) Admits(*store.Event) (may, own bool) { return true, false }
func (c taker) Room() <-chan struct{}               { return nil }
func (c taker) Flush()                              {}
func (c taker) DeliverGap(Gap) Verdict              { return Delivered }
func (c taker) Deliver(d *Delivery) Verdict {
	e := *d.Event
	c.got <- Delivery{Event: &e, Position: d.Position, Redelivered: d.Redelivered}
	return Delivered
}

// Files that all have acknowledged are deleted, also those with events that a subscription has not asked for.
func TestAcknowledgedFilesGo(t *testing.T) {
	dir := t.TempDir()
	s := openShelf(t, dir, 1<<20)
	all, none := s.create(Rule{Name: "all", URI: "com.", Match: wamp.Prefix}), s.create(Rule{Name: "none", URI: "com.never"})
	c := taker{make(chan Delivery, 1000)}
	a := all.Attach(AttachOptions{Consumer: c})
	for n := 1; n <= 100; n++ {
		if err := s.put("com.a", n, 5000); err != nil {
			t.Fatal(err)
		}
		if d := kit.Receive(t, "an event", c.got); !a.Ack(d.ID) || d.Position != uint64(n) {
			t.Fatalf("event %d: %+v", n, d)
		}
	}
	a.Detach()
	kit.Eventually(t, "the acknowledged files are deleted", func() bool { return len(files(t, dir)) == 1 })
	if n := all.State().Events + none.State().Events; n != 0 {
		t.Errorf("%d events are left", n)
	}
}

// A store that cannot be written rejects events, and continues once it can be written.
func TestRefusal(t *testing.T) {
	dir := t.TempDir()
	s := openShelf(t, dir, 0)
	d := s.create(Rule{Name: "d", URI: "com.t"})
	kit.Must(t, os.WriteFile(filepath.Join(dir, "log"), nil, 0o600)) // no directory
	if err := s.put("com.t", 1, 10); err == nil {
		t.Fatal("an event was stored nowhere")
	}
	if err := s.put("com.t", 2, 10); err == nil {
		t.Fatal("an event was stored nowhere")
	}
	kit.Must(t, os.Remove(filepath.Join(dir, "log")))
	kit.Eventually(t, "the store writes again", func() bool { return s.put("com.t", 3, 10) == nil })
	if got := s.numbers(d); len(got) != 2 || got[0] != -1 || got[1] != 3 {
		t.Errorf("%v", got)
	}
}

func TestStart(t *testing.T) {
	for text, want := range map[string]Start{
		"": {}, "now": {}, "all": {All: true}, "42": {After: 42}, "2026-11-29T14:00:00Z": {Time: time.Date(2026, 11, 29, 14, 0, 0, 0, time.UTC)},
	} {
		if got, err := ParseStart(text); err != nil || got != want {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"ALL", "0", "-1", "yesterday", "2026-11-29", fmt.Sprint(uint64(1) << 60)} {
		if _, err := ParseStart(text); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}

// Records of other versions, and garbage, are errors.
func FuzzRecord(f *testing.F) {
	f.Add(block(7, manyShapes(40)...))
	f.Add(gapOf(7, loss{3, "disk", 1}))
	f.Fuzz(func(t *testing.T, record []byte) {
		size := int64(0)
		new(unpacker).each(record, place{}, place{1, 1}, func(h *head, _, _ place) bool {
			_, eventErr := h.event(new(store.Event), func(*store.Event) error { return nil })
			if _, gapErr := h.loss(); eventErr == nil && gapErr == nil || !known(record) {
				t.Error("both an event and a gap, or none of this version")
			}
			size += h.size
			return true
		})
		if size > int64(len(record)) {
			t.Errorf("%d bytes of %d", size, len(record))
		}
	})
}

// The events that were in flight when a session ended follow newer events that another session has received meanwhile.
// They arrive in order, and all of them are marked.
func TestOverlappingSessions(t *testing.T) {
	inBubble(t, func(t *testing.T, s *shelf) {
		d := s.create(Rule{Name: "d", URI: "com.t"})
		old, next := &clerk{}, &clerk{}
		a := d.Attach(AttachOptions{Consumer: old, Window: 3})
		s.puts("com.t", 3)
		d.Attach(AttachOptions{Consumer: next})
		s.puts("com.t", 2)
		a.Detach()
		s.puts("com.t", 1)
		var again []uint64
		for _, e := range next.got {
			if e.Redelivered {
				again = append(again, e.Position)
			}
		}
		equal(t, "redelivered", again, []uint64{1, 2, 3})
		equal(t, "all", next.positions(), []uint64{4, 5, 1, 2, 3, 6})
	})
}
