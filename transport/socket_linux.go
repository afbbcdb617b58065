package transport

import (
	"io/fs"
	"net"
	"syscall"

	"golang.org/x/sys/unix"

	"runnel/edge/wamp"
)

// credentials asks who is at the other end of a Unix socket.
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

// giveUpUnacknowledged makes the system close a connection whose peer acknowledges nothing. The TCP keep-alive does not
// do that while octets are under way, and the system's own patience is a quarter of an hour.
func giveUpUnacknowledged(_, _ string, c syscall.RawConn) error {
	return control(c, func(fd int) error {
		return unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(unacknowledged.Milliseconds()))
	})
}

// narrow gives a socket its mode before it is bound: its file must not be open to all until Listen gets to chmod.
func narrow(c syscall.RawConn, mode fs.FileMode) error {
	return control(c, func(fd int) error { return unix.Fchmod(fd, uint32(mode.Perm()&0o600)) })
}

func control(c syscall.RawConn, f func(fd int) error) error {
	var err error
	if failed := c.Control(func(fd uintptr) { err = f(int(fd)) }); failed != nil {
		return failed
	}
	return err
}
