package budget

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestWaitAtOnce: a read for which there is room does not wait, and a part of this process never waits.
func TestWaitAtOnce(t *testing.T) {
	for _, c := range []struct {
		vital         bool
		octets, waits int
	}{{false, 74 * kib, 0}, {false, 0, 0}, {true, 74 * kib, 0}, {true, 99 * kib, 0}, {false, 74*kib + 1, 1}} {
		synctest.Test(t, func(t *testing.T) {
			b := New(100*kib, nil)
			a, err := b.Open(Peer{Base: kib, Joined: true, Vital: c.vital})
			if err != nil {
				t.Fatal(err)
			}
			gone := make(chan struct{})
			close(gone)
			if err := a.Wait(c.octets, gone); (err != nil) != (c.waits > 0) || b.Status().Waits != uint64(c.waits) {
				t.Errorf("%+v: %v, %d waits", c, err, b.Status().Waits)
			}
			if c.waits == 0 {
				b.check(t, int64(kib+c.octets))
				a.Close()
				b.check(t, 0)
			}
		})
	}
}

// TestWaitOrder: a message's first byte determines its place in the queue. Neither a later part nor an outbox moves it
// back. The next message gets a new place.
func TestWaitOrder(t *testing.T) {
	for name, c := range map[string]struct {
		between func(first *Account)
		first   bool
	}{
		"a longer message": {func(a *Account) { a.Grow(Reading, kib) }, true},
		"an outbox":        {func(a *Account) { a.Grow(Outboxes, kib) }, true},
		"the next message": {func(a *Account) { a.Shrink(Reading, kib); a.Grow(Reading, kib) }, false},
		"no message":       {func(a *Account) { a.Shrink(Reading, kib) }, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			b := New(100*kib, nil)
			first, second := b.peer(t, kib, true), b.peer(t, kib, true)
			for _, a := range []*Account{first, second} {
				a.Grow(Reading, kib)
				time.Sleep(time.Millisecond)
			}
			c.between(first)
			b.Spend(60 * kib)
			served := make(chan *Account, 2)
			for _, a := range []*Account{second, first} {
				go func() {
					if err := a.Wait(30*kib, nil); err != nil {
						t.Errorf("%s: %v", name, err)
					}
					served <- a
				}()
				synctest.Wait()
				time.Sleep(time.Millisecond)
			}
			b.Drop(Work, 30*kib)
			if got := <-served; (got == first) != c.first {
				t.Errorf("%s: the first is served first: %v", name, got == first)
			}
			b.Drop(Work, 30*kib)
			<-served
			if first.Err() != nil || second.Err() != nil {
				t.Errorf("%s: %v, %v", name, first.Err(), second.Err())
			}
		})
	}
}

// TestLargestReader: among the peers after the first, the one with the largest part of a message is cut to make room;
// of equal ones the last. A part of this process is never cut, nor is a peer without memory.
func TestLargestReader(t *testing.T) {
	for name, c := range map[string]struct {
		reading []int // of each reader; negative: of a part of this process
		want    int
	}{
		"no other":      {[]int{5}, -1},
		"not the first": {[]int{9, 5}, 1},
		"the largest":   {[]int{1, 5, 7, 6}, 2},
		"equals":        {[]int{1, 5, 5, 4}, 2},
		"vital":         {[]int{1, 5, -9}, 1},
		"only vital":    {[]int{1, -9}, -1},
		"nothing held":  {[]int{1, 0, 0}, -1},
	} {
		b := New(100*kib, nil)
		for _, n := range c.reading {
			a, err := b.Open(Peer{Joined: true, Vital: n < 0})
			if err != nil {
				t.Fatal(err)
			}
			a.Grow(Reading, max(n, -n))
			b.readers = append(b.readers, &reader{account: a})
		}
		got := b.largestReader()
		if c.want < 0 && got != nil || c.want >= 0 && got != b.readers[c.want].account {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// TestSlowestSender: the slowest peer holds a part of a message and has had the most time to send. Peers that wait for
// the router and parts of this process are exempt.
func TestSlowestSender(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(100*kib, nil)
		vital, err := b.Open(Peer{Vital: true})
		if err != nil {
			t.Fatal(err)
		}
		vital.Grow(Reading, kib)
		idle, waiting := b.peer(t, kib, true), b.peer(t, kib, true)
		idle.Grow(Outboxes, kib)
		waiting.Grow(Reading, kib)
		b.readers = []*reader{{account: waiting}}
		if got, _ := b.slowestSender(); got != nil {
			t.Errorf("none can send: %+v", got)
		}
		for range 5 {
			time.Sleep(time.Second)
			b.peer(t, kib, true).Grow(Reading, kib)
		}
		got, since := b.slowestSender()
		if got == nil || time.Since(since) != 4*time.Second {
			t.Errorf("%+v could send for %v", got, time.Since(since))
		}
	})
}

// TestWaitIsReported: the log reports reads that had to wait, even if they led to no cut.
func TestWaitIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		b := New(100*kib, slog.New(slog.NewTextHandler(&log, nil)))
		a := b.peer(t, kib, true)
		b.Spend(60 * kib)
		time.AfterFunc(readPatience/2, func() { b.Drop(Work, 60*kib) })
		start := time.Now()
		if err := a.Wait(30*kib, nil); err != nil || time.Since(start) != readPatience/2 {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		time.Sleep(2 * reportInterval)
		synctest.Wait()
		if text := log.String(); !strings.Contains(text, "reads_delayed=1") || strings.Contains(text, "cut") {
			t.Errorf("log: %s", text)
		}
	})
}

// TestWaitEndsAtOnce: all readers continue as soon as there is room for them.
func TestWaitEndsAtOnce(t *testing.T) {
	for name, free := range map[string]func(b *Budget, other *Account){
		"stored data is dropped": func(b *Budget, _ *Account) { b.Drop(Work, 60*kib) },
		"the limit is raised":    func(b *Budget, _ *Account) { b.SetLimit(200 * kib) },
		"a peer is gone":         func(_ *Budget, other *Account) { other.Close() },
		"a peer has read":        func(_ *Budget, other *Account) { other.Shrink(Outboxes, 60*kib) },
	} {
		synctest.Test(t, func(t *testing.T) {
			b := New(100*kib, nil)
			other := b.peer(t, kib, true)
			if b.Spend(60 * kib); strings.HasPrefix(name, "a peer") {
				b.Drop(Work, 60*kib)
				other.Grow(Outboxes, 60*kib)
			}
			served := make(chan error, 2)
			for range 2 {
				a := b.peer(t, kib, true)
				go func() { served <- a.Wait(20*kib, nil) }()
				synctest.Wait()
			}
			time.Sleep(readAgain / 3)
			start := time.Now()
			free(b, other)
			for range 2 {
				if err := <-served; err != nil || time.Since(start) != 0 {
					t.Errorf("%s: after %v: %v", name, time.Since(start), err)
				}
			}
		})
	}
}
