package transport

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// watched is a listening socket that knows whether it was closed.
type watched struct {
	net.Listener
	closed bool
	err    error
}

func (w *watched) Close() error {
	w.closed = true
	w.Listener.Close()
	return w.err
}

// TestListenOn: a socket that is open already is served like one of the same kind that is opened here.
func TestListenOn(t *testing.T) {
	cert, key, pin := certificate(t, t.TempDir(), "router")
	config, err := ServerFiles(cert, key, "")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "s")
	for _, c := range []struct {
		network, address, scheme string
		opts                     ListenOptions
		dial                     DialOptions
	}{
		{"tcp", "127.0.0.1:0", "tcp", ListenOptions{}, DialOptions{}},
		{"tcp", "127.0.0.1:0", "tls", ListenOptions{TLS: config}, DialOptions{Pin: pin}},
		{"unix", path, "unix", ListenOptions{}, DialOptions{}},
	} {
		socket, err := net.Listen(c.network, c.address)
		if err != nil {
			t.Fatal(err)
		}
		if u, ok := socket.(*net.UnixListener); ok {
			u.SetUnlinkOnClose(false)
		}
		l, err := ListenOn(socket, c.opts)
		if err != nil {
			t.Fatal(err)
		}
		if want := c.scheme + "://" + socket.Addr().String(); l.URL() != want {
			t.Errorf("the URL is %s, want %s", l.URL(), want)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- l.Run(ctx, echo) }()
		conn, err := Dial(t.Context(), l.URL(), c.dial)
		if err != nil {
			t.Fatal(err)
		}
		call(t, conn, "hello")
		conn.Close()
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		t.Error("the socket's file was removed")
	}
}

// TestListenOnFails: a socket that cannot be served is closed.
func TestListenOnFails(t *testing.T) {
	socket := func() net.Listener {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	other := &watched{Listener: socket()}
	if _, err := ListenOn(other, ListenOptions{}); err == nil || !strings.Contains(err.Error(), "neither a TCP nor a Unix socket") || !other.closed {
		t.Errorf("another kind: %v; closed: %v", err, other.closed)
	}
	tcp := socket()
	if _, err := ListenOn(tcp, ListenOptions{Origins: []string{"[a"}}); err == nil || !strings.Contains(err.Error(), `origin "[a"`) {
		t.Errorf("bad origin: %v", err)
	}
	if err := tcp.Close(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("bad origin: the socket is open: %v", err)
	}
}

// TestClose: a Listener that does not run is closed by Close, as often as it is called.
func TestClose(t *testing.T) {
	l, err := Listen("tcp://127.0.0.1:0", ListenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
	broken := errors.New("broken")
	l.socket = &watched{Listener: l.socket, err: broken}
	if err := l.Close(); !errors.Is(err, broken) || !strings.Contains(err.Error(), l.URL()) {
		t.Errorf("error is %v", err)
	}
}
