package transport

import (
	"context"
	"errors"
	"net"
	"syscall"
)

// When a configuration changes, a new listener may want the address of one that is about to be closed. It is opened before
// that one closes, so that an address that can't be had is known while nothing has changed, and so that no peer is refused
// in between.

// ListenTCP listens at an address. It may be that of one of over, which are sockets of this process that are about to be
// closed, or overlap it (0.0.0.0 and 127.0.0.1); peers that connect meanwhile wait for either.
func ListenTCP(address string, over ...net.Listener) (net.Listener, error) {
	config := net.ListenConfig{KeepAliveConfig: keepAlive, Control: giveUpUnacknowledged}
	l, err := config.Listen(context.Background(), "tcp", address)
	if !errors.Is(err, syscall.EADDRINUSE) {
		return l, err
	}
	at, failed := net.ResolveTCPAddr("tcp", address)
	if failed != nil {
		return nil, err
	}
	for _, old := range over {
		if tcp, ok := tcpSocket(old); ok && sameAddress(tcp.Addr().(*net.TCPAddr), at) {
			return share(tcp)
		}
	}
	var near []*net.TCPListener
	for _, old := range over {
		if tcp, ok := tcpSocket(old); ok && tcp.Addr().(*net.TCPAddr).Port == at.Port {
			near = append(near, tcp)
		}
	}
	if len(near) == 0 {
		return nil, err
	}
	return beside(config, address, near, err)
}

func tcpSocket(l net.Listener) (*net.TCPListener, bool) {
	switch l := l.(type) {
	case *net.TCPListener:
		return l, true
	case *shared:
		return l.TCPListener, true
	}
	return nil, false
}

// sameAddress reports whether two addresses are one to the system: all forms of the wildcard are.
func sameAddress(a, b *net.TCPAddr) bool {
	wild := func(ip net.IP) bool { return len(ip) == 0 || ip.IsUnspecified() }
	return a.Port == b.Port && a.Zone == b.Zone && (wild(a.IP) && wild(b.IP) || a.IP.Equal(b.IP))
}

// share returns a second handle of a listening socket. Its queue of peers is one; it closes with the last handle.
func share(old *net.TCPListener) (net.Listener, error) {
	f, err := old.File()
	if err != nil {
		return nil, err
	}
	defer f.Close()
	l, err := net.FileListener(f)
	if err != nil {
		return nil, err
	}
	return &shared{l.(*net.TCPListener)}, nil
}

// shared is a handle made by share: it lacks the settings that net.ListenConfig gives to what it accepts.
type shared struct{ *net.TCPListener }

func (s *shared) Accept() (net.Conn, error) {
	c, err := s.AcceptTCP()
	if err != nil {
		return nil, err
	}
	c.SetKeepAliveConfig(keepAlive) // a connection that is gone already shows that when it is read
	return c, nil
}
