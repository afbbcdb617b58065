package edge

import (
	"log/slog"
	"sync"
	"time"
)

// logbook bounds the log lines about events that peers can cause as often as they like: join, leave, stall. In each window
// the first lines of a kind are written. The others are counted, and a summary at the end of the window reports the counts.
// Any goroutine may use it.
type logbook struct {
	log *slog.Logger

	mu    sync.Mutex
	begun time.Time
	seen  [lineKinds]int
	timer *time.Timer // writes the summary; nil while no line was suppressed
}

// lineKind is a kind of log line.
type lineKind int

const (
	joins lineKind = iota
	ends
	breaches // sessions aborted because of a protocol violation
	stalls
	losses
	lineKinds
)

var lineKeys = [lineKinds]string{"joined", "ended", "broke_protocol", "stalled", "lost_events"}

const (
	logWindow   = 10 * time.Second
	linesLogged = 20 // of each kind in a window
)

// allow reports whether a line of this kind may be written now.
func (b *logbook) allow(k lineKind) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if now := time.Now(); b.timer == nil && now.Sub(b.begun) >= logWindow {
		b.begun, b.seen = now, [lineKinds]int{}
	}
	b.seen[k]++
	if b.seen[k] <= linesLogged {
		return true
	}
	if b.timer == nil {
		b.timer = time.AfterFunc(time.Until(b.begun.Add(logWindow)), b.close)
	}
	return false
}

// close writes the pending summary, if there is one.
func (b *logbook) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.timer == nil {
		return
	}
	b.timer.Stop()
	attrs := []any{"duration", time.Since(b.begun).Round(time.Millisecond).String()}
	for k, n := range b.seen {
		if n > linesLogged {
			attrs = append(attrs, lineKeys[k], n-linesLogged)
		}
	}
	b.log.Warn("log lines about sessions were suppressed", attrs...)
	b.timer, b.begun = nil, time.Time{}
}
