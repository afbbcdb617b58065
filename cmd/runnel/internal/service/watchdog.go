package service

import (
	"context"
	"log/slog"
	"os"
	"strconv"
	"time"
)

// Watchdog notifies systemd that the router works, as long as probe succeeds, until ctx is done. The unit's WatchdogSec
// sets how long systemd waits for the next message before it kills the process and starts it again. Without WatchdogSec
// it returns at once.
func Watchdog(ctx context.Context, probe func(context.Context) error, log *slog.Logger) {
	limit := watchdogTime()
	if limit == 0 {
		return
	}
	tick := time.NewTicker(limit / 3)
	defer tick.Stop()
	for {
		probing, stop := context.WithTimeout(ctx, limit/3)
		err := probe(probing)
		stop()
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			log.Error("the router does not route; systemd will restart it", "limit", limit, "err", err)
		default:
			Notify("WATCHDOG=1", log)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// watchdogTime is the unit's WatchdogSec if systemd watches this process, else 0.
func watchdogTime() time.Duration {
	if pid := os.Getenv("WATCHDOG_PID"); pid != "" && pid != strconv.Itoa(os.Getpid()) {
		return 0
	}
	usec, err := strconv.ParseInt(os.Getenv("WATCHDOG_USEC"), 10, 64)
	if err != nil || usec <= 0 {
		return 0
	}
	return time.Duration(usec) * time.Microsecond
}
