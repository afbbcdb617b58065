//go:build !linux

package systemd

import (
	"errors"
	"net"
)

// duplicate returns an error: there is no systemd on this system.
func duplicate(int) (net.Listener, error) { return nil, errors.New("sockets of systemd need Linux") }
