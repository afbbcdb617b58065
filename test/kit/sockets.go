package kit

import (
	"errors"
	"net"
	"testing"
)

// Sockets makes a connected pair: a has dialled b. Both are closed when the test ends.
func Sockets(t testing.TB, network, address string) (a, b net.Conn) {
	t.Helper()
	l, err := net.Listen(network, address)
	Must(t, err)
	defer l.Close()
	done := make(chan error)
	go func() {
		var err error
		b, err = l.Accept()
		done <- err
	}()
	if a, err = net.Dial(network, l.Addr().String()); err != nil {
		l.Close() // which ends Accept
	}
	Must(t, errors.Join(err, <-done))
	t.Cleanup(func() { a.Close(); b.Close() })
	return a, b
}
