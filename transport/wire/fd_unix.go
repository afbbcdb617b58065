//go:build unix

package wire

import (
	"io"
	"os"
	"syscall"
)

// descriptors is true: sockets are read and written through their descriptors, which the runtime has made non-blocking.
const descriptors = true

// readFD reads once. again reports that nothing has arrived yet.
func readFD(fd uintptr, p []byte) (n int, again bool, err error) {
	for {
		n, err = syscall.Read(int(fd), p)
		switch {
		case n > 0:
			return n, false, nil
		case err == nil:
			return 0, false, io.EOF
		case err == syscall.EAGAIN:
			return 0, true, nil
		case err != syscall.EINTR:
			return 0, false, os.NewSyscallError("read", err)
		}
	}
}

// writeFD writes once. again reports that the socket has no room yet.
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
