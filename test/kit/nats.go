package kit

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// EachNATS runs a test with each nats-server of this machine: the installed one, and the one that RUNNEL_NATS names.
// It skips the test if there is none, but fails if RUNNEL_BROKERS is set, as in CI.
func EachNATS(t *testing.T, test func(t *testing.T, binary string)) {
	t.Helper()
	binaries := map[string]string{}
	if file, err := exec.LookPath("nats-server"); err == nil {
		binaries["installed"] = file
	} else if os.Getenv("RUNNEL_BROKERS") != "" {
		t.Fatal(err)
	}
	if file := os.Getenv("RUNNEL_NATS"); file != "" {
		binaries["newest"] = file
	}
	if len(binaries) == 0 {
		t.Skip("nats-server is not installed")
	}
	for name, file := range binaries {
		t.Run(name, func(t *testing.T) { test(t, file) })
	}
}

// NATS is a nats-server.
type NATS struct {
	Address string // of clients

	binary, file string
	cmd          *exec.Cmd
	ended        chan struct{} // closed when cmd has ended
}

// StartNATS starts a nats-server for the duration of the test and waits until it accepts clients. The configuration is
// added to one with the address, and with a directory for JetStream if that is enabled by "jetstream: enabled" or the
// like.
func StartNATS(t testing.TB, binary, config string) *NATS {
	t.Helper()
	n := NewNATS(t, binary, config)
	n.Start(t)
	return n
}

// NewNATS is StartNATS for a server that starts later.
func NewNATS(t testing.TB, binary, config string) *NATS {
	t.Helper()
	n, dir := &NATS{Address: fmt.Sprintf("127.0.0.1:%d", FreePort(t)), binary: binary}, t.TempDir()
	n.file = Write(t, dir, "nats.conf", fmt.Sprintf("listen: %q\n%s\n", n.Address, config))
	t.Cleanup(n.Kill)
	return n
}

// NATSCluster returns n servers with JetStream that make a cluster. They are not started.
func NATSCluster(t testing.TB, binary string, n int) (list []*NATS) {
	t.Helper()
	var routes []string
	for range n {
		routes = append(routes, fmt.Sprintf("127.0.0.1:%d", FreePort(t)))
	}
	for i, listen := range routes {
		list = append(list, NewNATS(t, binary, fmt.Sprintf("server_name: n%d\njetstream: enabled\ncluster { name: test, listen: %q, routes: [\"nats-route://%s\"] }",
			i, listen, strings.Join(routes, `", "nats-route://`))))
	}
	return list
}

// Start starts a server again after Kill, with its address and its streams.
func (n *NATS) Start(t testing.TB) {
	t.Helper()
	log := filepath.Join(filepath.Dir(n.file), "log")
	out, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	Must(t, err)
	defer out.Close()
	n.cmd, n.ended = exec.Command(n.binary, "-c", n.file, "-sd", filepath.Dir(n.file)), make(chan struct{})
	n.cmd.Stdout, n.cmd.Stderr = out, out
	dieWithParent(n.cmd)
	Must(t, n.cmd.Start())
	go func(cmd *exec.Cmd, ended chan struct{}) {
		cmd.Wait()
		close(ended)
	}(n.cmd, n.ended)
	text := func() string {
		text, _ := os.ReadFile(log)
		return string(text)
	}
	Eventually(t, "nats-server at "+n.Address, func() bool {
		select {
		case <-n.ended:
			t.Fatalf("nats-server has ended:\n%s", text())
		default:
		}
		conn, err := net.Dial("tcp", n.Address)
		if err == nil {
			conn.Close()
		}
		return err == nil
	}, text)
}

// Kill ends the server as a crash would, if it runs.
func (n *NATS) Kill() {
	if n.cmd == nil {
		return
	}
	n.cmd.Process.Kill()
	<-n.ended
}

// LameDuck makes the server ask its clients to go elsewhere.
func (n *NATS) LameDuck(t testing.TB) {
	t.Helper()
	out, err := exec.Command(n.binary, "-sl", fmt.Sprintf("ldm=%d", n.cmd.Process.Pid)).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}
