package durable

import (
	"fmt"
	"os"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"runnel/edge/store"
	"runnel/edge/wamp"
	"runnel/test/kit"
)

// A second removal of the same subscription fails.
func TestRemovedOnce(t *testing.T) {
	s := openShelf(t, t.TempDir(), 0)
	d := s.create(Rule{Name: "d", URI: "com.t"})
	if err := d.Remove(); err != nil {
		t.Fatal(err)
	}
	if d.Remove() == nil { // the caller would count it twice
		t.Error("it is removed twice")
	}
}

// A subscription is found once it has its id.
func TestFoundOnceOpen(t *testing.T) {
	s := openShelf(t, t.TempDir(), 0)
	_, _, err := s.Create(Rule{Name: "d", URI: "com.t"}, Start{}, func(*Subscription) {
		if s.Find("", "d") != nil {
			t.Error("found before it was open")
		}
	})
	kit.Must(t, err)
	if s.Find("", "d") == nil {
		t.Error("not found")
	}
}

// damage changes a byte in the middle of the log's first file, and makes the store read the file again.
func (s *shelf) damage() {
	s.Helper()
	file := files(s.T, s.Directory)[0]
	b, err := os.ReadFile(file)
	kit.Must(s.T, err)
	b[len(b)/2] ^= 0x40
	kit.Must(s.T, os.WriteFile(file, b, 0o600))
	s.forgetRecent()
}

// forgetRecent makes the store read all events from the log.
func (s *shelf) forgetRecent() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.recent.forget()
}

// An event that becomes unreadable while it waits for its redelivery does not delay other events.
func TestUnreadableEventIsPassed(t *testing.T) {
	s := openShelf(t, t.TempDir(), 0)
	d := s.create(Rule{Name: "d", URI: "com.t", Window: 1})
	c := taker{make(chan Delivery, 100)}
	first := d.Attach(AttachOptions{Consumer: c})
	kit.Must(t, s.put("com.t", 1, 1000))
	kit.Receive(t, "the first event", c.got)
	kit.Must(t, s.put("com.t", 2, 10))
	first.Detach()
	s.damage()
	second := d.Attach(AttachOptions{Consumer: c})
	for n := 2; n <= 20; n++ {
		if e := kit.Receive(t, "an event", c.got); !second.Ack(e.ID) {
			t.Fatal("not under way")
		}
		if n < 20 {
			kit.Must(t, s.put("com.t", n+1, 10))
		}
	}
	kit.Eventually(t, "nothing is left", func() bool { return d.State().Events == 0 && d.State().Floor == 20 })
}

// picky admits the events of one topic.
type picky struct {
	taker
	topic string
	asked func()
}

func (c picky) Admits(e *store.Event) (may, own bool) {
	if c.asked != nil {
		c.asked()
	}
	return string(e.Topic) == c.topic, false
}

// An event for another consumer is kept while that one is busy, also if the consumer that may not have it leaves.
func TestEventWaitsForItsConsumer(t *testing.T) {
	s := openShelf(t, t.TempDir(), 0)
	d := s.create(Rule{Name: "d", URI: "com.", Match: wamp.Prefix, Window: 1})
	got := taker{make(chan Delivery, 100)}
	busy := d.Attach(AttachOptions{Consumer: picky{taker: got, topic: "com.a"}})
	kit.Must(t, s.put("com.a", 1, 10))
	one := kit.Receive(t, "the first event", got.got)
	var other *Attachment
	ready := make(chan struct{})
	other = d.Attach(AttachOptions{Consumer: picky{taker: got, topic: "com.b", asked: func() { <-ready; other.Detach() }}})
	close(ready)
	kit.Must(t, s.put("com.a", 2, 10))
	kit.Eventually(t, "the other consumer leaves", func() bool { return d.State().Sessions == 1 })
	busy.Ack(one.ID)
	if e := kit.Receive(t, "the second event", got.got); e.Position != 2 {
		t.Errorf("%+v", e)
	}
}

// A consumer that holds most of its window gets the rest of it.
func TestWindowIsUsed(t *testing.T) {
	s := openShelf(t, t.TempDir(), 0)
	d := s.create(Rule{Name: "d", URI: "com.t", Window: 4})
	for n := 1; n <= 6; n++ {
		kit.Must(t, s.put("com.t", n, 10))
	}
	c := taker{make(chan Delivery, 100)}
	a := d.Attach(AttachOptions{Consumer: c})
	var last Delivery
	for range 4 {
		last = kit.Receive(t, "an event", c.got)
	}
	a.Ack(last.ID)
	if e := kit.Receive(t, "the fifth event", c.got); e.Position != 5 {
		t.Errorf("%+v", e)
	}
}

// late records the position of the search at its first flush after a delivery.
type late struct {
	taker
	sub   *Subscription
	given *bool
	read  chan uint64
}

