package atomicfile

import (
	"context"
	"time"
)

// Keep calls save at each interval and when hurry, which may be nil, has an element. Once ctx is done, Keep calls save a last
// time and returns. save writes a file if its content has changed.
func Keep(ctx context.Context, interval time.Duration, hurry <-chan struct{}, save func()) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for done := false; !done; {
		select {
		case <-tick.C:
		case <-hurry:
		case <-ctx.Done():
			done = true
		}
		save()
	}
}
