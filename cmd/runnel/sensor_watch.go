package main

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"runnel/transport/serial/lines"
	"runnel/transport/serial/modbus"
)

// watch notices that a device has fallen silent, or prints nothing but lines that can't be read. Both are alarms of the
// line, and stand in the log once when they begin and once when they end.
type watch struct {
	// Static after construction.
	log   *slog.Logger
	every time.Duration // in which a good reading is expected; 0: none is
	heard func() words

	mu     sync.Mutex
	began  time.Time // guarded by mu: of the watching
	silent bool      // guarded by mu
	bad    bool      // guarded by mu
}

// words are what a device has said.
type words struct {
	good time.Time // the last good reading; zero if there was none
	bad  uint64    // lines since then that can't be read
	last string    // the last of them
	why  string
}

// badLines is how many lines in a row have to be bad before this is an alarm.
const badLines = 5

func wordsOf(s lines.State) words {
	return words{good: s.LastGood, bad: s.BadInARow, last: s.BadLine, why: s.BadReason}
}

// wordsOfBus is the last good reading of any slave. Slaves that are silent have alarms of their own.
func wordsOfBus(s modbus.State) (h words) {
	for _, slave := range s.Slaves {
		if slave.LastGood.After(h.good) {
			h.good = slave.LastGood
		}
	}
	return h
}

// run looks until ctx is done.
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
			w.look(time.Now())
		case <-ctx.Done():
			return
		}
	}
}

func (w *watch) look(now time.Time) {
	h := w.heard()
	w.mu.Lock()
	defer w.mu.Unlock()
	since := w.began
	if h.good.After(since) {
		since = h.good
	}
	if silent := w.every > 0 && now.Sub(since) > w.every; silent != w.silent {
		if w.silent = silent; silent {
			w.log.Warn("serial device gives no good reading", "expect_every", w.every, "last_good", h.good)
		} else {
			w.log.Info("serial device gives good readings again")
		}
	}
	if bad := h.bad >= badLines; bad != w.bad {
		if w.bad = bad; bad {
			w.log.Warn("serial device prints only lines that cannot be read", "lines", h.bad, "text", h.last, "err", h.why)
		} else {
			w.log.Info("serial device prints lines that can be read again")
		}
	}
}

// alarms says what is wrong. The texts stay the same for as long as it is.
func (w *watch) alarms() (list []string, silent bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.silent {
		list = append(list, fmt.Sprintf("no good reading for more than %v (expect_every)", w.every))
	}
	if w.bad {
		list = append(list, fmt.Sprintf("the last %d lines or more can't be read; the format may be another", badLines))
	}
	return list, w.silent
}
