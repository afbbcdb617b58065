package client

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// A pause ends in time, or early with its context.
func TestSleep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		began := time.Now()
		if !Sleep(ctx, time.Minute) || time.Since(began) != time.Minute {
			t.Errorf("the pause has ended early, after %v", time.Since(began))
		}
		time.AfterFunc(time.Second, stop)
		began = time.Now()
		if Sleep(ctx, time.Minute) || time.Since(began) != time.Second {
			t.Errorf("the pause has outlived its context by %v", time.Since(began)-time.Second)
		}
	})
}

// The pauses have a bound that doubles, is no longer than the outage, and starts again with Reset.
func TestBackoffBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := Reconnect{Min: time.Second, Max: 10 * time.Second}.Backoff()
		for round := range 2 {
			for i, bound := range []time.Duration{1, 1, 4, 8, 10, 10} { // seconds
				if i == 2 {
					time.Sleep(time.Minute)
				}
				if pause := b.Next(); pause < 0 || pause > bound*time.Second {
					t.Errorf("round %d, pause %d: %v, more than %d s", round, i, pause, bound)
				}
			}
			b.Reset()
		}
	})
}
