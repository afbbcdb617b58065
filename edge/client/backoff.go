package client

import (
	"context"
	"math/rand/v2"
	"time"
)

// Backoff yields the pauses between attempts: full jitter under a bound that doubles, and that does not exceed the
// time since the first failure. A client is therefore back within twice the outage, and a thousand devices do not
// reconnect at the same moment after a power cut. A Backoff belongs to one goroutine.
type Backoff struct {
	min, max time.Duration
	bound    time.Duration // bound of the next pause; 0: min
	start    time.Time     // of the first pause since Reset
}

// Backoff returns the pauses of the policy, starting with the shortest. Min and Max must be set.
func (r Reconnect) Backoff() Backoff { return Backoff{min: r.Min, max: r.Max} }

// Next returns how long to wait before the next attempt. The caller calls it when the attempt before has failed.
func (b *Backoff) Next() time.Duration {
	if b.bound == 0 {
		b.bound, b.start = b.min, time.Now()
	}
	bound := min(b.bound, max(b.min, time.Since(b.start)), b.max)
	b.bound = min(2*b.bound, b.max)
	return rand.N(bound + 1)
}

// Reset starts again with the shortest pause.
func (b *Backoff) Reset() { b.bound = 0 }

// Sleep waits for d. It returns false early if ctx is done.
func Sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
