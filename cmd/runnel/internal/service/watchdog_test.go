package service

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

func TestWatchdogTime(t *testing.T) {
	for _, c := range []struct {
		pid, usec string
		want      time.Duration
	}{
		{"", "", 0},
		{"", "60000000", time.Minute},
		{strconv.Itoa(os.Getpid()), "3000000", 3 * time.Second},
		{"1", "3000000", 0},
		{"", "0", 0},
		{"", "-5", 0},
		{"", "soon", 0},
	} {
		t.Setenv("WATCHDOG_PID", c.pid)
		t.Setenv("WATCHDOG_USEC", c.usec)
		if got := watchdogTime(); got != c.want {
			t.Errorf("pid %q, usec %q: %v, want %v", c.pid, c.usec, got, c.want)
		}
	}
}

// The watchdog is fed while the probe succeeds, and not when it fails.
func TestWatchdog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	t.Setenv("WATCHDOG_PID", "")
	t.Setenv("WATCHDOG_USEC", "3000")
	log := slog.New(slog.DiscardHandler)

	ctx, stop := context.WithCancel(t.Context())
	probes := 0
	Watchdog(ctx, func(context.Context) error {
		if probes++; probes == 5 {
			stop()
		}
		return errors.New("stuck")
	}, log)
	Notify("STATUS=end", log)
	var b [64]byte
	if n, err := conn.Read(b[:]); err != nil || string(b[:n]) != "STATUS=end" {
		t.Errorf("%q, %v while the probe fails", b[:n], err)
	}

	ctx, stop = context.WithCancel(t.Context())
	Watchdog(ctx, func(context.Context) error {
		if probes++; probes == 10 {
			stop()
		}
		return nil
	}, log)
	if n, err := conn.Read(b[:]); err != nil || string(b[:n]) != "WATCHDOG=1" {
		t.Errorf("%q, %v while the probe succeeds", b[:n], err)
	}
}

// The watchdog ends while it waits for the next probe. Without a limit it does not probe at all.
func TestWatchdogEnds(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	t.Setenv("WATCHDOG_PID", "")
	log := slog.New(slog.DiscardHandler)
	for _, c := range []struct {
		usec   string
		probes bool
	}{{"", false}, {"3600000000", true}} {
		t.Setenv("WATCHDOG_USEC", c.usec)
		ctx, stop := context.WithCancel(t.Context())
		probed := make(chan bool, 9)
		ended := make(chan bool)
		go func() {
			defer close(ended)
			Watchdog(ctx, func(probing context.Context) error {
				_, limited := probing.Deadline()
				probed <- limited
				return nil
			}, log)
		}()
		if c.probes && !<-probed {
			t.Error("a probe has no limit")
		}
		if c.probes {
			stop()
		}
		<-ended
		stop()
		if n := len(probed); n > 0 {
			t.Errorf("limit %q: %d more probes", c.usec, n)
		}
	}
}
