package transport

import (
	"context"
	"errors"
	"net"
	"syscall"
)

// When the configuration changes, a new listener may need the address of one that is about to be closed. The new one is
// opened first. Thus an address that is not available is found before anything changes, and no peer is refused meanwhile.

// ListenTCP listens at an address. over lists sockets of this process that are about to be closed. The address may equal
// one of theirs or overlap it (0.0.0.0 and 127.0.0.1). Until the old socket is closed, either may accept a new peer.
func ListenTCP(address string, over ...net.Listener) (net.Listener, error) {
	config := net.ListenConfig{KeepAliveConfig: keepAlive, Control: setUserTimeout}
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
	return listenBeside(config, address, near, err)
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

// sameAddress reports whether two addresses are equal for the system. All forms of the wildcard address are equal.
func sameAddress(a, b *net.TCPAddr) bool {
	wild := func(ip net.IP) bool { return len(ip) == 0 || ip.IsUnspecified() }
	return a.Port == b.Port && a.Zone == b.Zone && (wild(a.IP) && wild(b.IP) || a.IP.Equal(b.IP))
}

// share returns a second handle of a listening socket. Both accept from the same queue, and the socket is closed with the
// last handle.
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

// shared is a handle returned by share. Its Accept sets the keep-alive that a listener of net.ListenConfig would set.
type shared struct{ *net.TCPListener }

func (s *shared) Accept() (net.Conn, error) {
	c, err := s.AcceptTCP()
	if err != nil {
		return nil, err
	}
	c.SetKeepAliveConfig(keepAlive) // on an error the connection is closed, and its first Read reports that
	return c, nil
}
