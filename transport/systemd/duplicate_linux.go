package systemd

import (
	"errors"
	"fmt"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

var errNoListener = errors.New("not a listening stream socket; the socket unit needs ListenStream= and Accept=no")

// duplicate returns a listener for a passed descriptor. The descriptor stays open. It is not passed on to child processes.
func duplicate(fd int) (net.Listener, error) {
	if listening, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN); errors.Is(err, unix.EBADF) {
		return nil, fmt.Errorf("the descriptor is not open; LISTEN_FDS is wrong")
	} else if err != nil || listening == 0 {
		return nil, errNoListener
	}
	if kind, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE); err != nil || kind != unix.SOCK_STREAM {
		return nil, errNoListener
	}
	unix.CloseOnExec(fd)
	again, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("duplicate the descriptor: %w", err)
	}
	f := os.NewFile(uintptr(again), "systemd")
	defer f.Close()
	l, err := net.FileListener(f)
	if err != nil {
		return nil, fmt.Errorf("neither TCP nor a Unix socket: %w", err)
	}
	return l, nil
}
