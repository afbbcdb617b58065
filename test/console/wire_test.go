package console

import (
	"io"
	"net"
	"sync"
	"testing"

	"runnel/test/kit"
)

// wire passes on TCP connections, until it is cut.
type wire struct {
	socket net.Listener
	to     string

	mu    sync.Mutex
	cut   bool
	conns []net.Conn
}

func newWire(t *testing.T, to string) *wire {
	t.Helper()
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	kit.Must(t, err)
	w := &wire{socket: socket, to: to}
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.accept()
	}()
	t.Cleanup(func() {
		socket.Close()
		<-done
		w.setCut(true)
	})
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
		if !w.keep(near, far) {
			near.Close()
			far.Close()
			continue
		}
		go pass(near, far)
		go pass(far, near)
	}
}

// keep returns false while the wire is cut.
func (w *wire) keep(conns ...net.Conn) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.cut {
		w.conns = append(w.conns, conns...)
	}
	return !w.cut
}

// setCut cuts the wire, or mends it.
func (w *wire) setCut(cut bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = cut
	for _, c := range w.conns {
		c.Close()
	}
	w.conns = nil
}

func pass(to, from net.Conn) {
	io.Copy(to, from)
	to.Close()
	from.Close()
}
