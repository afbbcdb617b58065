package budget

import (
	"log/slog"
	"testing"
	"testing/synctest"
)

// Full tables do not keep a peer from being served at all, but an exhausted budget does.
func TestKeepBasic(t *testing.T) {
	b := New(1000, slog.New(slog.DiscardHandler))
	if !b.Keep(Tables, 500) || b.Keep(Tables, 1) {
		t.Error("the tables may have half")
	}
	if !b.KeepBasic(Calls, 400) {
		t.Error("full tables refuse a peer's first calls")
	}
	if b.KeepBasic(Calls, 200) {
		t.Error("more is kept than the budget has")
	}
}

// A vital peer is never cut, whatever its charges.
func TestVitalPeersStay(t *testing.T) {
	for _, joined := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			b := New(100*kib, nil)
			vital, err := b.Open(Peer{Base: 60 * kib, Joined: joined, Vital: true})
			if err != nil {
				t.Fatal(err)
			}
			other := b.peer(t, 10*kib, joined)
			b.Spend(40 * kib)
			if synctest.Wait(); vital.Err() != nil || other.Err() == nil {
				t.Errorf("joined %v: the vital peer: %v, the other: %v", joined, vital.Err(), other.Err())
			}
		})
	}
}

// The status names only the kinds of data that were rejected. A peer that needs no memory does not wait.
func TestNothingIsRefused(t *testing.T) {
	b := New(100*kib, nil)
	a := b.peer(t, kib, true)
	b.Spend(200 * kib)
	if err := a.Wait(0, nil); err != nil {
		t.Error(err)
	}
	if refused := b.Status().Refused; len(refused) != 0 {
		t.Errorf("%v", refused)
	}
	b.Refused(Outboxes)
	if refused := b.Status().Refused; len(refused) != 1 || refused[Outboxes.String()] != 1 {
		t.Errorf("%v", refused)
	}
}
