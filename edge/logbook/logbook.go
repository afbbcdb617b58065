// Package logbook limits log lines that peers can cause at any rate.
package logbook

import (
	"log/slog"
	"sync"
	"time"
)

// Book limits log lines about events that peers can cause at any rate: join, leave, stall. In each window it writes the first
// lines of a kind. It counts the others, and a summary at the end of the window reports the counts. Any goroutine may use it.
type Book struct {
	Log *slog.Logger

	mu    sync.Mutex
	begun time.Time
	seen  [kinds]int
	timer *time.Timer // writes the summary; nil while no line was suppressed
}

// Kind is a kind of log line.
type Kind int

const (
	Joins Kind = iota
	Ends
	Breaches // sessions aborted because of a protocol violation
	Stalls
	Losses
	kinds
)

var keys = [kinds]string{"joined", "ended", "broke_protocol", "stalled", "lost_events"}

const (
	logWindow   = 10 * time.Second
	linesLogged = 20 // lines of each kind in a window
)

// Allow reports whether a line of this kind may be written now.
func (b *Book) Allow(k Kind) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if now := time.Now(); b.timer == nil && now.Sub(b.begun) >= logWindow {
		b.begun, b.seen = now, [kinds]int{}
	}
	b.seen[k]++
	if b.seen[k] <= linesLogged {
		return true
	}
	if b.timer == nil {
		b.timer = time.AfterFunc(time.Until(b.begun.Add(logWindow)), b.Close)
	}
	return false
}

// Close writes the pending summary, if there is one.
func (b *Book) Close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.timer == nil {
		return
	}
	b.timer.Stop()
	attrs := []any{"duration", time.Since(b.begun).Round(time.Millisecond).String()}
	for k, n := range b.seen {
		if n > linesLogged {
			attrs = append(attrs, keys[k], n-linesLogged)
		}
	}
	b.Log.Warn("log lines about sessions were suppressed", attrs...)
	b.timer, b.begun = nil, time.Time{}
}
