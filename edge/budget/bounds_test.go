package budget

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A request that just fits the budget is granted.
func TestExactly(t *testing.T) {
	for octets, want := range map[int]int{8 << 10: 0, 8<<10 + 1: 8<<10 + 1} {
		if got := Buffer(octets); got != want {
			t.Errorf("a buffer of %d bytes costs %d", octets, got)
		}
	}
	b := New(100*kib, nil)
	if !b.KeepBasic(Calls, 100*kib) || b.KeepBasic(Calls, 1) {
		t.Error("the little that a peer needs may use the whole budget, and not more")
	}
	if !b.Keep(Retained, 0) || !b.Keep(Retained, -kib) {
		t.Error("what needs no more memory is refused")
	}
	if b.check(t, 99*kib); b.WaitForRoom(kib+1, 0) || !b.WaitForRoom(kib, 0) {
		t.Error("there is room for one KiB")
	}
	var none *Budget
	if !none.KeepBasic(Calls, 1) || none.Tight() {
		t.Error("something is bounded without a budget")
	}
}

func TestTight(t *testing.T) {
	b := New(100*kib, nil)
	b.Spend(75 * kib)
	if b.Tight() {
		t.Error("a quarter is left")
	}
	if b.Spend(1); !b.Tight() {
		t.Error("less than a quarter is left")
	}
}

// Peers are cut when the budget is exceeded, whatever takes the memory, and not before.
func TestNoneIsCutTooEarly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(160*kib, nil)
		stranger, busy := b.peer(t, 30*kib, false), b.peer(t, 30*kib, true)
		cut := func(want bool) {
			t.Helper()
			if synctest.Wait(); (stranger.Err() != nil) != want || busy.Err() != nil {
				t.Errorf("the stranger: %v, the other: %v", stranger.Err(), busy.Err())
			}
		}
		b.Spend(100 * kib)
		cut(false)
		b.Spend(1)
		cut(true)
	})
	synctest.Test(t, func(t *testing.T) { // strangers with an eighth of the budget do no harm
		b := New(160*kib, nil)
		stranger, busy := b.peer(t, 20*kib, false), b.peer(t, 30*kib, true)
		b.Spend(120 * kib) // a sixteenth too much
		if synctest.Wait(); stranger.Err() != nil || busy.Err() != nil {
			t.Errorf("%v, %v", stranger.Err(), busy.Err())
		}
		time.Sleep(2 * barrenTime)
		b.Spend(1)
		if synctest.Wait(); stranger.Err() != nil || busy.Err() == nil {
			t.Errorf("%v, %v", stranger.Err(), busy.Err())
		}
	})
}

// A log line reports only the events since the last one.
func TestReport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		b := New(100*kib, slog.New(slog.NewTextHandler(&log, nil)))
		line := func(want string, not ...string) {
			t.Helper()
			time.Sleep(2 * reportInterval)
			synctest.Wait()
			text := log.String()
			for _, word := range not {
				if strings.Contains(text, word) {
					t.Errorf("%s is in %s", word, text)
				}
			}
			if !strings.Contains(text, want) || strings.Count(text, "\n") != 1 {
				t.Errorf("%s is not in %s", want, text)
			}
			log.Reset()
		}
		b.Refused(Tables)
		b.Refused(Tables)
		line("tables_refused=2", "peers_cut", "reads_delayed", "calls_refused")
		b.Refused(Calls)
		line("calls_refused=1", "peers_cut", "reads_delayed", "tables_refused")
		b.peer(t, 40*kib, false)
		b.Spend(90 * kib)
		line("peers_cut=1", "reads_delayed", "_refused")
	})
}
