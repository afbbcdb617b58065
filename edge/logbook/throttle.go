package logbook

import (
	"sync"
	"time"
)

// Throttle allows one log line a second, for lines that peers can cause as often as they like. Any goroutine may use it.
type Throttle struct {
	mu         sync.Mutex
	last       time.Time
	suppressed int
}

// Allow reports whether a line may be written now, and how many lines were suppressed since the last one.
func (t *Throttle) Allow() (suppressed int, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	if now.Sub(t.last) < time.Second {
		t.suppressed++
		return 0, false
	}
	suppressed, t.suppressed, t.last = t.suppressed, 0, now
	return suppressed, true
}
