package budget

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

const kib = 1 << 10

// peer opens an account whose connection closes as soon as it is cut.
func (b *Budget) peer(t *testing.T, base int, joined bool) *Account {
	t.Helper()
	var a *Account
	a, err := b.Open(Peer{Base: base, System: kib, Joined: joined, Close: func() { a.Close() }})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func (b *Budget) check(t *testing.T, used int64) {
	t.Helper()
	sum := int64(0)
	for k := range kinds {
		sum += b.kinds[k].Load()
	}
	if got := b.used.Load(); got != used || sum != used || b.leaving.Load() != 0 {
		t.Errorf("%d bytes are used, by kind %d, %d are leaving; want %d", got, sum, b.leaving.Load(), used)
	}
}

func TestAccounts(t *testing.T) {
	b := New(100*kib, nil)
	a := b.peer(t, 10*kib, true)
	a.Grow(Reading, 20*kib)
	if !a.Try(Outboxes, 70*kib) {
		t.Error("what there is room for is refused")
	}
	if a.Try(Outboxes, 1) {
		t.Error("more than there is was granted")
	}
	b.check(t, 100*kib)
	a.Shrink(Outboxes, 30*kib)
	a.Stuck()
	a.Stuck()
	b.check(t, 71*kib)
	a.Flows()
	a.Flows()
	b.check(t, 70*kib)
	a.Close()
	a.Close()
	a.Shrink(Reading, 20*kib)
	a.Grow(Reading, 20*kib)
	b.check(t, 0)
}

// Without a budget, nothing is limited and nothing fails.
func TestNone(t *testing.T) {
	var b *Budget
	a, err := b.Open(Peer{Base: 1 << 40})
	if a != nil || err != nil {
		t.Fatal(a, err)
	}
	a.Joined()
	a.Grow(Reading, 1<<30)
	a.Shrink(Reading, 1<<30)
	a.Stuck()
	a.Flows()
	b.SetLimit(1)
	b.Spend(1)
	b.Refused(Calls)
	if !a.Try(Outboxes, 1<<30) || a.Wait(1<<30, nil) != nil || !b.Keep(Tables, 1<<30) || !b.WaitForRoom(1<<30, 0) || a.Tight() || a.Err() != nil {
		t.Error("something is bounded")
	}
	if b.Status() != nil || b.Limit() != 0 {
		t.Error("there is a status")
	}
	b.Drop(Tables, 1<<30)
	a.Close()
}

// Stored data has at most half of the budget, and refusals are counted.
func TestKeep(t *testing.T) {
	b := New(100*kib, nil)
	if !b.Keep(Retained, 50*kib) || b.Keep(Tables, 1) {
		t.Error("more than half is for what is kept")
	}
	b.Drop(Retained, 20*kib)
	a := b.peer(t, 70*kib, true)
	if b.Keep(Tables, kib) {
		t.Error("more than there is is kept")
	}
	b.Drop(Tables, -kib) // in place of other data
	if s := b.Status(); s.Refused["tables"] != 2 || s.Use["retained"] != 30*kib || s.Used != 101*kib {
		t.Errorf("%+v", s)
	}
	a.Close()
	b.check(t, 31*kib)
}

// Beyond the limit, the largest peer that has not joined is cut first, if these have more than an eighth. The next one
// is the largest outbox whose peer reads nothing. Parts of the process are never cut.
func TestWhoGoesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(100*kib, nil)
		own, err := b.Open(Peer{Base: 20 * kib, Joined: true, Vital: true})
		if err != nil {
			t.Fatal(err)
		}
		small, large := b.peer(t, 5*kib, false), b.peer(t, 5*kib, false)
		large.Grow(Reading, 10*kib)
		deaf, deafest, busy := b.peer(t, 5*kib, true), b.peer(t, 5*kib, true), b.peer(t, 5*kib, true)
		deaf.Grow(Outboxes, 9*kib)
		deafest.Grow(Outboxes, 10*kib)
		busy.Grow(Outboxes, 15*kib)
		deaf.Stuck()
		deafest.Stuck()
		time.Sleep(2 * stuckTime)
		for i, want := range []*Account{large, deafest, deaf} {
			busy.Grow(Outboxes, int(b.limit.Load()-b.used.Load())+1)
			synctest.Wait()
			for _, a := range []*Account{own, small, large, deaf, deafest, busy} {
				gone := a == want || i > 0 && a == large || i > 1 && a == deafest
				if cut := a.Err() != nil; cut != gone {
					t.Fatalf("in round %d: an account of %d is cut: %v", i, a.base, cut)
				}
			}
		}
		busy.Grow(Outboxes, 200*kib)
		synctest.Wait()
		if busy.Err() == nil || own.Err() != nil {
			t.Error("the peer that has nearly everything was not cut")
		}
		if s := b.Status(); s.Cut != 4 || s.Used > s.Limit {
			t.Errorf("%+v", s)
		}
	})
}

// A connection is refused if there is no room, unless another peer can be cut for it.
func TestOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(100*kib, nil)
		kept := b.peer(t, 80*kib, true)
		stranger := b.peer(t, 20*kib, false)
		newer := b.peer(t, 10*kib, false)
		synctest.Wait()
		if stranger.Err() == nil || kept.Err() != nil {
			t.Error("the new one is not let in for a stranger")
		}
		newer.Joined()
		if _, err := b.Open(Peer{Base: 20 * kib}); !errors.Is(err, ErrFull) {
			t.Errorf("one too many: %v", err)
		}
	})
}

