package transport

import (
	"sync"
	"time"
)

// logInterval is how often the same kind of trouble is logged: many peers must not fill the disk.
const logInterval = 10 * time.Second

// throttle lets one log line through in an interval, and counts the others.
type throttle struct {
	mu    sync.Mutex
	next  time.Time
	muted int
}

// pass reports whether to log now, and how many lines were left out since the last one.
func (t *throttle) pass() (muted int, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	if now.Before(t.next) {
		t.muted++
		return 0, false
	}
	muted, t.muted = t.muted, 0
	t.next = now.Add(logInterval)
	return muted, true
}
