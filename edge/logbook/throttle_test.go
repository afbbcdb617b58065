package logbook

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestThrottle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var line Throttle
		for i, want := range []bool{true, false, false} {
			if _, ok := line.Allow(); ok != want {
				t.Errorf("line %d passes: %v", i, ok)
			}
		}
		time.Sleep(time.Second)
		if others, ok := line.Allow(); !ok || others != 2 {
			t.Errorf("after a second: %v, with %d others", ok, others)
		}
	})
}
