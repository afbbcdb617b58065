package transport

import (
	"context"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// listenBeside listens at an address that overlaps those of near. It sets SO_REUSEPORT on all of them while it binds the new
// socket. The system shares an address only among such sockets of the same user, so an address of another process is
// still refused.
func listenBeside(config net.ListenConfig, address string, near []*net.TCPListener, _ error) (net.Listener, error) {
	for _, old := range near {
		if err := reusePort(old, 1); err != nil {
			return nil, err
		}
		defer reusePort(old, 0)
	}
	before := config.Control
	config.Control = func(network, address string, c syscall.RawConn) error {
		if err := setReusePort(c, 1); err != nil {
			return err
		}
		return before(network, address, c)
	}
	l, err := config.Listen(context.Background(), "tcp", address)
	if err != nil {
		return nil, err
	}
	if err := reusePort(l.(*net.TCPListener), 0); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

func reusePort(l *net.TCPListener, value int) error {
	c, err := l.SyscallConn()
	if err != nil {
		return err
	}
	return setReusePort(c, value)
}

func setReusePort(c syscall.RawConn, value int) error {
	return control(c, func(fd int) error { return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, value) })
}
