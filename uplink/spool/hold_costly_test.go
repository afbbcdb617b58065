package spool

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// Topics whose retry may cost a connection are retried one at a time, in turn. Topics that were rejected by an
// answer are all retried. So are all topics after a restart and by Retry.
func TestRetryOfCostlyTopics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, newFlash(), Options{})
		for _, name := range []string{"a", "cheap1", "b", "cheap2", "c"} {
			if err := b.store(name); err != nil {
				t.Fatal(err)
			}
		}
		// reject rejects all events returned by Next. It returns their names, and the names of those to be sent alone.
		reject := func() (names, alone []string) {
			for _, e := range b.next(0, 10) {
				name, reason := b.name(e), ReasonCloses
				if name[0] == 'c' && len(name) > 1 {
					reason = "wamp.error.not_authorized"
				}
				names = append(names, name)
				if e.Alone {
					alone = append(alone, name)
				}
				b.Hold(e.Sequence, reason)
			}
			slices.Sort(names)
			return names, alone
		}
		if names, alone := reject(); len(names) != 5 || len(alone) != 0 {
			t.Errorf("first sent %q, alone %q", names, alone)
		}
		for round, want := range []string{"a", "b", "c", "a"} {
			time.Sleep(2 * time.Minute)
			if names, alone := reject(); !slices.Equal(alone, []string{want}) || len(names) != 3 {
				t.Errorf("round %d: sent %q, alone %q", round, names, alone)
			}
		}
		b = b.again(Options{})
		if names, alone := reject(); len(names) != 5 || len(alone) != 3 {
			t.Errorf("after a restart: sent %q, alone %q", names, alone)
		}
		b.Retry()
		if names, alone := reject(); len(names) != 5 || len(alone) != 3 {
			t.Errorf("after Retry: sent %q, alone %q", names, alone)
		}
	})
}
