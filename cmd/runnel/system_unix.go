//go:build unix

package main

import (
	"os"

	"golang.org/x/sys/unix"
)

// tryLock locks f against other processes until it is closed. It reports false if another process holds the lock.
func tryLock(f *os.File) (locked bool, err error) {
	switch err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err {
	case nil:
		return true, nil
	case unix.EWOULDBLOCK:
		return false, nil
	default:
		return false, os.NewSyscallError("flock", err)
	}
}

// monotonic is the time of the clock that all processes share and that nobody sets, in microseconds.
func monotonic() int64 {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		return 0
	}
	return t.Nano() / 1000
}

// hangUp sends SIGHUP to a process.
func hangUp(pid int) error { return unix.Kill(pid, unix.SIGHUP) }

// exists reports whether a process is there.
func exists(pid int) bool { return unix.Kill(pid, 0) != unix.ESRCH }
