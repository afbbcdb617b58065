//go:build unix

package wire

import (
	"io"
	"os"
	"syscall"
)

// descriptors says that sockets are read and written through their descriptors, which the runtime has set not to block.
const descriptors = true

// readFD reads once. again: nothing is there yet.
func readFD(fd uintptr, p []byte) (n int, again bool, err error) {
	for {
		n, err = syscall.Read(int(fd), p)
		switch {
		case n > 0:
			return n, false, nil
		case n == 0 && err == nil:
			return 0, false, io.EOF
		case err == syscall.EAGAIN:
			return 0, true, nil
		case err != syscall.EINTR:
			return 0, false, os.NewSyscallError("read", err)
		}
	}
}

// writeFD writes once. again: there is no room yet.
func writeFD(fd uintptr, p []byte) (n int, again bool, err error) {
	for {
		n, err = syscall.Write(int(fd), p)
		switch {
		case err == nil:
			return n, false, nil
		case err == syscall.EAGAIN:
			return 0, true, nil
		case err != syscall.EINTR:
			return 0, false, os.NewSyscallError("write", err)
		}
	}
}
