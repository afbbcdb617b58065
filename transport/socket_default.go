//go:build !linux

package transport

import (
	"io/fs"
	"net"
	"syscall"

	"runnel/edge/wamp"
)

// credentials does nothing: the peer's credentials are read on Linux only.
func credentials(*wamp.Transport, *net.UnixConn) {}

// setUserTimeout does nothing: the system's own timeout applies.
func setUserTimeout(_, _ string, _ syscall.RawConn) error { return nil }

// restrict does nothing: this system has no mode for a socket that is not bound yet.
func restrict(syscall.RawConn, fs.FileMode) error { return nil }
