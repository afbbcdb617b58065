// Package seriallink tests the guarantees of the reliable serial link on real pseudo-terminals: WAMP sessions, noise,
// and restarts of either side.
package seriallink

import (
	"context"
	"io"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"runnel/edge"
	"runnel/edge/auth"
	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/test/kit"
	"runnel/test/program"
	"runnel/transport"
	"runnel/transport/memory"
	"runnel/transport/rawsocket"
	"runnel/transport/serial"
	"runnel/transport/serial/lapb"
	"runnel/transport/serial/pty"
)

func TestMain(m *testing.M) { kit.Leakproof(m) }

// wire is a serial line: two pseudo-terminals whose master ends are connected. The programs open near and far.
type wire struct {
	near, far string
	noise     kit.Noise
	unplug    func()
}

func newWire(t *testing.T) *wire {
	t.Helper()
	dir := t.TempDir()
	w := &wire{near: filepath.Join(dir, "near"), far: filepath.Join(dir, "far")}
	w.plug(t)
	t.Cleanup(func() { w.unplug() })
	return w
}

// plug makes the wire's ends, under names that links point to.
func (w *wire) plug(t *testing.T) {
	t.Helper()
	var ends [2]*pty.Device
	for i, link := range [...]string{w.near, w.far} {
		d, err := pty.Plug(link)
		kit.Must(t, err)
		ends[i] = d
	}
	var both sync.WaitGroup
	for i := range ends {
		both.Go(func() { w.noise.Carry(ends[i], ends[1-i]) })
	}
	w.unplug = sync.OnceFunc(func() {
		for _, d := range ends {
			d.Close()
		}
		both.Wait()
	})
}

// patient configures a link that survives a second on an overloaded machine.
var patient = lapb.Config{Retries: 20}

// router is a router at the near end of a wire.
type router struct {
	*serial.Line
	router *edge.Router
	stop   func()

	served sync.WaitGroup
}

func start(t *testing.T, w *wire) *router {
	t.Helper()
	discard := slog.New(slog.DiscardHandler)
	r := &router{
		router: edge.NewRouter(edge.Options{Log: discard}),
		Line:   serial.NewLine(serial.LineConfig{Port: serial.Config{Device: w.near}, Framing: serial.HDLC, Link: patient, Log: discard}),
	}
	kit.Must(t, r.router.AddRealm(edge.RealmOptions{
		Name: "realm1", Anonymous: "all",
		Roles: []*auth.Role{auth.NewRole("all", []auth.Permission{{Match: wamp.Prefix, Allow: auth.Everything}})},
	}))
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() {
		ran <- r.Run(ctx, func(rw io.ReadWriteCloser) error {
			conn, err := rawsocket.Server(rw, rawsocket.Options{Transport: wamp.Transport{Network: "serial", Local: true}})
			if err != nil {
				return err
			}
			return r.router.Serve(conn)
		})
	}()
	r.stop = sync.OnceFunc(func() {
		cancel()
		late, give := context.WithTimeout(context.Background(), kit.Patience)
		defer give()
		if err := r.router.Close(late); err != nil {
			t.Errorf("close router: %v", err)
		}
		if err := <-ran; err != nil {
			t.Errorf("Run: %v", err)
		}
		r.served.Wait()
	})
	t.Cleanup(r.stop)
	return r
}

// local joins the router without a line.
func (r *router) local(t *testing.T) *client.Client {
	t.Helper()
	return join(t, func(context.Context) (client.Conn, error) {
		near, far := memory.Pipe(memory.Options{})
		r.served.Go(func() { r.router.Serve(far) })
		return near, nil
	})
}

// device joins from the far end of the wire, and joins again whenever it has to.
func device(t *testing.T, w *wire) *client.Client {
	t.Helper()
	return join(t, func(ctx context.Context) (client.Conn, error) {
		return transport.Dial(ctx, w.url(), transport.DialOptions{})
	})
}

// url is the address that a device dials at the far end.
func (w *wire) url() string { return "serial://" + w.far + "?framing=hdlc&name=greenhouse&retries=20" }

func join(t *testing.T, dial func(context.Context) (client.Conn, error)) *client.Client {
	t.Helper()
	return program.Join(t, "the router", client.Options{Dial: dial, Reconnect: client.Reconnect{Min: 20 * time.Millisecond, Max: 200 * time.Millisecond}})
}
