package atomicfile

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// The file is saved at each interval, at once on request, and at the end.
func TestKeep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		hurry := make(chan struct{})
		var saved atomic.Int64
		var ended atomic.Bool
		go func() {
			Keep(ctx, time.Minute, hurry, func() { saved.Add(1) })
			ended.Store(true)
		}()
		check := func(what string, want int64, end bool) {
			t.Helper()
			synctest.Wait()
			if saved.Load() != want || ended.Load() != end {
				t.Errorf("%s: saved %d times, ended %v", what, saved.Load(), ended.Load())
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
