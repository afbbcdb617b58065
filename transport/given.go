package transport

import (
	"fmt"
	"net"
	"net/url"
)

// ListenOn returns a Listener for a listening socket that is open already, such as one of package systemd. It owns the
// socket. A TCP socket is served like tcp://, or with ListenOptions.TLS like tls://; a Unix socket like unix://. The URL of
// the Listener has the address of the socket. The file of a Unix socket is left alone: Close does not remove it.
func ListenOn(socket net.Listener, opts ListenOptions) (*Listener, error) {
	u, err := urlOf(socket, opts.TLS != nil)
	if err != nil {
		socket.Close()
		return nil, fmt.Errorf("listen: %w", err)
	}
	l := newListener(u, opts)
	if err := l.take(socket); err != nil {
		socket.Close()
		return nil, fmt.Errorf("listen on %s: %w", u.Redacted(), err)
	}
	l.limitBuffers()
	return l, nil
}

// urlOf returns the URL by which a socket is served.
func urlOf(socket net.Listener, secure bool) (*url.URL, error) {
	switch s := socket.(type) {
	case *net.UnixListener:
		return &url.URL{Scheme: "unix", Path: s.Addr().String()}, nil
	case *net.TCPListener:
		if secure {
			return &url.URL{Scheme: "tls", Host: s.Addr().String()}, nil
		}
		return &url.URL{Scheme: "tcp", Host: s.Addr().String()}, nil
	}
	return nil, fmt.Errorf("%s is neither a TCP nor a Unix socket", socket.Addr())
}

// take makes socket the Listener's socket and prepares for its kind.
func (l *Listener) take(socket net.Listener) error {
	tcp, ok := socket.(*net.TCPListener)
	if !ok {
		l.network, l.socket = "unix", socket
		return l.startProxied()
	}
	if err := l.chooseTLS(); err != nil {
		return err
	}
	if err := l.setPolicy(); err != nil {
		return err
	}
	if c, err := tcp.SyscallConn(); err == nil {
		setUserTimeout("", "", c) // inherited by its connections; sockets of Multipath TCP lack it
	}
	l.socket = &shared{tcp}
	l.startWeb()
	return nil
}
