package logbook

import (
	"cmp"
	"sync"
	"time"
)

// Throttle limits log lines that peers can cause at any rate. Any goroutine may use it.
type Throttle struct {
	Every time.Duration // one line in this time; 0: a second

	mu         sync.Mutex
	last       time.Time
	suppressed int
}

// Allow reports whether a line may be written now, and how many lines were suppressed since the last one.
func (t *Throttle) Allow() (suppressed int, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	if now.Sub(t.last) < cmp.Or(t.Every, time.Second) {
		t.suppressed++
		return 0, false
	}
	suppressed, t.suppressed, t.last = t.suppressed, 0, now
	return suppressed, true
}
