package mcu

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"runnel/edge/client"
	"runnel/test/kit"
	"runnel/test/program"
)

const tcpConfig = `
version = 1
[[realm]]
name = "realm1"
[[realm.role]]
name = "sensor"
[[realm.role.permission]]
uri = "com.example."
match = "prefix"
allow = ["publish", "subscribe", "call", "register"]
[[realm.principal]]
authid = "greenhouse"
role = "sensor"
ticket = "%s"
[[listen]]
url = "tcp://127.0.0.1:%d"
[[listen]]
url = "unix://%s"
realm = "realm1"
role = "sensor"
authid = "program"
`

// newTCPGateway starts a router with a TCP listener, and a principal for the sketch that has this ticket.
func newTCPGateway(t *testing.T, ticket string) (*gateway, int) {
	t.Helper()
	dir, err := os.MkdirTemp("", "gw") // a socket's path must be short
	kit.Must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	port := kit.FreePort(t)
	g := &gateway{t: t, file: filepath.Join(dir, "runnel.toml"), socket: filepath.Join(dir, "sock")}
	g.admit(ticket, port)
	g.start()
	t.Cleanup(g.stop)
	g.logs(fmt.Sprintf(`listening url=tcp://127\.0\.0\.1:%d`, port))
	return g, port
}

// admit writes the router's configuration.
func (g *gateway) admit(ticket string, port int) {
	g.t.Helper()
	kit.Must(g.t, os.WriteFile(g.file, fmt.Appendf(nil, tcpConfig, ticket, port, g.socket), 0o600))
}

// newTCPNode starts the library's TCP sketch as a program that connects to this port.
func newTCPNode(t *testing.T, port int) *program.Process {
	t.Helper()
	cmd := exec.Command(filepath.Join(built, "tcp-host"))
	cmd.Env = append(os.Environ(), fmt.Sprintf("ROUTER_PORT=%d", port))
	stdin, err := cmd.StdinPipe()
	kit.Must(t, err)
	p, err := program.Start(cmd)
	kit.Must(t, err)
	t.Cleanup(func() {
		stdin.Close() // it ends with its input
		if status, err := p.Wait(); err != nil || status != 0 {
			t.Errorf("the sketch ended with %d, %v", status, err)
		}
		if t.Failed() {
			t.Logf("the sketch: %v", p)
		}
	})
	return p
}

// TestTCP runs the library's TCP sketch at a router, over loopback: readings, a set-point, calls, a router that is killed.
func TestTCP(t *testing.T) {
	g, port := newTCPGateway(t, "change me")
	node := newTCPNode(t, port)
	kit.Must(t, node.Sees("joined"))
	for i, end := range []func(){g.kill, g.stop} {
		c := g.join()
		seen := readings(t, c)
		degrees := 30.5 + float64(i)
		set(t, c, degrees)
		reads(t, seen, "21.35 <nil>")
		if s := isHere(t, c); s["set_point"] != degrees || s["heating"] != true || s["temperature"] != 21.35 {
			t.Errorf("state %v", s)
		}
		refuses(t, c, "wamp.error.payload_size_exceeded", state, strings.Repeat("long ", 200))
		refuses(t, c, "wamp.error.payload_size_exceeded", state, strings.Repeat("long ", 700))
		kit.Must(t, c.Publish(t.Context(), setPoint, client.PublishOptions{Acknowledge: true}, client.Args(strings.Repeat("hot ", 200))))
		kit.Must(t, c.Publish(t.Context(), setPoint, client.PublishOptions{Acknowledge: true}, client.Args("hot")))
		kit.Must(t, node.Sees("the set-point must be a number"))
		end()
		kit.Must(t, node.Sees("disconnected wamp."))
		g.start()
	}
	c := g.join()
	if s := isHere(t, c); s["set_point"] != 31.5 {
		t.Errorf("state after the restarts: %v", s)
	}
}

// TestTCPTicket rejects a sketch with a wrong ticket. The sketch logs that, retries, and joins once the router has the ticket.
func TestTCPTicket(t *testing.T) {
	g, port := newTCPGateway(t, "another")
	node := newTCPNode(t, port)
	kit.Must(t, node.Sees("wamp.error.authentication_failed"))
	g.admit("change me", port)
	g.process.Signal(syscall.SIGHUP)
	isHere(t, g.join())
}

// TestTCPLoad calls the sketch from several sessions at once, with arguments of all lengths that it takes.
func TestTCPLoad(t *testing.T) {
	g, port := newTCPGateway(t, "change me")
	newTCPNode(t, port)
	isHere(t, g.join())
	const callers, calls = 4, 100
	outcome := make(chan error, callers)
	for range callers {
		c := g.join()
		go func() {
			for i := range calls {
				r, err := c.Call(t.Context(), state, client.CallOptions{}, client.Args(strings.Repeat("x", 3*i)))
				if err == nil && r.Kwargs()["temperature"] != 21.35 {
					err = fmt.Errorf("%v", r.Kwargs())
				}
				if err != nil {
					outcome <- fmt.Errorf("call %d: %w", i, err)
					return
				}
			}
			outcome <- nil
		}()
	}
	for range callers {
		if err := <-outcome; err != nil {
			t.Error(err)
		}
	}
}
