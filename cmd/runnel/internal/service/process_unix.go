//go:build unix

package service

import "golang.org/x/sys/unix"

// monotonic returns the time of CLOCK_MONOTONIC in microseconds. All processes share this clock, and it is never set.
func monotonic() int64 {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		return 0
	}
	return t.Nano() / 1000
}

// signalReload sends SIGHUP to a process.
func signalReload(pid int) error { return unix.Kill(pid, unix.SIGHUP) }

// exists reports whether a process runs.
func exists(pid int) bool { return unix.Kill(pid, 0) != unix.ESRCH }
