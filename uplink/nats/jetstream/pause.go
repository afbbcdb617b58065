package jetstream

import (
	"context"
	"math/rand/v2"
	"time"

	"runnel/uplink/nats/conn"
)

// Pauses between attempts grow from firstPause to lastPause, with random jitter.
const (
	firstPause = 100 * time.Millisecond
	lastPause  = 5 * time.Second
)

// pause is the growing time between attempts.
type pause struct{ next time.Duration }

func newPause() *pause { return &pause{firstPause} }

// wait waits until the next attempt. Its error is the cause of ctx, or ErrClosed when done is closed.
func (p *pause) wait(ctx context.Context, done <-chan struct{}) error {
	timer := time.NewTimer(p.next/2 + rand.N(p.next/2))
	defer timer.Stop()
	p.next = min(2*p.next, lastPause)
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-done:
		return conn.ErrClosed
	}
}
