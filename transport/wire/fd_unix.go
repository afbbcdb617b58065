//go:build unix

package wire

import (
	"io"
	"os"
	"syscall"
)

// descriptors is true: sockets are read and written through their descriptors, which the runtime has made non-blocking.
const descriptors = true

// readFD reads once, by a call that is not announced to the scheduler if brief is set. again reports that nothing has arrived
// yet.
func readFD(fd uintptr, p []byte, brief bool) (n int, again bool, err error) {
	read := syscall.Read
	if brief {
		read = briefRead
	}
	for {
		n, err = read(int(fd), p)
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

// writeFD writes once, by a call that is not announced: after some writes each writer waits for its socket or reads. again
// reports that the socket has no room yet.
func writeFD(fd uintptr, p []byte) (n int, again bool, err error) {
	for {
		n, err = briefWrite(int(fd), p)
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
