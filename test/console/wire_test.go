package console

import (
	"io"
	"net"
	"testing"

	"runnel/test/kit"
)

// wire passes on TCP connections, until it is cut.
type wire struct {
	kit.Route
	socket net.Listener
	to     string
}

func newWire(t *testing.T, to string) *wire {
	t.Helper()
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	kit.Must(t, err)
	w := &wire{socket: socket, to: to}
	t.Cleanup(w.Cut)
	kit.Background(t, w.accept, func() { socket.Close() })
	return w
}

func (w *wire) url() string { return "tcp://" + w.socket.Addr().String() }

func (w *wire) accept() {
	for {
		near, err := w.socket.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", w.to)
		if err != nil {
			near.Close()
			continue
		}
		if w.Enter(near) != nil || w.Enter(far) != nil {
			near.Close()
			far.Close()
			continue
		}
		go pass(near, far)
		go pass(far, near)
	}
}

func pass(to, from net.Conn) {
	io.Copy(to, from)
	to.Close()
	from.Close()
}
