package transport

import (
	"io/fs"
	"net"
	"syscall"

	"golang.org/x/sys/unix"

	"runnel/edge/wamp"
)

// credentials reads the user, group and process id of the peer of a Unix socket.
func credentials(t *wamp.Transport, c *net.UnixConn) {
	raw, err := c.SyscallConn()
	if err != nil {
		return
	}
	var cred *unix.Ucred
	failed := raw.Control(func(fd uintptr) { cred, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	if failed != nil || err != nil {
		return
	}
	t.HasCred, t.UID, t.GID, t.PID = true, int(cred.Uid), int(cred.Gid), int(cred.Pid)
}

// setUserTimeout makes the system close a connection whose peer does not acknowledge sent bytes for userTimeout. The TCP
// keep-alive is inactive while bytes are unacknowledged, and the system's default timeout is about 15 minutes.
func setUserTimeout(_, _ string, c syscall.RawConn) error {
	return control(c, func(fd int) error {
		return unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(userTimeout.Milliseconds()))
	})
}

// restrict sets the mode of a socket before it is bound, so that other users cannot connect before Listen calls chmod.
func restrict(c syscall.RawConn, mode fs.FileMode) error {
	return control(c, func(fd int) error { return unix.Fchmod(fd, uint32(mode.Perm()&0o600)) })
}

func control(c syscall.RawConn, f func(fd int) error) error {
	var err error
	if failed := c.Control(func(fd uintptr) { err = f(int(fd)) }); failed != nil {
		return failed
	}
	return err
}
