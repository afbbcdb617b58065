//go:build unix && (!linux || race)

package wire

import "syscall"

// The race detector derives the order of events from syscall.Read and syscall.Write.
func briefRead(fd int, p []byte) (n int, err error)  { return syscall.Read(fd, p) }
func briefWrite(fd int, p []byte) (n int, err error) { return syscall.Write(fd, p) }
