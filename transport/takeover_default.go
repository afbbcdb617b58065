//go:build !linux

package transport

import "net"

// beside is for Linux: elsewhere the address is taken until the old listener is closed.
func beside(_ net.ListenConfig, _ string, _ []*net.TCPListener, inUse error) (net.Listener, error) {
	return nil, inUse
}
