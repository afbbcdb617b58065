package device

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// watch raises an alarm when a device falls silent, and when it prints only lines that cannot be read. Each alarm is logged
// once when it begins and once when it ends.
type watch struct {
	// Static after construction.
	log   *slog.Logger
	every time.Duration // the time within which a good reading is expected; 0: never
	heard func() heard

	mu     sync.Mutex
	began  time.Time // guarded by mu; when the watch began
	silent bool      // guarded by mu
	bad    bool      // guarded by mu
	mute   bool      // guarded by mu
}

// heard is a summary of the device's data.
type heard struct {
	good   time.Time // of the last good reading; zero if there was none
	bad    uint64    // lines since then that cannot be read
	last   string    // the last of them
	reason string

	unanswered uint64 // the last requests, in a row, that the device did not answer
}

// badLines is the number of bad lines in a row that raises the alarm.
const badLines = 5

// lostAnswers is the number of requests in a row without an answer that raises the alarm.
const lostAnswers = 2

// run checks the device until ctx is done.
func (w *watch) run(ctx context.Context) {
	w.mu.Lock()
	w.began = time.Now()
	w.mu.Unlock()
	interval := time.Second
	if w.every > 0 {
		interval = min(interval, max(w.every/4, 10*time.Millisecond))
	}
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			w.check(time.Now())
		case <-ctx.Done():
			return
		}
	}
}

func (w *watch) check(now time.Time) {
	h := w.heard()
	w.mu.Lock()
	defer w.mu.Unlock()
	since := w.began
	if h.good.After(since) {
		since = h.good
	}
	if silent := w.every > 0 && now.Sub(since) > w.every; silent != w.silent {
		if w.silent = silent; silent {
			w.log.Warn("serial device sends no valid reading", "expect_every", w.every, "last_good", h.good)
		} else {
			w.log.Info("serial device sends valid readings again")
		}
	}
	if mute := h.unanswered >= lostAnswers; mute != w.mute {
		if w.mute = mute; mute {
			w.log.Warn("serial device does not answer", "total", h.unanswered)
		} else {
			w.log.Info("serial device answers again")
		}
	}
	if bad := h.bad >= badLines; bad != w.bad {
		if w.bad = bad; bad {
			w.log.Warn("serial device sends only unreadable lines", "total", h.bad, "text", h.last, "err", h.reason)
		} else {
			w.log.Info("serial device sends readable lines again")
		}
	}
}

// alarms returns the alarms that are raised now. Their texts stay the same for as long as the cause lasts.
func (w *watch) alarms() (list []string, silent bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.silent {
		list = append(list, fmt.Sprintf("no good reading for more than %v (expect_every)", w.every))
	}
	if w.mute {
		list = append(list, fmt.Sprintf("the last %d requests or more were not answered (ask); check the wiring and the request", lostAnswers))
	}
	if w.bad {
		list = append(list, fmt.Sprintf("the last %d lines or more cannot be read; check the format", badLines))
	}
	return list, w.silent
}
