package transport

import (
	"sync"
	"time"
)

// logInterval is the minimum time between two log lines of the same kind, so that many peers cannot fill the disk.
const logInterval = 10 * time.Second

// throttle passes one log line in logInterval and counts the suppressed ones. Any goroutine may use it.
type throttle struct {
	mu         sync.Mutex
	next       time.Time
	suppressed int
}

// pass reports whether to log now, and how many lines were suppressed since the last one.
func (t *throttle) pass() (suppressed int, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	if now.Before(t.next) {
		t.suppressed++
		return 0, false
	}
	suppressed, t.suppressed = t.suppressed, 0
	t.next = now.Add(logInterval)
	return suppressed, true
}
