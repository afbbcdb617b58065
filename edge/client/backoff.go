package client

import (
	"math/rand/v2"
	"time"
)

// backoff counts the pauses between attempts: full jitter under a bound that doubles. Full jitter, because after a power
// cut a thousand devices come back in the same second.
type backoff struct {
	min, max time.Duration
	bound    time.Duration // of the next pause; 0: min
}

// next returns how long to wait before the next attempt.
func (b *backoff) next() time.Duration {
	bound := max(b.bound, b.min)
	b.bound = min(2*bound, b.max)
	return rand.N(min(bound, b.max) + 1)
}

// reset starts again with the shortest pauses.
func (b *backoff) reset() { b.bound = 0 }
