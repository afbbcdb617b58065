//go:build !linux

package transport

import (
	"io/fs"
	"net"
	"syscall"

	"runnel/edge/wamp"
)

// credentials are asked for on Linux only.
func credentials(*wamp.Transport, *net.UnixConn) {}

// giveUpUnacknowledged is left to the system's own patience.
func giveUpUnacknowledged(_, _ string, _ syscall.RawConn) error { return nil }

// narrow is not possible before a socket is bound.
func narrow(syscall.RawConn, fs.FileMode) error { return nil }