func (c late) Deliver(*Delivery) Verdict {
	*c.given = true
	return Delivered
}

func (c late) Flush() {
	if *c.given {
		*c.given = false
		c.sub.store.mu.Lock()
		defer c.sub.store.mu.Unlock()
		c.read <- c.sub.read
	}
}

// An event is sent before the rest of a long log has been searched for others.
func TestEventIsSentEarly(t *testing.T) {
	s := openShelf(t, t.TempDir(), 0)
	s.create(Rule{Name: "all", URI: "com.", Match: wamp.Prefix})
	d := s.create(Rule{Name: "d", URI: "com.t"})
	kit.Must(t, s.put("com.t", 1, 10))
	for range 3000 {
		kit.Must(t, s.Put(&Publication{Event: &store.Event{ID: wamp.NewID(), Topic: []byte("com.other")}}, nil))
	}
	kit.Must(t, s.put("com.other", 2, 10))
	c := late{sub: d, given: new(bool), read: make(chan uint64, 1)}
	d.Attach(AttachOptions{Consumer: c})
	if n := kit.Receive(t, "a flush", c.read); n > 1000 {
		t.Errorf("it was sent after %d records", n)
	}
}

// A smaller bound takes effect when it is declared, without another event.
func TestDeclaredBound(t *testing.T) {
	s := openShelf(t, t.TempDir(), 0)
	r := Rule{Name: "d", URI: "com.t"}
	opened := func(*Subscription) {}
	kit.Must(t, s.Declare([]Rule{r}, opened))
	for n := 1; n <= 5; n++ {
		kit.Must(t, s.put("com.t", n, 10))
	}
	r.MaxEvents = 2
	kit.Must(t, s.Declare([]Rule{r}, opened))
	if st := s.Find("", "d").State(); st.Events != 2 || st.Dropped != 3 {
		t.Errorf("%+v", st)
	}
}

// Events for one subscription cause no writes for the others. After a restart, the others begin after these events.
func TestOthersCostNoWrites(t *testing.T) {
	dir := t.TempDir()
	s := openShelf(t, dir, 0)
	s.create(Rule{Name: "busy", URI: "com.busy"})
	for n := range 30 {
		s.create(Rule{Name: fmt.Sprint("idle", n), URI: "com.idle"})
	}
	kit.Must(t, s.put("com.busy", 1, 10))
	octets := func() (n int64) {
		kit.Must(t, s.do(func() { s.saveCursors(); n = s.cursors.Octets() }))
		return n
	}
	before := octets()
	for n := 2; n <= 100; n++ {
		kit.Must(t, s.put("com.busy", n, 10))
	}
	if n := octets() - before; n != 0 {
		t.Errorf("%d bytes of cursors were written", n)
	}
	kit.Must(t, s.put("com.idle", 101, 10))
	s.close()
	s = openShelf(t, dir, 0)
	if n, idle := s.Find("", "busy").State().Events, s.Find("", "idle7"); n != 100 || idle.State().Events != 1 || !slices.Equal(s.numbers(idle), []int64{101}) {
		t.Errorf("%d events, and %+v", n, idle.State())
	}
}

// The memory for events in flight is bounded, whatever the number of consumers and the size of their windows.
func TestFlightIsBounded(t *testing.T) {
	s := openShelf(t, t.TempDir(), 0)
	d := s.create(Rule{Name: "d", URI: "com.t"})
	for range maxFlight + 1000 {
		kit.Must(t, s.Put(&Publication{Event: &store.Event{ID: wamp.NewID(), Topic: []byte("com.t")}}, nil))
	}
	kit.Must(t, s.put("com.t", 1, 10))
	c := taker{make(chan Delivery, 2*maxFlight)}
	for range 6 {
		d.Attach(AttachOptions{Consumer: c, Window: MaxWindow, AckWait: time.Hour})
	}
	for range maxFlight {
		kit.Receive(t, "an event", c.got)
	}
	kit.Must(t, s.put("com.t", 2, 10))
	d.store.mu.Lock()
	defer d.store.mu.Unlock()
	if n := len(d.flight); n > maxFlight {
		t.Errorf("%d entries are in flight", n)
	}
}

// An event in the middle that becomes unreadable is dropped, and the start moves over it.
func TestUnreadableInTheMiddle(t *testing.T) {
	inBubble(t, func(t *testing.T, s *shelf) {
		d := s.create(Rule{Name: "d", URI: "com.t"})
		c := &clerk{}
		d.Attach(AttachOptions{Consumer: c})
		for n := 1; n <= 3; n++ {
			kit.Must(t, s.put("com.t", n, 1000))
		}
		synctest.Wait()
		equal(t, "deliveries", c.positions(), []uint64{1, 2, 3})
		s.damage()
		time.Sleep(DefaultAckWait)
		synctest.Wait()
		for _, e := range c.got {
			d.consumers[0].Ack(e.ID)
		}
		equal(t, "redeliveries", c.positions(), []uint64{1, 3})
		if st := d.State(); st.Floor != 3 || st.Events != 0 || st.Dropped != 1 {
			t.Errorf("%+v", st)
		}
	})
}

