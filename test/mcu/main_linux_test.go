// Package mcu tests the guarantees of the client for microcontrollers from outside. The sensor node of boards/mcu runs
// as a program behind a noisy pseudo-terminal and as firmware in an emulated micro:bit. The router runs as users run
// it.
//
// It needs gcc, make, gcc-arm-none-eabi, gcc-avr, avr-libc, arduino-core-avr and qemu-system-arm, and runs if RUNNEL_MCU is
// set: a tool that is not there is a failure then.
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

var (
	runnel program.Binary
	built  string // the build directory of boards/mcu
)

func TestMain(m *testing.M) {
	if os.Getenv("RUNNEL_MCU") == "" {
		fmt.Println("not run: RUNNEL_MCU is not set")
		return
	}
	os.Setenv("ASAN_OPTIONS", "detect_leaks=0") // the program does not allocate, and a container may forbid the check for leaks
	kit.Leakproof(m, build, program.Built(&runnel))
}

// build makes the programs for the tests by the Makefile of boards/mcu.
func build(dir string) (func() error, error) {
	built = dir
	out, err := exec.Command("make", "-C", filepath.Join("..", "..", "boards", "mcu"), "BUILD="+built, "all", "tcp", built+"/check", built+"/check-send", built+"/check-stream", built+"/stream").CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("build boards/mcu: %w\n%s", err, out)
	}
	return nil, nil
}

const config = `
version = 1
[node]
data = "%s"
` + kit.OpenRealm + `
[[realm.role]]
name = "sensor"
durable = true
[[realm.role.permission]]
uri = "com.example."
match = "prefix"
allow = ["publish", "subscribe", "call", "register"]
disclose = true
[[listen]]
url = "unix://%s"
[[serial]]
name = "greenhouse"
device = "%s"
realm = "realm1"
authid = "greenhouse-mcu"
role = "sensor"
`

// gateway is a router with a device on its serial line.
type gateway struct {
	t       *testing.T
	file    string
	socket  string
	process *program.Process
}

// newGateway starts a router. more are further keys of its serial line, or tables.
func newGateway(t *testing.T, device string, more ...string) *gateway {
	t.Helper()
	dir, err := os.MkdirTemp("", "gw") // a socket's path must be short
	kit.Must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	g := &gateway{t: t, file: filepath.Join(dir, "runnel.toml"), socket: filepath.Join(dir, "sock")}
	kit.Must(t, os.WriteFile(g.file, fmt.Appendf(nil, config+strings.Join(more, "\n"), filepath.Join(dir, "data"), g.socket, device), 0o600))
	g.start()
	t.Cleanup(g.stop)
	return g
}

func (g *gateway) start() {
	g.t.Helper()
	p, err := program.Start(runnel.Command("run", "-c", g.file))
	kit.Must(g.t, err)
	g.process = p
	g.logs("msg=listening url=unix")
}

// logs waits until the router's log matches.
func (g *gateway) logs(pattern string) {
	g.t.Helper()
	_, err := g.process.Logs(pattern)
	kit.Must(g.t, err)
}

// stop ends the router, and prints its log if the test has failed.
func (g *gateway) stop() { g.shutDown(syscall.SIGTERM) }

// kill ends the router without GOODBYE or any other message.
func (g *gateway) kill() { g.shutDown(syscall.SIGKILL) }

func (g *gateway) shutDown(s syscall.Signal) {
	g.process.Signal(s)
	if _, err := g.process.Wait(); err != nil {
		g.t.Error(err)
	}
	if text := g.process.Stderr.Text(); g.t.Failed() || strings.Contains(text, "DATA RACE") {
		g.t.Errorf("the router's log:\n%s", text)
	}
}

// join connects a program to the router.
func (g *gateway) join() *client.Client {
	g.t.Helper()
	return program.Join(g.t, "unix://"+g.socket, client.Options{Reconnect: client.Reconnect{Disabled: true}})
}