// Near the limit, long reads wait in order. After a second, the peer that has had its memory longest is cut.
func TestWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(100*kib, nil)
		old, newer := b.peer(t, kib, true), b.peer(t, kib, true)
		old.Grow(Reading, 30*kib)
		time.Sleep(time.Minute)
		newer.Grow(Reading, 30*kib)
		first, second := b.peer(t, kib, true), b.peer(t, kib, true)
		start := time.Now()
		done := make(chan *Account, 2)
		for _, a := range []*Account{first, second} {
			go func() {
				if err := a.Wait(30*kib, nil); err != nil {
					t.Error(err)
				}
				done <- a
			}()
			synctest.Wait()
			if a == first {
				time.Sleep(readPatience - readAgain/2) // the second looks for room after the first, not at the same instant
			}
		}
		if got := <-done; got != first || time.Since(start) != readPatience || old.Err() == nil || newer.Err() != nil {
			t.Errorf("after %v: first %v, old cut %v, newer cut %v", time.Since(start), got == first, old.Err(), newer.Err())
		}
		first.Shrink(Reading, 30*kib)
		if <-done != second || newer.Err() != nil {
			t.Error("the second does not get what the first gives back")
		}
		if b.Status().Waits != 2 {
			t.Errorf("%+v", b.Status())
		}
	})
}

// The oldest message is read to its end first, and its peer is not cut for the time that the router let it wait.
func TestWaitIsNoFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(100*kib, nil)
		honest := b.peer(t, kib, true)
		honest.Grow(Reading, 10*kib) // its message began first
		time.Sleep(time.Second)
		for range 3 {
			b.peer(t, kib, true).Grow(Reading, 20*kib)
		}
		late, later := b.peer(t, kib, true), b.peer(t, kib, true)
		late.Grow(Reading, kib)
		served := make(chan *Account)
		for _, a := range []*Account{late, honest} {
			go func() {
				if err := a.Wait(35*kib, nil); err != nil {
					t.Errorf("honest %v: %v", a == honest, err)
				}
				served <- a
			}()
			synctest.Wait()
		}
		if <-served != honest {
			t.Error("the oldest message is not read on first")
		}
		go func() {
			later.Wait(40*kib, nil)
			served <- later
		}()
		time.Sleep(readPatience - 1)
		if honest.Err() != nil {
			t.Error("a peer was cut within a second after it was granted memory")
		}
		time.Sleep(readAgain + 1)
		if honest.Err() == nil {
			t.Error("a peer keeps memory that it does not use")
		}
		<-served
		<-served
	})
}

// If all peers that hold a part of a message wait for more, the last one makes room for the first.
func TestAllWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(100*kib, nil)
		peers := make([]*Account, 3)
		served := make([]chan error, 3)
		for i := range peers {
			peers[i] = b.peer(t, kib, true)
			peers[i].Grow(Reading, 20*kib)
			served[i] = make(chan error, 1)
		}
		for i, a := range peers {
			go func() { served[i] <- a.Wait(30*kib, nil) }()
			synctest.Wait()
		}
		if err := <-served[0]; err != nil {
			t.Error("the first: ", err)
		}
		if err := <-served[2]; !errors.Is(err, ErrCut) {
			t.Error("the last: ", err)
		}
		peers[0].Close()
		if err := <-served[1]; err != nil {
			t.Error("the second: ", err)
		}
	})
}

func TestWaitInVain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(100*kib, nil)
		a := b.peer(t, kib, true)
		if err := a.Wait(80*kib, nil); !errors.Is(err, ErrTooLong) {
			t.Errorf("more than may be: %v", err)
		}
		b.Keep(Retained, 50*kib)
		gone := make(chan struct{})
		time.AfterFunc(readPatience/2, func() { close(gone) })
		if err := a.Wait(60*kib, gone); !errors.Is(err, ErrCut) {
			t.Errorf("a closed connection: %v", err)
		}
		time.AfterFunc(readPatience/2, a.Close)
		if err := a.Wait(60*kib, nil); !errors.Is(err, ErrCut) {
			t.Errorf("a closed account: %v", err)
		}
		b.check(t, 50*kib)
	})
}

// An event waits for room, and gets the memory of a peer that does not read.
func TestRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(100*kib, nil)
		deaf, slow := b.peer(t, kib, true), b.peer(t, kib, true)
		slow.Grow(Outboxes, 40*kib)
		deaf.Grow(Outboxes, 50*kib)
		start := time.Now()
		if b.WaitForRoom(50*kib, time.Second/2) || time.Since(start) != time.Second/2 {
			t.Errorf("there is room after %v", time.Since(start))
		}
		time.AfterFunc(time.Second/3, func() { slow.Shrink(Outboxes, 40*kib) })
		if start = time.Now(); !b.WaitForRoom(30*kib, time.Second) || time.Since(start) != time.Second/3 {
			t.Errorf("no room after %v", time.Since(start))
		}
		deaf.Stuck()
		if start = time.Now(); !b.WaitForRoom(60*kib, 2*stuckTime) || time.Since(start) < stuckTime || deaf.Err() == nil {
			t.Errorf("no room after %v: %v", time.Since(start), deaf.Err())
		}
	})
}

func TestSetLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(100*kib, nil)
		a := b.peer(t, kib, true)
		a.Grow(Outboxes, 50*kib)
		a.Stuck()
		time.Sleep(2 * stuckTime)
		b.SetLimit(40 * kib)
		synctest.Wait()
		if a.Err() == nil {
			t.Error("a peer that has more than the new limit was not cut")
		}
		b.check(t, 0)
	})
}
