package node

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// tryLock locks f against other processes until it is closed. It returns false if another process holds the lock. A
// lock on Windows is mandatory, so the locked byte lies far beyond the content, which other processes may still read.
func tryLock(f *os.File) (locked bool, err error) {
	const exclusive = windows.LOCKFILE_EXCLUSIVE_LOCK | windows.LOCKFILE_FAIL_IMMEDIATELY
	err = windows.LockFileEx(windows.Handle(f.Fd()), exclusive, 0, 1, 0, &windows.Overlapped{OffsetHigh: 1})
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
		return false, nil
	}
	return err == nil, os.NewSyscallError("LockFileEx", err)
}
