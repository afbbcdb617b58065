//go:build !linux

package transport

import "net"

// listenBeside returns inUse: on this system an overlapping address is available only after the old listener is closed.
func listenBeside(_ net.ListenConfig, _ string, _ []*net.TCPListener, inUse error) (net.Listener, error) {
	return nil, inUse
}