// hideLog puts a directory in the place of the log's first file, so that it cannot be read, until restore is called.
func hideLog(t *testing.T, dir string) (restore func()) {
	t.Helper()
	file := files(t, dir)[0]
	kit.Must(t, os.Rename(file, file+".away"))
	kit.Must(t, os.Mkdir(file, 0o700))
	return func() {
		kit.Must(t, os.Remove(file))
		kit.Must(t, os.Rename(file+".away", file))
	}
}

// A log that cannot be read is reported, not passed over: its events are delivered once it can be read.
func TestUnreadableLog(t *testing.T) {
	inBubble(t, func(t *testing.T, s *shelf) {
		reported := s.noteReports(func() {})
		d := s.create(Rule{Name: "d", URI: "com.t"})
		kit.Must(t, s.put("com.t", 1, 10))
		restore := hideLog(t, s.Directory)
		s.forgetRecent()
		*reported = nil
		c := &clerk{}
		d.Attach(AttachOptions{Consumer: c})
		synctest.Wait()
		if len(*reported) == 0 || (*reported)[0] == nil || len(c.got) != 0 {
			t.Errorf("%v, %+v", *reported, c.got)
		}
		if _, err := d.Peek(10); err == nil {
			t.Error("no error")
		}
		restore()
		s.puts("com.t", 1)
		equal(t, "deliveries", c.positions(), []uint64{1, 2})
	})
}

// A subscription that begins again while a consumer examines an event delivers from its new start on.
func TestResetWhileDelivering(t *testing.T) {
	inBubble(t, func(t *testing.T, s *shelf) {
		d := s.create(Rule{Name: "d", URI: "com.t"})
		s.create(Rule{Name: "keep", URI: "com.t"})
		s.puts("com.t", 2)
		once := true
		c := &clerk{admits: func(*store.Event) bool {
			if once {
				once = false
				kit.Must(t, d.Reset(Start{}))
			}
			return true
		}}
		d.Attach(AttachOptions{Consumer: c})
		synctest.Wait()
		s.puts("com.t", 1)
		equal(t, "deliveries", c.positions(), []uint64{3})
	})
}

// A consumer without room is left alone until it has room, also if events are free again.
func TestFullConsumersAreLeftAlone(t *testing.T) {
	inBubble(t, func(t *testing.T, s *shelf) {
		d := s.create(Rule{Name: "d", URI: "com.t"})
		leaves, stays := &clerk{}, &clerk{}
		a := d.Attach(AttachOptions{Consumer: leaves, Window: 1})
		d.Attach(AttachOptions{Consumer: stays, Window: 1})
		s.puts("com.t", 4)
		a.Detach()
		synctest.Wait()
		before := stays.flushes
		s.sleep(DefaultAckWait - time.Second)
		if n := stays.flushes - before; n > 0 {
			t.Errorf("%d passes in vain", n)
		}
	})
}

// An event that cannot be used, such as one of another version, is passed over.
func TestUnusableEvent(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := openShelf(t, dir, 0, func(s *Store) {
			s.ReadOptions = func(e *store.Event) error {
				if string(e.Topic) == "com.bad" {
					return errRecord
				}
				return nil
			}
		})
		d := s.create(Rule{Name: "d", URI: "com.", Match: wamp.Prefix})
		s.puts("com.t", 1)
		s.puts("com.bad", 2)
		s.puts("com.t", 1)
		equal(t, "peeked", peeked(t, d), []uint64{1, 4})
		c := &clerk{}
		d.Attach(AttachOptions{Consumer: c, Sent: true})
		s.sleep(0)
		equal(t, "deliveries", c.positions(), []uint64{1, 4})
		if st := d.State(); st.Events != 0 || st.Floor != 4 {
			t.Errorf("%+v", st)
		}
	})
}

// An event goes to another consumer if the one that may have it leaves at that moment.
func TestConsumerLeavesMeanwhile(t *testing.T) {
	inBubble(t, func(t *testing.T, s *shelf) {
		d := s.create(Rule{Name: "d", URI: "com.t"})
		leaves, stays := &clerk{}, &clerk{}
		var a *Attachment
		ready := make(chan struct{})
		leaves.admits = func(*store.Event) bool {
			<-ready
			a.Detach()
			return true
		}
		a = d.Attach(AttachOptions{Consumer: leaves})
		close(ready)
		d.Attach(AttachOptions{Consumer: stays})
		s.puts("com.t", 3)
		equal(t, "it has left", leaves.positions(), nil)
		equal(t, "it stays", stays.positions(), []uint64{1, 2, 3})
	})
}
