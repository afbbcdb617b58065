package client

import (
	"context"
	"math/rand/v2"
	"time"
)

// Backoff yields the pauses between attempts: full jitter under a bound that doubles. After a power cut a thousand
// devices come back in the same second; the jitter spreads them. A Backoff belongs to one goroutine.
type Backoff struct {
	min, max time.Duration
	bound    time.Duration // bound of the next pause; 0: min
}

// Backoff returns the pauses of the policy, starting with the shortest. Min and Max must be set.
func (r Reconnect) Backoff() Backoff { return Backoff{min: r.Min, max: r.Max} }

// Next returns how long to wait before the next attempt.
func (b *Backoff) Next() time.Duration {
	bound := max(b.bound, b.min)
	b.bound = min(2*bound, b.max)
	return rand.N(min(bound, b.max) + 1)
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
