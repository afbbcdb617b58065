package main

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// tryLock locks f against other processes until it is closed. It reports false if another process holds the lock. The
// locked byte lies far behind the file's content, which other processes may still read: a lock on Windows is mandatory.
func tryLock(f *os.File) (locked bool, err error) {
	const exclusive = windows.LOCKFILE_EXCLUSIVE_LOCK | windows.LOCKFILE_FAIL_IMMEDIATELY
	err = windows.LockFileEx(windows.Handle(f.Fd()), exclusive, 0, 1, 0, &windows.Overlapped{OffsetHigh: 1})
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
		return false, nil
	}
	return err == nil, os.NewSyscallError("LockFileEx", err)
}

// monotonic has no meaning without systemd.
func monotonic() int64 { return 0 }

// hangUp is not possible here.
func hangUp(int) error { return errors.ErrUnsupported }

func exists(int) bool { return true }
