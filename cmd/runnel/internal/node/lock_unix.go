//go:build unix

package node

import (
	"os"

	"golang.org/x/sys/unix"
)

// tryLock locks f against other processes until it is closed. It returns false if another process holds the lock.
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
