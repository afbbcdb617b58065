package atomicfile

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// The file is saved at each interval, at once when that is asked for, and at the end.
func TestKeep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		hurry, saved, ended := make(chan struct{}), 0, false
		go func() {
			Keep(ctx, time.Minute, hurry, func() { saved++ })
			ended = true
		}()
		check := func(what string, want int, end bool) {
			t.Helper()
			synctest.Wait()
			if saved != want || ended != end {
				t.Errorf("%s: saved %d times, ended %v", what, saved, ended)
			}
		}
		check("at first", 0, false)
		time.Sleep(2*time.Minute + time.Second)
		check("after two intervals", 2, false)
		hurry <- struct{}{}
		check("in a hurry", 3, false)
		stop()
		check("at the end", 4, true)
	})
}
