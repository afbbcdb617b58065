package stories

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"runnel/test/kit"
)

// heldWire forwards TCP connections. It can hold back the nodes' data, and then be cut.
type heldWire struct {
	kit.Route
	socket net.Listener
	to     string

	mu   sync.Mutex
	held chan struct{} // closed when the held data is lost; nil: none is held. Guarded by mu.
}

func newHeldWire(t *testing.T, to string) *heldWire {
	t.Helper()
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	kit.Must(t, err)
	w := &heldWire{socket: socket, to: to}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			node, err := socket.Accept()
			if err != nil {
				return
			}
			centre, err := net.Dial("tcp", to)
			if err != nil || w.Enter(node) != nil || w.Enter(centre) != nil {
				node.Close()
				if err == nil {
					centre.Close()
				}
				continue
			}
			running.Go(func() { w.pass(centre, node, true) })
			running.Go(func() { w.pass(node, centre, false) })
		}
	})
	t.Cleanup(func() {
		socket.Close()
		w.lose()
		running.Wait()
	})
	return w
}

func (w *heldWire) pass(to, from net.Conn, mayHold bool) {
	defer to.Close()
	defer from.Close()
	buf := make([]byte, 4096)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		w.mu.Lock()
		held := w.held
		w.mu.Unlock()
		if mayHold && held != nil {
			<-held
			return
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}

// hold holds back the nodes' data from now on.
func (w *heldWire) hold() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.held = make(chan struct{})
}

// lose cuts the wire. The bytes that it held back are lost.
func (w *heldWire) lose() {
	w.Cut()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.held != nil {
		close(w.held)
		w.held = nil
	}
}

// A valid file is applied while the link is cut. It is rolled back, because the centre may not reach the node with it.
func TestApplyWhileTheLinkIsCut(t *testing.T) {
	t.Parallel()
	c := startCentre(t)
	w := newHeldWire(t, strings.TrimPrefix(c.tls, "tls://"))
	c.tls = "tls://" + w.socket.Addr().String()
	g := c.gateway(t, "gw-1", "remote = true\n")
	c.await(t, "gw-1", "online", online)
	file := write(t, t.TempDir(), "gps.toml", gpsLine)

	w.hold() // the answer does not reach the centre, so the node has not begun when the wire is cut
	applying := start(t, "fleet", "apply", file, "--node", "gw-1", "--rollback-after", "1s", "--url", c.unix)
	g.logs("file from the centre written")
	w.lose()
	g.logs("configuration applied")
	g.logs("the link is not back; the file from the centre is rolled back")
	kit.Eventually(t, "the file is gone", func() bool {
		left, _ := filepath.Glob(filepath.Join(g.dir, "conf.d/gps.toml*"))
		return len(left) == 0
	}, g.String)
	applying.sees("gw-1: failed: ")
	if status := applying.wait(); status != 1 {
		t.Errorf("status %d", status)
	}
	w.Mend()
	c.await(t, "gw-1", "online", func(n nodeState) bool { return n.Up && n.Applied != nil && n.Applied.State == "rolled back" })
	g.holds(t)
	if _, err := os.Stat(filepath.Join(g.dir, "conf.d/gps.toml")); err == nil {
		t.Error("the file is there")
	}
}
